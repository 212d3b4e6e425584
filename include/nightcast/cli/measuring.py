"""`nightcast backtest`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nightcast.domain.backtest_table import markdown, written
from nightcast.errors import NotFound
from nightcast.settings import Settings
from nightcast.steps import backtest as backtest_step
from nightcast.steps import rooms as rooms_

README, REPORT = "README.md", "backtest.json"


def backtest(
    settings: Settings,
    asked: backtest_step.Asked,
    into: Path | None,
    progress: Callable[[str], None],
    *,
    write: bool,
) -> None:
    """Print the tables of a backtest; write the report where it is asked for, and the tables into the README."""
    if into and not into.absolute().parent.is_dir():
        raise NotFound(f"the folder of {into} does not exist; expected one for --json. Make it, or name another file")
    folder = settings.pipelines / asked.pipeline
    readme = _readable(folder / README) if write else ""  # found out before minutes of work
    report = backtest_step.run(asked, rooms_.build(settings), progress)
    print(markdown(report))
    if into:
        into.write_text(as_json(report), encoding="utf-8")
    if write:
        (folder / REPORT).write_text(as_json(report), encoding="utf-8")
        (folder / README).write_text(written(readme, markdown(report)), encoding="utf-8")


def as_json(report: Mapping[str, Any]) -> str:
    """The report as a file: people read its differences in a review."""
    return json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _readable(file: Path) -> str:
    if not file.is_file():
        raise NotFound(f"{file} does not exist; expected the pipeline's README for --write. Write one, or leave it out")
    return file.read_text(encoding="utf-8")
