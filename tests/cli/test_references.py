"""The pages of docs/reference/ that are made from the code are the committed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import call
from nightcast import spec
from nightcast.cli.references import PAGES
from nightcast.domain.feature_meanings import MEANINGS
from nightcast.domain.features import FEATURE_KINDS
from nightcast.domain.monitoring import AccuracySlices, LevelSlices
from nightcast.domain.pipeline import PipelineFolder

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", [name for name in PAGES if name != "tables.md"])
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs/reference" / name).read_text() == PAGES[name](), "run `make docs` and commit the page"


def test_every_key_of_a_pipeline_says_what_it_means() -> None:
    silent = [f"{title}.{n}" for title, kind in spec.sections() for n, c in spec.comments_of(kind).items() if not c]
    assert silent == ["pipeline.yaml.name"]  # which is the folder's


def test_every_feature_is_in_the_reference() -> None:
    assert list(MEANINGS) == list(FEATURE_KINDS)
    page = PAGES["features.md"]()
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == list(FEATURE_KINDS)


def test_the_examples_of_features_make_a_pipeline() -> None:
    folder = spec.load_folder(ROOT / "include/pipelines/daily_demand")
    text = folder.files["pipeline.yaml"]
    start, end = text.index("features:\n"), text.index("model:\n")
    examples = "".join(f"  - {meaning.example}\n" for meaning in MEANINGS.values())
    changed = f"{text[:start]}features:\n{examples}\n{text[end:]}"
    changed = changed.replace("calendar: {columns: [day_of_year,", "calendar: {columns: [promotion, day_of_year,")
    made: PipelineFolder = spec.from_files("daily_demand", {**folder.files, "pipeline.yaml": changed})
    assert {f.feature for f in made.pipeline.features} == set(FEATURE_KINDS)
    assert made.pipeline.features == tuple(spec.read_feature(m.example) for m in MEANINGS.values())


def test_the_slices_of_the_reference_can_be_declared() -> None:
    _, _, rest = PAGES["accuracy.md"]().partition("```yaml\n")
    declared = rest.partition("```")[0].replace("[shop]", "[sku]")
    folder = spec.load_folder(ROOT / "include/pipelines/daily_demand")
    text = folder.files["pipeline.yaml"].partition("monitoring:")[0] + declared
    slices = spec.from_files(
        "daily_demand", {**folder.files, "pipeline.yaml": text}
    ).pipeline.monitoring.accuracy_slices
    assert slices == AccuracySlices(level=LevelSlices(), keys=("sku",))


def test_docs_are_written_and_checked_from_the_command_line(tmp_path: Path) -> None:
    first, page = call({}, tmp_path, "docs", "reference"), tmp_path / "reference/features.md"
    assert {f"reference/{name}: written" for name in PAGES} <= set(first.stdout.splitlines())
    assert page.read_text() == PAGES["features.md"]()
    made = (tmp_path / "reference/tables.md").read_text()  # by a Postgres of its own
    assert (ROOT / "docs/reference/tables.md").read_text() == made, "run `make docs` and commit the page"
    assert "None" not in made  # everything has a comment
    page.write_text("something else")
    old = call({}, tmp_path, "docs", "reference", "--check")
    assert (old.returncode, page.read_text()) == (1, "something else")
    assert old.stdout == "reference/features.md: is out of date; run `nightcast docs reference`\n"
