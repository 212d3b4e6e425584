"""The command line on pipelines that are unlike the default one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest

from cli.calling import bad, cli, good
from nightcast import spec
from nightcast.cli import explaining
from nightcast.errors import NotFound
from steps.other_worlds import FOLDERS, METERS, NIGHTS, RIDES, TRAINED, Riding
from steps.personal_world import ROUNDS
from steps.world import Installation

pytestmark = pytest.mark.postgres

ALL = (RIDES, METERS, ROUNDS)  # in the order of their names


def test_a_prediction_is_explained_by_a_key_of_two_columns(riding: Riding) -> None:
    (row,) = riding.as_analyst("SELECT * FROM forecast.bike_rides ORDER BY mean DESC, target_date LIMIT 1")
    station, direction, target = (row[name] for name in ("station", "direction", "target_date"))
    key = f"direction={direction},station={station}"
    lines = good(riding, "explain", RIDES, key, target)
    assert lines[0].startswith(f"{RIDES} {key} on {target}: mean ")
    assert re.findall(r"q\d\d", lines[0]) == ["q25", "q50", "q75"]
    assert lines[1].startswith(f"made from {NIGHTS[-1]} by run ")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("station=1", "expected values for station, direction, as station=…,direction=…"),
        ("1", "expected values for station, direction"),
        ("station=1,out", "expected values for station, direction"),
        ("station=1,station=2,direction=out", "expected values for station, direction"),
        ("x=1,station=1,direction=out", "expected values for station, direction"),
        ("station=one,direction=out", "the key's station is 'one'; expected an integer, as the column is"),
        ("station=9999999999999999999,direction=out", "expected an integer"),
    ],
)
def test_a_key_that_is_none_is_named(key: str, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        explaining.key_of(key, spec.load_folder(FOLDERS / RIDES).pipeline.source)


def test_values_of_keys_are_typed_and_may_hold_anything() -> None:
    rides, meters = (spec.load_folder(FOLDERS / name).pipeline.source for name in (RIDES, METERS))
    assert explaining.key_of("station=-7,direction=a=b,c", rides) == {"station": -7, "direction": "a=b,c"}
    assert explaining.key_of("GB,1", meters) == explaining.key_of("meter=GB,1", meters) == {"meter": "GB,1"}
    assert explaining.key_of("meter=a=1", meters) == {"meter": "a=1"}


def test_a_night_of_files_is_tried_and_its_history_is_known(
    metered: Installation, copy: Callable[..., Installation]
) -> None:
    served = copy(metered)
    again = served.import_days(TRAINED - timedelta(days=14), TRAINED)
    assert (again["days"], again["pulled"]) == (0, 0)  # every day is known with the same rows
    tried = good(served, "try", METERS, "--origin", NIGHTS[2])
    assert tried[0].startswith(f"{METERS} {NIGHTS[2]}: would be published (run ")
    assert any(line.startswith("72 rows, total of the means ") for line in tried)
    url = "ftp://reader:hunter2hunter2@127.0.0.1:1/readings?timeout=1&acct=AKIA123456"
    told = bad(served, "import", METERS, "--first", TRAINED, "--last", TRAINED, NIGHTCAST_SOURCE_METERS=url)
    assert "127.0.0.1:1/readings" in told
    assert "hunter2" not in told
    assert "AKIA" not in told


@pytest.fixture
def folders(metered: Installation, copy: Callable[..., Installation]) -> Installation:
    """An installation of its own, with all the folders of tests/pipelines."""
    made = copy(metered)
    shutil.copytree(FOLDERS, made.folder, dirs_exist_ok=True)
    return made


def edited(made: Installation, name: str, file: str, old: str, new: str) -> None:
    path = made.folder / name / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_new_folder_gets_its_tables_from_the_command_line(folders: Installation) -> None:
    plan = good(folders, "db", "plan")
    assert f"{METERS}: nothing to do" in plan
    assert any(line.startswith(f"{RIDES}: would ") for line in plan)
    good(folders, "db", "apply")
    assert good(folders, "db", "plan") == [f"{name}: nothing to do" for name in ALL]
    assert folders.as_analyst("SELECT station, direction, q25 FROM forecast.bike_rides") == []
    assert "`nightcast train bike_rides --through DATE`" in bad(folders, "night", RIDES, "--origin", NIGHTS[0])


def test_lint_judges_them_as_it_does_the_default(folders: Installation) -> None:
    assert good(folders, "lint") == [f"{name}: ok" for name in ALL]
    edited(folders, RIDES, "freshness.sql", "hour < :window_end", "hour < now()")
    edited(folders, RIDES, "expectations.yaml", "column: trips", "colum: trips")
    edited(folders, METERS, "pipeline.yaml", "readings/day={day}", "readings/day={date}")
    edited(folders, METERS, "pipeline.yaml", "  files:", "  calender: x\n  files:")
    (folders.folder / METERS / "freshness.sql").write_text("SELECT 1")
    done = cli(folders, "lint")
    assert done.returncode == 1
    for line in (
        "freshness.sql: does not use :window_end; expected both",
        "pipeline.yaml:10: at source.calender: found unknown key 'calender'",
        "pipeline.yaml:11: at source.files.path: path is 'readings/day={date}/*.parquet': its braces may hold day",
        "freshness.sql:1: found beside source.files; expected no SQL, files answer none",
    ):
        assert line in done.stdout, done.stdout
    assert "expectations.yaml:10: at rows[0].kwargs.colum: found unknown argument 'colum'" in done.stdout


def test_a_check_of_a_column_that_is_not_declared_is_named_before_rows_are_pulled(folders: Installation) -> None:
    edited(folders, METERS, "expectations.yaml", "column: watt_hours", "column: watthours")
    edited(folders, METERS, "expectations.yaml", "predictions: []", PREDICTIONS)
    problems = (
        "expectations.yaml:4: at runs_backwards: found unknown column 'watthours'; did you mean 'watt_hours'? expected "
        "feeder, meter, read_at or watt_hours",
        "expectations.yaml:16: at low: found unknown column 'q10'; did you mean 'q50'? expected horizon, mean, meter, "
        "q05, q50, q95 or target_date",
    )
    for told in (cli(folders, "lint", METERS).stdout, bad(folders, "night", METERS, "--origin", NIGHTS[2])):
        assert [problem for problem in problems if problem not in told] == []
    assert folders.last_run().origin < NIGHTS[2]


PREDICTIONS = """predictions:
  - id: low
    type: expect_column_values_to_be_between
    kwargs: {column: q10, min_value: 0}
    on_fail: warn
"""
