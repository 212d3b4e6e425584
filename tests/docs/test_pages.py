"""No page tells people to do what nobody has done: every block is run, or its reason not to is written down here."""

from __future__ import annotations

import pytest

from docs.pages import HOW_TO, ROOT, blocks

pytestmark = pytest.mark.unit

HOMES = {  # page -> the test that follows it
    "add-a-pipeline.md": "tests/e2e/test_pages.py",
    "query-the-forecast.md": "tests/docs/test_query.py",
}
ENGINE = "needs a container engine, which the tests have not; tests/containers runs the same commands without one"
NOT_RUN = {  # (page, first line of the block) -> why
    ("run-in-containers.md", "make env                   # secrets into .env, once; what is there stays. Needs only "
     "Python 3.11 or newer"): ENGINE,
}  # fmt: skip


def test_every_block_is_run_or_says_why_not() -> None:
    names = {page.name for page in HOW_TO.glob("*.md")}
    assert HOMES.keys() <= names
    undecided = [
        f"{block}: {block.first}"
        for name in sorted(names - HOMES.keys())
        for block in blocks(name)
        if (name, block.first) not in NOT_RUN
    ]
    assert not undecided, "no test runs these blocks:\n" + "\n".join(undecided)
    there = {(name, block.first) for name in names for block in blocks(name)}
    assert not NOT_RUN.keys() - there, "reasons for blocks that are gone"


def test_every_page_is_followed_from_its_first_block_to_its_last() -> None:
    for page, test in HOMES.items():
        assert f'"{page}"' in (ROOT / test).read_text(), f"{test} does not name {page}"
