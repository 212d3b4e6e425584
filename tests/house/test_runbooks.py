"""From every error and every check there is a way to a page that says what it means, how to look and what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.source_tree import ENGINE, ROOT
from nightcast import errors
from nightcast.checks import CONTRACT_IDS
from nightcast.checks.expectations import SECTIONS
from nightcast.domain import gates
from nightcast.domain.verdict import check_runbook

pytestmark = pytest.mark.unit

RUNBOOKS = ROOT / "docs/runbooks"
PARTS = ("**Means**", "**Look**", "**Do**")
NOT_A_CHECK = {"expectations.yaml", "extract.sql", "freshness.sql", "calendar.sql", "pipeline.yaml"}


def ids_of_the_engine() -> set[str]:
    """Every id in the files that make results: a text with a dot, and `duplicates`."""
    makers = [f for f in ENGINE.rglob("*.py") if "CheckResult" in f.read_text()]
    texts = {
        node.value
        for file in makers
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    dotted = {text for text in texts if re.fullmatch(r"[a-z]+\.[a-z_]+", text)} - NOT_A_CHECK
    return dotted | {"duplicates"}


def sections(page: Path) -> Iterator[tuple[str, str]]:
    """Title and text of each section of a page."""
    for part in page.read_text().split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        yield title, body


def test_the_engines_own_ids_are_found() -> None:
    found = ids_of_the_engine()
    assert found >= {*CONTRACT_IDS, *gates.AUDIT_IDS, "audit.model_version", "days.missing", "rows.present"}
    assert all(check_runbook(check_id).startswith("checks/") for check_id in found)


@pytest.mark.parametrize("check_id", sorted(ids_of_the_engine()))
def test_every_check_has_a_section_that_says_what_it_means_how_to_look_and_what_to_do(check_id: str) -> None:
    found = dict(sections(RUNBOOKS / check_runbook(check_id)))
    assert check_id in found, f"{check_runbook(check_id)} has no section {check_id}"
    assert [found[check_id].count(part) for part in PARTS] == [1, 1, 1]


def test_every_section_of_a_teams_expectations_has_one_too() -> None:
    found = dict(sections(RUNBOOKS / check_runbook("kind_known")))
    assert found.keys() >= set(SECTIONS)
    assert all(part in body for body in found.values() for part in PARTS)


def test_no_page_explains_a_check_that_there_is_not() -> None:
    pages = {check_runbook(check_id) for check_id in (*ids_of_the_engine(), "kind_known")}
    assert {f"checks/{page.name}" for page in (RUNBOOKS / "checks").glob("*.md")} == pages
    named = {title for page in (RUNBOOKS / "checks").glob("*.md") for title, _ in sections(page)}
    assert {title for title in named if "." in title} | {"duplicates"} == ids_of_the_engine()


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.NightcastError)]
)
def test_every_error_that_is_raised_leads_to_its_page(kind: type[errors.NightcastError]) -> None:
    if kind.__subclasses__():
        return
    text = (RUNBOOKS / errors.runbook_of(kind)).read_text()
    assert text.startswith(f"# {kind.__name__}: ")
    looked, did = (text.index(f"\n## {part}\n") for part in ("Look", "Do"))
    meaning = text[text.index("\n") : looked].strip()
    assert len(meaning) > 40
    assert looked < did
