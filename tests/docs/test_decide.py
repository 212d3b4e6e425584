"""docs/how-to/decide.md, followed in an installation whose night was stopped by a double load."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.pages import ROOT, Block, Terminal, blocks, follow
from nightcast.domain.night import RunState
from steps.world import World

PAGE = "decide.md"
pytestmark = pytest.mark.postgres


def test_every_decision_of_the_page_is_taken(doubled: World, copy: Any, tmp_path: Path) -> None:
    world: World = copy(doubled)
    run = world.last_run().run_id
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "nightcast"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nightcast.cli "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "include"), "RUN": str(run)}

    def corrected(block: Block) -> str:
        """The rule of the block in the place of the one with its id."""
        file = world.folder / world.name / "expectations.yaml"
        rule, declared = yaml.safe_load(block.text), yaml.safe_load(file.read_text())
        (at,) = [n for n, each in enumerate(declared["rows"]) if each["id"] == rule["id"]]
        declared["rows"][at] = rule
        file.write_text(yaml.safe_dump(declared))
        return ""

    with Terminal(tmp_path, environment | world.environment) as terminal:
        follow(blocks(PAGE), {"bash": terminal.type, "yaml": corrected})
    assert world.run(run).state is RunState.PUBLISHED
    kinds = [d["kind"] for d in world.as_writer("SELECT kind FROM internal.decision ORDER BY decision_id")]
    assert kinds == ["waive", "withdraw", "undo", "accept_level", "replay", "discard"]
