"""A pipeline's folder on disk and as stored texts; good folders beside bad ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import date, time
from pathlib import Path

import pytest

from nightcast import spec
from nightcast.domain.contract import FileFormat, Files
from nightcast.domain.features import Ratio
from nightcast.domain.manifest import digest_json
from nightcast.errors import SpecError

pytestmark = pytest.mark.unit


@pytest.fixture
def root(tmp_path: Path, repository: Path) -> Path:
    """A folder of pipelines of our own, with the default one in it."""
    shutil.copytree(repository / "include/pipelines/daily_demand", tmp_path / "daily_demand")
    return tmp_path


def problems_of(root: Path, name: str = "daily_demand") -> list[str]:
    with pytest.raises(SpecError) as caught:
        spec.load_folder(root / name)
    return caught.value.problems


def test_the_default_pipeline_is_typed(root: Path) -> None:
    folder = spec.load_folder(root / "daily_demand")
    pipeline = folder.pipeline
    assert pipeline.name == "daily_demand"
    assert pipeline.schedule.first_night == date(2011, 10, 24)
    assert pipeline.schedule.ready_by == time(6, 0)
    assert pipeline.model.scale.blend == {28: 0.5, 91: 0.5}
    assert pipeline.forecast.quantiles == (0.1, 0.5, 0.9)
    ratio = next(f for f in pipeline.features if isinstance(f, Ratio))
    assert ratio.windows == ((7, 28), (28, 91))
    assert folder.extract_sql.lstrip().startswith("--")
    assert folder.calendar_sql is not None


def test_stored_texts_give_the_same_folder(root: Path) -> None:
    folder = spec.load_folder(root / "daily_demand")
    again = spec.from_files("daily_demand", json.loads(json.dumps(dict(folder.files))))
    assert again == folder


def test_the_digest_is_over_names_and_texts(root: Path) -> None:
    folder = spec.load_folder(root / "daily_demand")
    assert folder.digest == digest_json(dict(folder.files))
    with (root / "daily_demand/extract.sql").open("a") as file:
        file.write("\n-- another word\n")
    assert spec.load_folder(root / "daily_demand").digest != folder.digest


def test_the_readme_is_no_part_of_a_night(root: Path) -> None:
    before = spec.load_folder(root / "daily_demand")
    (root / "daily_demand/README.md").write_text("other words")
    assert spec.load_folder(root / "daily_demand") == before


def test_one_bad_spec_never_hides_a_good_one(root: Path) -> None:
    shutil.copytree(root / "daily_demand", root / "broken")
    (root / "broken/pipeline.yaml").write_text("version: [1\n")
    (root / "empty").mkdir()
    (root / "_template").mkdir()
    (root / ".hidden").mkdir()
    (root / "README.md").write_text("not a pipeline")
    good, bad = spec.load_all(root)
    assert list(good) == ["daily_demand"]
    assert sorted(bad) == ["broken", "empty"]
    assert bad["broken"].problems[0].startswith("pipeline.yaml:")
    assert "pipeline.yaml:1: is missing; expected it beside pipeline.yaml" in bad["empty"].problems


@pytest.mark.parametrize("name", ["Daily", "daily-demand", "1st", "a" * 41, "täglich"])
def test_a_folder_must_be_named_so_that_tables_can_be(root: Path, name: str) -> None:
    (root / "daily_demand").rename(root / name)
    assert problems_of(root, name)[0].startswith(f"{name}: is the folder's name; expected a lower-case word")


@pytest.mark.parametrize("name", ["pipeline.yaml", "expectations.yaml"])
def test_a_missing_and_an_empty_file_are_named(root: Path, name: str) -> None:
    (root / "daily_demand" / name).write_text(" \n")
    assert f"{name}:1: is empty; expected its text" in problems_of(root)
    (root / "daily_demand" / name).unlink()
    assert f"{name}:1: is missing; expected it beside pipeline.yaml" in problems_of(root)


def test_rows_come_from_sql_or_from_files_and_never_from_both(root: Path) -> None:
    folder = root / "daily_demand"
    texts = {name: (folder / name).read_text() for name in ("extract.sql", "calendar.sql")}
    (folder / "extract.sql").unlink()
    assert problems_of(root) == ["extract.sql:1: is missing; expected it beside pipeline.yaml, or source.files in it"]
    spec_ = (folder / "pipeline.yaml").read_text()
    (folder / "pipeline.yaml").write_text(spec_.replace("  late_arrival: 3", "  files: {path: '*.parquet'}"))
    no_sql = "found beside source.files; expected no SQL, files answer none"
    assert problems_of(root) == [f"calendar.sql:1: {no_sql}"]
    (folder / "extract.sql").write_text(texts["extract.sql"])
    assert problems_of(root) == [f"extract.sql:1: {no_sql}", f"calendar.sql:1: {no_sql}"]
    (folder / "extract.sql").unlink()
    (folder / "pipeline.yaml").write_text(spec_.replace("  late_arrival: 3", "  files:"))
    assert "extract.sql:1: is missing" in problems_of(root)[0]


def test_a_pipeline_of_files_is_typed(repository: Path) -> None:
    folder = spec.load_folder(repository / "tests/pipelines/meter_load")
    assert folder.extract_sql is None
    assert folder.pipeline.source.files == Files(path="readings/day={day}/*.parquet", format=FileFormat.PARQUET)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/readings/*.parquet", "it must lie below the connection's URL"),
        ("readings/../../other/*", "it must lie below the connection's URL"),
        ("s3://bucket/*", "it must lie below the connection's URL"),
        (" ", "it must lie below the connection's URL"),
        ("day={day", "its braces do not close"),
        ("day={date}/*", "its braces may hold day, or day with a form of %Y, %m, %d, %j, %G and %V"),
        ("day={}/*", "its braces may hold day"),
        ("day={day!r}/*", "its braces may hold day"),
        ("day={day.year}/*", "its braces may hold day"),
        ("day={day:%H}/*", "its braces may hold day"),
        ("{{day}}/*", "its braces may hold day"),
    ],
)
def test_a_path_of_files_that_cannot_be_is_named(repository: Path, path: str, wrong: str) -> None:
    files = dict(spec.load_folder(repository / "tests/pipelines/meter_load").files)
    files["pipeline.yaml"] = files["pipeline.yaml"].replace("readings/day={day}/*.parquet", path)
    with pytest.raises(SpecError) as caught:
        spec.from_files("meter_load", files)
    (problem,) = caught.value.problems
    assert problem.startswith(f"pipeline.yaml:10: at source.files.path: path is {path!r}: {wrong}")
    assert problem.endswith("expected one such as readings/day={day}/*.parquet")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("formt: csv", "files.formt: found unknown key 'formt'; did you mean 'format'? expected format or path"),
        ("format: orc", "files.format: found unknown value 'orc'; expected csv or parquet"),
    ],
)
def test_a_mistake_in_files_is_named(repository: Path, more: str, problem: str) -> None:
    files = dict(spec.load_folder(repository / "tests/pipelines/meter_load").files)
    files["pipeline.yaml"] = files["pipeline.yaml"].replace('*.parquet"}', f'*.parquet", {more}}}')
    with pytest.raises(SpecError) as caught:
        spec.from_files("meter_load", files)
    assert caught.value.problems == [f"pipeline.yaml:10: at source.{problem}"]


def test_team_code_is_refused_for_now(root: Path) -> None:
    (root / "daily_demand/pipeline.py").write_text("def transform(rows): ...\n")
    assert problems_of(root) == [
        "pipeline.py:1: is not supported yet; expected only declared features. Take the file away"
    ]


def test_a_file_that_is_not_text_is_named(root: Path) -> None:
    (root / "daily_demand/extract.sql").write_bytes(b"SELECT '\xff'")
    assert problems_of(root) == ["extract.sql:1: is not UTF-8 (invalid start byte at byte 8); expected UTF-8 text"]


def test_an_unknown_stored_file_is_an_error(root: Path) -> None:
    files = dict(spec.load_folder(root / "daily_demand").files)
    with pytest.raises(SpecError) as caught:
        spec.from_files("daily_demand", files | {"calender.sql": "SELECT 1"})
    assert "did you mean 'calendar.sql'?" in caught.value.problems[0]


def test_calendar_columns_need_the_file(root: Path) -> None:
    (root / "daily_demand/calendar.sql").unlink()
    assert problems_of(root) == [
        "pipeline.yaml:29: at calendar.columns: found columns but no calendar.sql; expected the file that delivers them"
    ]


def test_the_form_of_expectations_is_seen_at_once(root: Path) -> None:
    (root / "daily_demand/expectations.yaml").write_text("contract: []\nrow: []\n")
    assert problems_of(root) == [
        "expectations.yaml:2: at row: found unknown section 'row'; did you mean 'rows'? "
        "expected contract, predictions, rows or signals"
    ]


def test_the_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="expected the folder that holds one folder per pipeline"):
        spec.load_all(tmp_path / "nowhere")


def test_reading_a_pipeline_imports_no_heavy_library(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nightcast import spec; import nightcast.domain.night, "
        "nightcast.domain.verdict, nightcast.domain.manifest; spec.load_all(Path(sys.argv[1])); "
        "print([m for m in ('numpy','pandas','pyarrow','scipy','sklearn','great_expectations') if m in sys.modules])"
    )
    engine = Path(spec.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(engine)},
    )
    assert done.stdout.strip() == "[]"


def test_the_schema_for_editors_knows_the_file_as_it_is_written() -> None:
    schema = spec.json_schema()
    assert schema["$defs"]["Model"]["properties"]["family"]["enum"] == ["hist_gradient_boosting", "lightgbm"]
    assert "name" not in schema["properties"]
    assert schema["additionalProperties"] is False
    feature = schema["properties"]["features"]["items"]["properties"]["rolling_mean"]["$ref"].rsplit("/", 1)[1]
    assert set(schema["$defs"][feature]["properties"]) == {"of", "windows"}
    assert schema["$defs"][feature]["required"] == ["of", "windows"]
    json.dumps(schema)


def test_the_schema_for_editors_knows_the_limits_of_features() -> None:
    definitions = spec.json_schema()["$defs"]
    lags = definitions["Lagged"]["properties"]["lags"]["items"]
    assert (lags["type"], lags["minimum"], lags["maximum"]) == ("integer", 1, 1100)
    assert "1 is the last one up to it" in lags["description"]
    centred, before = definitions["SeasonalLift"]["properties"]["windows"]["items"]["prefixItems"]
    assert (centred["maximum"], before["maximum"]) == (365, 1100)
    date = definitions["DaysToDate"]["properties"]["dates"]["items"]
    assert re.fullmatch(date["pattern"], "12-24")
    assert not re.search(date["pattern"], "24 December")
