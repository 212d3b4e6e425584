"""Nights that are not made: asked for wrongly, nothing to make them from, or the ground moved under them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import nightcast
from nightcast.domain.night import RunState
from nightcast.errors import (
    CalendarTooShort,
    NightcastError,
    NightRefused,
    NoLiveModel,
    SourceMismatch,
    SourceNotFresh,
    SpecError,
    TablesDoNotFit,
)
from nightcast.steps import open_run, sequence, wait_for_source
from steps.world import EARLY, FIRST_NIGHT, NEXT, PIPELINE, World, asked, changed, clock_of, scheduled

pytestmark = pytest.mark.postgres

NOT_YET = f"UPDATE replay SET now_override = '{NEXT} 00:00'"
ARRIVED = "UPDATE replay SET now_override = NULL"


def test_a_key_that_is_not_a_date_is_refused(published: World) -> None:
    before = published.fingerprint(but=())
    for key in (None, "", "yesterday", "2011-13-01", "20111024", "2011-W43-1", "2011-10-24T00:00"):
        with pytest.raises(NightRefused, match="expected the origin as YYYY-MM-DD"):
            published.step("open_run", {"pipeline": PIPELINE, "partition_key": key}, FIRST_NIGHT)
    assert published.fingerprint(but=()) == before


def test_a_day_that_is_not_over_is_refused(published: World) -> None:
    """Over means over in the pipeline's time zone: at 23:30 UTC it is the next day in London in summer."""
    summer = datetime(2011, 10, 27, 23, 30, tzinfo=UTC)
    with pytest.raises(NightRefused, match=r"2011-10-27 is not over: it is 2011-10-27 in Europe/London"):
        open_run.run(asked(NEXT), published.rooms, lambda: summer - timedelta(hours=1))
    with pytest.raises(NightRefused, match="2011-10-28 is not over"):
        open_run.run(asked(NEXT + timedelta(days=1)), published.rooms, lambda: summer)


def test_a_day_that_is_over_in_the_pipelines_zone_is_taken(served: World) -> None:
    assert open_run.run(asked(NEXT), served.rooms, lambda: datetime(2011, 10, 27, 23, 30, tzinfo=UTC))["run_id"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("sold_at >= :window_start", "sold_at >= :window_start::date - interval '12 hours'"),
     ("sold_at < :window_end", "sold_at < :window_end::date + interval '12 hours'")],
)  # fmt: skip
def test_an_extract_that_reaches_beyond_its_window_takes_nothing_in(served: World, old: str, new: str) -> None:
    """Half a day would pass for its restatement."""
    before = served.fingerprint()["intake"]
    served.edit("extract.sql", old, new)
    with pytest.raises(SourceMismatch, match=r"days outside 2011-10-24 to 2011-10-27, the first of them 2011-10-2[38]"):
        served.night(NEXT, **scheduled(NEXT))
    assert served.last_run().state is RunState.FAILED
    assert served.fingerprint()["intake"] == before


def test_without_a_live_model_the_command_that_makes_one_is_told(early: World, copy: Any) -> None:
    world: World = copy(early)
    with pytest.raises(NoLiveModel, match=f"nightcast train {PIPELINE}"):
        world.night(EARLY - timedelta(days=1))
    run = world.last_run()
    assert (run.state, run.model_version) == (RunState.FAILED, None)
    assert str(run.reason).startswith("open_run: NoLiveModel: no model version of daily_demand was live on 2010-12-04")


def test_a_spec_that_cannot_be_read_opens_no_run(served: World) -> None:
    before = served.fingerprint(but=())
    served.edit("pipeline.yaml", "horizon: 14", "horizon: 14\n  horizont: 14")
    with pytest.raises(SpecError, match=r"pipeline\.yaml:\d+.*horizont"):
        served.night(NEXT)
    assert served.fingerprint(but=()) == before


def test_tables_of_another_version_are_told_before_anything_is_pulled(served: World) -> None:
    before = served.fingerprint(but=())
    served.edit("pipeline.yaml", "version: 1\n", "version: 2\n")
    with pytest.raises(TablesDoNotFit, match="nightcast db apply"):
        served.night(NEXT)
    assert served.fingerprint(but=()) == before


def test_a_calendar_that_ends_within_the_horizon_stops_the_night(served: World) -> None:
    end = NEXT + timedelta(days=14)
    gone = "UPDATE trading_calendar SET day = day {} 9999 WHERE day = '{}'"
    with (
        changed(served.retail, gone.format("+", end), gone.format("-", end + timedelta(days=9999))),
        pytest.raises(CalendarTooShort, match=f"the first is {end}"),
    ):
        served.night(NEXT, **scheduled(NEXT))
    run = served.last_run()
    assert run.state is RunState.FAILED
    assert str(run.reason).startswith("validate: CalendarTooShort")
    assert served.night(NEXT, **scheduled(NEXT))["state"] == RunState.PUBLISHED  # extended, and cleared


def test_a_source_without_its_last_day_is_waited_for_until_the_deadline(served: World) -> None:
    night = served.step("open_run", asked(NEXT, **scheduled(NEXT)), NEXT)
    at = datetime(2011, 10, 28, 4, 59, tzinfo=UTC)  # the deadline is 06:00 in London, an hour ahead
    with changed(served.retail, NOT_YET, ARRIVED):
        for minutes in (-60, -1, 0):
            assert wait_for_source.run(night, served.rooms, lambda m=minutes: at + timedelta(minutes=m)) is False
        assert not served.as_writer(f"SELECT 1 FROM internal.run_step WHERE run_id = {night['run_id']}")
        with pytest.raises(SourceNotFresh, match=r"no rows for 2011-10-27.*by 2011-10-28 06:00 BST"):
            wait_for_source.run(night, served.rooms, lambda: at + timedelta(minutes=1))
    (attempt,) = served.as_writer(f"SELECT * FROM internal.run_step WHERE run_id = {night['run_id']}")
    assert (attempt["state"], attempt["error_class"]) == ("failed", "SourceNotFresh")
    assert wait_for_source.run(night, served.rooms, lambda: at + timedelta(hours=9)) is True


@pytest.mark.parametrize("hours", [1, 9])
def test_a_night_in_one_process_does_not_judge_a_day_that_has_not_come(served: World, hours: int) -> None:
    """Before the deadline and after it: the day is not recorded as missing, and the night goes on when it is there."""
    shown = served.shown()
    request = asked(NEXT, **scheduled(NEXT))
    with changed(served.retail, NOT_YET, ARRIVED), pytest.raises(SourceNotFresh):
        sequence.run_night(request, served.rooms, lambda: datetime(2011, 10, 28, hours, tzinfo=UTC))
    run = served.last_run()
    assert (run.origin, run.state) == (NEXT, RunState.FAILED)
    assert str(run.reason).startswith("wait_for_source: SourceNotFresh")
    assert not served.as_writer(f"SELECT 1 FROM internal.intake WHERE event_day = '{NEXT}'")
    assert served.shown() == shown
    assert served.night(NEXT, **scheduled(NEXT))["run_id"] == run.run_id
    assert served.run(run.run_id).state is RunState.PUBLISHED


def test_a_spec_that_is_edited_under_a_running_night_does_not_matter(world: World, published: World) -> None:
    night = world.step("open_run", asked(FIRST_NIGHT, **scheduled(FIRST_NIGHT)), FIRST_NIGHT)
    shutil.rmtree(world.folder / PIPELINE)
    for name in ("wait_for_source", "extract", "validate", "predict", "audit", "publish", "monitor_drift"):
        world.step(name, night, FIRST_NIGHT)
    digests = [
        w.as_writer("SELECT row_digest, spec_digest FROM internal.run WHERE kind = 'night' ORDER BY run_id")[0]
        for w in (world, published)
    ]
    assert digests[0] == digests[1]


def test_other_code_midway_is_refused_and_pinned_anew_when_the_night_is_cleared(served: World, tmp_path: Path) -> None:
    """Another engine, in a process of its own: a copy of this one with a line more."""
    night = served.step("open_run", asked(NEXT, **scheduled(NEXT)), NEXT)
    shutil.copytree(Path(nightcast.__file__).parent, tmp_path / "nightcast")
    with (tmp_path / "nightcast" / "domain" / "universe.py").open("a") as file:
        file.write("\n# changed\n")
    done = by_other_code(served, tmp_path, "extract", night["run_id"])
    assert done.returncode == 1
    assert "was opened by engine code" in done.stderr
    assert "Clear the run from its first task" in done.stderr
    assert served.step("extract", night, NEXT)["rows_read"] > 0  # this code may go on

    code = (
        "import os; from datetime import *; from nightcast import settings\n"
        "from nightcast.steps import open_run, rooms\n"
        f"open_run.run({asked(NEXT, **scheduled(NEXT))!r}, rooms.build(settings.from_environment(os.environ)),"
        " lambda: datetime(2011, 10, 28, 3, tzinfo=UTC))"
    )
    other(served, tmp_path, "-c", code).check_returncode()
    assert by_other_code(served, tmp_path, "extract", night["run_id"]).returncode == 0
    with pytest.raises(NightRefused):
        served.step("extract", night, NEXT)
    shown = served.last_run().run_id - 1
    assert by_other_code(served, tmp_path, "monitor_drift", shown).returncode == 0  # measured again after an upgrade


def by_other_code(world: World, code: Path, step: str, run_id: int) -> subprocess.CompletedProcess[str]:
    return other(world, code, "-m", "nightcast.cli", "step", step, "--run", str(run_id))


def other(world: World, code: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code), **world.environment}
    return subprocess.run([sys.executable, *arguments], env=env, cwd=code, capture_output=True, text=True, check=False)


def test_a_closed_day_publishes_without_pulling_anything(world: World) -> None:
    """Saturday 2011-10-29, after a week that is known."""
    saturday = date(2011, 10, 29)
    world.import_days(FIRST_NIGHT, saturday - timedelta(days=1))
    result = world.night(saturday, **scheduled(saturday))
    run = world.run(result["run_id"])
    assert (run.state, run.pulled, run.accepted) == (RunState.PUBLISHED, 0, 0)
    assert run.predictions == run.expected > 0
    (taken,) = world.as_writer(f"SELECT state FROM internal.intake WHERE event_day = '{saturday}'")
    assert taken["state"] == "closed"
    drift = f"FROM internal.drift_score WHERE run_id = {run.run_id}"
    kinds = world.as_writer(f"SELECT DISTINCT kind {drift} AND value IS NOT NULL ORDER BY 1")
    assert [k["kind"] for k in kinds] == ["feature", "prediction"]  # of inputs there are none to compare, which is said
    inputs = world.as_writer(f"SELECT DISTINCT statistic, reason {drift} AND kind IN ('measure', 'attribute')")
    assert [i["statistic"] for i in inputs] == ["presence"]
    assert "its day is closed" in inputs[0]["reason"]
    manifest = world.rooms.lake.get_json(str(run.manifest_digest))
    assert manifest["days"][-1] | {"day": str(saturday), "state": "closed"} == manifest["days"][-1]


def test_an_open_day_without_rows_stays_a_reason_however_often_the_night_is_run(served: World) -> None:
    """Where `freshness.sql` says that the source is complete, and it is empty all the same."""
    (served.folder / PIPELINE / "freshness.sql").write_text("SELECT true AS fresh WHERE :window_start < :window_end\n")
    with changed(served.retail, NOT_YET, ARRIVED):
        for _ in range(2):
            with pytest.raises(NightcastError, match=r"rows\.present"):
                served.night(NEXT, **scheduled(NEXT))
            assert served.last_run().state is RunState.STOPPED
    assert [r["state"] for r in served.as_writer(f"SELECT state FROM internal.intake WHERE event_day = '{NEXT}'")] == [
        "missing"
    ]
    assert served.night(NEXT, **scheduled(NEXT))["state"] == RunState.PUBLISHED
    assert served.as_analyst(f"SELECT DISTINCT origin FROM forecast.{PIPELINE}") == [{"origin": NEXT}]


def test_a_stopped_night_that_is_cleared_late_goes_on(doubled: World, copy: Any) -> None:
    """However old: somebody cleared it."""
    world: World = copy(doubled)
    stopped = world.last_run()
    late = clock_of(stopped.origin + timedelta(days=60))
    night = open_run.run(asked(stopped.origin, **scheduled(stopped.origin)), world.rooms, late)
    assert (night["run_id"], night["state"], night.get("skip")) == (stopped.run_id, RunState.OPEN, None)
