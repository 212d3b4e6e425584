"""No page tells people to do what nobody has done: every block is run, or its reason not to is written down here."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.pages import HOW_TO, ROOT, SHOWN, Block, Terminal, assert_shown, blocks, follow
from nightcast import spec
from nightcast.cli.main import app
from nightcast.local.environment import read_env_file

pytestmark = pytest.mark.unit

HOMES = {  # page -> the test that does all of it
    "add-a-pipeline.md": "tests/e2e/test_pages.py",
    "decide.md": "tests/docs/test_decide.py",
    "bring-your-own-postgres.md": "tests/local/test_own_postgres.py",
    "install-the-wheel.md": "tests/wheel/test_page.py",
    "protect-personal-data.md": "tests/steps/test_erase.py",
    "query-the-forecast.md": "tests/docs/test_query.py",
    "rerun-and-backfill.md": "tests/e2e/test_pages_of_reruns.py",
    "use-lightgbm.md": "tests/steps/test_lightgbm.py",
}
ENGINE = "there is no container engine where tests run; tests/containers runs what the containers run, and parses these"
LONG = "half a minute per origin and model; tests/cli/test_measuring.py does the same with less"
NOT_RUN = {  # (page, what the block begins with) -> why
    ("run-in-containers.md", "make env "): ENGINE,
    ("run-in-containers.md", "docker compose exec scheduler python -m nightcast.cli lint"): ENGINE,
    ("run-in-containers.md", "docker compose up -d --scale worker=3"): ENGINE,
    ("run-in-containers.md", "docker compose logs -f scheduler "): ENGINE,
    ("measure-a-recipe.md", "bin/nightcast backtest PIPELINE "): LONG,
}


def pages() -> list[str]:
    return sorted(page.name for page in HOW_TO.glob("*.md"))


def reason(block: Block) -> tuple[str, str] | None:
    """The entry of NOT_RUN that means this block."""
    return next((entry for entry in NOT_RUN if entry[0] == block.page and block.text.startswith(entry[1])), None)


def loose() -> list[Block]:
    """Blocks of the pages that no other test follows, and that have no reason to be left out."""
    return [block for name in pages() if name not in HOMES for block in blocks(name) if not reason(block)]


def test_every_page_is_followed_by_its_test() -> None:
    assert HOMES.keys() <= set(pages())
    for page, test in HOMES.items():
        assert f'"{page}"' in (ROOT / test).read_text(), f"{test} does not name {page}"


def test_every_reason_not_to_run_a_block_has_its_block() -> None:
    found = [reason(block) for name in pages() for block in blocks(name)]
    assert sorted(filter(None, found)) == sorted(NOT_RUN)


def test_settings_are_ones_that_exist(tmp_path: Path) -> None:
    known = {line.lstrip("#").partition("=")[0] for line in (ROOT / ".env.example").read_text().splitlines()}
    for block in loose():
        if block.language == "ini":
            (tmp_path / ".env").write_text(block.text)
            assert read_env_file(tmp_path / ".env").keys() <= known, block


def test_models_are_ones_that_can_be_compared(tmp_path: Path) -> None:
    folder = spec.load_folder(ROOT / "include/pipelines/daily_demand")
    for block in loose():
        if block.language == "yaml":
            (tmp_path / "model.yaml").write_text(block.text)
            assert spec.with_model(folder, tmp_path / "model.yaml") != folder.pipeline, block


def test_no_other_block_is_left() -> None:
    left = [f"{block}: {block.text}" for block in loose() if block.language not in ("ini", "yaml")]
    assert not left, "nothing runs these blocks, and nothing says why not:\n" + "\n".join(left)


def test_commands_can_be_typed_where_they_are_not_run() -> None:
    lines = [line for name in pages() for b in blocks(name) if reason(b) for line in b.text.splitlines()]
    typed = [shlex.split(line, comments=True) for line in lines if line.startswith("bin/nightcast ")]
    assert typed
    for program, *words in typed:
        parse(typer.main.get_command(app), program, words)


def parse(command: Any, name: str, words: list[str]) -> None:
    """Raises what somebody who types it would be told."""
    context = command.make_context(name, list(words))
    if hasattr(command, "resolve_command"):
        name, found, rest = command.resolve_command(context, words)
        assert found is not None
        parse(found, str(name), rest)


BLOCK = Block("page.md", 7, SHOWN, "run 12: published\n…\n  item   | mean\n---------+------\n store 1 |  1.5\n")


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("run 7: published\nand\nmore\n item | mean \n-----+---\n store 20 | -3,456.789\n", True),
        ("run 7: published\n item | mean \n-----+---\n store 20 | -3,456.789\n", True),
        ("run 7: stopped\n item | mean \n-----+---\n store 20 | -3,456.789\n", False),
        ("run 7: published\n item | mean \n-----+---\n store 20 | -3,456.789\n and more\n", False),
        ("run 7: published\n item | mean \n-----+---\n shop 20 | 3\n", False),
    ],
)
def test_what_is_shown_is_compared_but_for_numbers(said: str, same: bool) -> None:
    if same:
        assert_shown(BLOCK, said)
    else:
        with pytest.raises(AssertionError, match=r"docs/how-to/page\.md:7 shows"):
            assert_shown(BLOCK, said)


def test_a_terminal_keeps_variables_and_ends_at_the_first_failure(tmp_path: Path) -> None:
    def block(text: str) -> Block:
        return Block("page.md", 1, "bash", text)

    with Terminal(tmp_path, {"PATH": "/usr/bin:/bin"}) as terminal:
        assert terminal.type(block("word=kept\necho first\n")).split() == ["first"]
        assert terminal.type(block("cat <<'END'\n$word\nEND\necho $word\n")).split() == ["$word", "kept"]
        with pytest.raises(AssertionError, match=r"page\.md:1 failed:\nfalse"):
            terminal.type(block("false\necho after\n"))


def test_a_language_that_nothing_runs_is_said() -> None:
    with pytest.raises(AssertionError, match="nothing runs blocks of language 'fish'"):
        follow([Block("page.md", 1, "fish", "ls\n")], {})


@pytest.mark.parametrize(
    ("text", "said"),
    [("```\nls\n```\n", r":1: a block without a language"), ("words\n\n    ls\n", r":3: .* is indented"),
     ("```bash\nls\n", r":1: a block without an end")],
)  # fmt: skip
def test_a_block_that_could_be_overlooked_is_refused(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr("docs.pages.HOW_TO", tmp_path)
    with pytest.raises(ValueError, match=said):
        blocks("page.md")
