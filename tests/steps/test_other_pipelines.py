"""Pipelines unlike the default one: other keys, types, horizons, levels and sizes, no calendar; one reads files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from nightcast.domain.night import RunKind, RunState
from nightcast.errors import SourceMismatch, SourceNotFresh, SourceUnavailable
from nightcast.steps import explain, reproduce, trial, wait_for_source
from nightcast.store import connect, intake, layout
from nightcast.store.queries import execute
from steps.other_sources import CLOSED, METERED, OPENED, Rides, meters, sums, write_meters
from steps.other_worlds import METERS, NEXT, NIGHTS, RIDES, TRAINED, Riding
from steps.world import Installation, clock_of, scheduled

pytestmark = pytest.mark.postgres


def per_day(rides: Rides) -> dict[tuple[Any, ...], int]:
    """Trips per station, direction and day."""
    return sums(rides.rows, "hour", ["station_id", "direction"], "trips")


def test_no_folder_holds_python() -> None:
    folders = Path(__file__).resolve().parents[1] / "pipelines"
    assert {f.suffix for f in folders.rglob("*") if f.is_file()} == {".yaml", ".sql", ".md"}


def test_two_key_columns_of_two_types_make_the_tables_and_views(riding: Riding) -> None:
    found = riding.as_analyst(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'forecast' AND table_name = 'bike_rides' ORDER BY ordinal_position"
    )
    keys = [("station", "bigint"), ("direction", "text")]
    values = [(name, "double precision") for name in ("mean", "q25", "q50", "q75")]
    dates = [("origin", "date"), ("target_date", "date"), ("horizon", "smallint")]
    assert [tuple(r.values()) for r in found][:9] == [*keys, *dates, *values]
    with connect.transaction(riding.url("nightcast_owner")) as tx:
        assert layout.plan(tx, riding.pipeline) == []


def test_hourly_rows_become_days_and_days_become_actuals(riding: Riding) -> None:
    expected = per_day(riding.rides)
    found = riding.as_analyst("SELECT * FROM forecast.bike_rides_vs_actual WHERE actual IS NOT NULL")
    assert {(r["origin"], r["target_date"]) for r in found} == {
        (NIGHTS[0], NIGHTS[1]),
        (NIGHTS[0], NIGHTS[2]),
        (NIGHTS[1], NIGHTS[2]),
    }
    assert [r["actual"] for r in found] == [
        expected.get((r["station"], r["direction"], r["target_date"]), 0) for r in found
    ]
    assert {r["maturity"] for r in found} == {"provisional"}  # two days may still bring late rows


def test_every_day_is_forecast_for_the_entities_that_were_active(riding: Riding) -> None:
    """The station that closed in May is out, and so is the one that opened in June until its fifth day."""
    trips = per_day(riding.rides)
    for origin in NIGHTS:
        rows = riding.as_analyst(f"SELECT * FROM forecast.bike_rides_history WHERE origin = '{origin}'")
        assert {r["target_date"] for r in rows} == {origin + timedelta(days=n) for n in range(1, 8)}
        assert {r["horizon"] for r in rows} == set(range(1, 8))
        days = [origin - timedelta(days=n) for n in range(28)]
        entities = {key[:2] for key in trips}
        active = {e for e in entities if sum(trips.get((*e, day), 0) > 0 for day in days) >= 5}
        assert {(r["station"], r["direction"]) for r in rows} == active
        assert len(rows) == len(active) * 7
        assert (OPENED[0], "out") in active
        assert CLOSED[0] not in {station for station, _ in active}
        assert all(0 <= r["q25"] <= r["q50"] <= r["q75"] for r in rows)


def test_accuracy_is_what_the_views_rows_say(riding: Riding) -> None:
    trips = per_day(riding.rides)
    rows = riding.as_analyst("SELECT * FROM forecast.bike_rides_vs_actual WHERE actual IS NOT NULL")
    found = riding.as_analyst("SELECT * FROM forecast.bike_rides_accuracy WHERE slice = '' AND metric <> 'churn'")
    buckets = {(a["origin"], a["horizon_bucket"]) for a in found}
    assert buckets == {(NIGHTS[0], "1"), (NIGHTS[0], "2-7"), (NIGHTS[0], "all"), (NIGHTS[1], "1"), (NIGHTS[1], "all")}
    for score in (a for a in found if a["metric"] == "wape_day" and a["horizon_bucket"] == "all"):
        of = [r for r in rows if r["origin"] == score["origin"]]
        actual = np.array([float(r["actual"]) for r in of])
        week = timedelta(days=7)
        naive = [trips.get((r["station"], r["direction"], r["target_date"] - week), 0) for r in of]
        forecast = [r["mean"] for r in of] if score["method"] == "model" else naive
        assert score["metric_value"] == pytest.approx(np.abs(actual - forecast).sum() / actual.sum(), rel=1e-12)
        assert (score["n"], score["sum_actual"]) == (len(of), actual.sum())


def test_the_model_is_of_its_own_size_and_better_than_naive(riding: Riding, metered: Installation) -> None:
    for made in (riding, metered):
        (version,) = made.as_writer("SELECT metrics, state FROM internal.model_version")
        assert version["state"] == "live"
        assert version["metrics"]["calibration_wape"] < version["metrics"]["seasonal_naive_wape"]
        assert version["metrics"]["training_origins"] == made.pipeline.model.training.origins


def test_a_prediction_is_explained_by_all_its_keys(riding: Riding) -> None:
    (row,) = riding.as_analyst("SELECT * FROM forecast.bike_rides ORDER BY mean DESC, target_date LIMIT 1")
    key = {"station": row["station"], "direction": row["direction"]}
    found = explain.run(RIDES, key, row["target_date"], riding.rooms)
    assert found.prediction["mean"] == row["mean"]
    trips = per_day(riding.rides)
    assert found.recent == {
        day: trips.get((row["station"], row["direction"], day), 0)
        for day in (NIGHTS[-1] - timedelta(days=n) for n in range(13, -1, -1))
    }
    assert set(found.features) == set(riding.pipeline.feature_names)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_night_is_reproduced_to_the_byte_by_any_number_of_shards(
    riding: Riding, metered: Installation, shards: int
) -> None:
    for made in (riding, metered):
        found = reproduce.run(made.last_run().run_id, made.rooms, threads=1, shards=shards)
        assert found.identical
        assert found.rows == made.last_run().predictions


@pytest.mark.parametrize("name", ["riding", "metered"])
def test_a_night_again_changes_nothing(name: str, request: pytest.FixtureRequest, copy: Callable[..., Any]) -> None:
    served = copy(request.getfixturevalue(name))
    before, origin = served.shown(), served.last_run().origin
    for more in ({}, {"mode": "known_now"}):  # as it was known, and looked at anew
        result = served.night(origin, scheduler_run_id=f"manual__{more}", **more)
        assert served.run(result["run_id"]).state is RunState.UNCHANGED
    assert served.shown() == before


def test_a_night_is_tried_without_being_published(riding: Riding, copy: Callable[..., Riding]) -> None:
    served = copy(riding)
    before = served.shown()
    found = trial.run(RIDES, NEXT, served.rooms, clock_of(NEXT))
    assert found.stopped is None
    assert found.forecast is not None
    assert found.forecast.num_rows == 58 * 7
    assert served.shown() == before


def test_a_day_whose_last_hours_are_not_counted_is_not_there_yet(riding: Riding, copy: Callable[..., Riding]) -> None:
    """Its other hours are; freshness.sql knows better."""
    served = copy(riding)
    night = served.step("open_run", served.asked(NEXT, **scheduled(NEXT)), NEXT)
    late, then = f"hour >= '{NEXT} 20:00' AND hour < '{NEXT + timedelta(days=1)}'", "interval '100 years'"
    with closing(connect.connect(riding.rides.owner)) as owner:
        owner.autocommit = True
        execute(owner, f"UPDATE hourly_count SET hour = hour + {then} WHERE {late}")
        try:
            assert served.step("wait_for_source", night, NEXT) is False
        finally:
            execute(owner, f"UPDATE hourly_count SET hour = hour - {then} WHERE hour > '2100-01-01'")
    assert served.step("wait_for_source", night, NEXT) is True


def test_files_make_the_same_path(metered: Installation) -> None:
    energy = sums(meters(), "read_at", ["meter"], "watt_hours")
    imported = metered.last_run(RunKind.IMPORT)
    assert imported.pulled == 24 * 4 * ((TRAINED - METERED).days + 1)
    for origin in NIGHTS[:2]:
        rows = metered.as_analyst(f"SELECT * FROM forecast.meter_load_history WHERE origin = '{origin}'")
        assert len(rows) == 24 * 3
        assert {r["target_date"] for r in rows} == {origin + timedelta(days=n) for n in (1, 2, 3)}
    (compared, *_) = rows = metered.as_analyst("SELECT * FROM forecast.meter_load_vs_actual WHERE actual IS NOT NULL")
    assert len(rows) == 24
    assert (compared["origin"], compared["target_date"], compared["maturity"]) == (*NIGHTS[:2], "final")
    assert [r["actual"] for r in rows] == [energy[r["meter"], r["target_date"]] for r in rows]
    (score,) = metered.as_analyst(
        "SELECT * FROM forecast.meter_load_accuracy"
        " WHERE (method, metric, horizon_bucket, slice) = ('model', 'wape_day', 'all', '')"
    )
    missed = sum(abs(r["mean"] - r["actual"]) for r in rows) / sum(r["actual"] for r in rows)
    assert score["metric_value"] == pytest.approx(missed, rel=1e-12)


@pytest.fixture
def own_files(metered: Installation, copy: Callable[..., Installation], tmp_path: Path) -> Installation:
    """A copy with files of its own, of the last days only."""
    write_meters(str(tmp_path / "files"), NIGHTS[1], NEXT)
    return replace(copy(metered), sources={"meters": str(tmp_path / "files")})


def day_of(made: Installation, day: date) -> Path:
    return Path(made.sources["meters"]) / f"readings/day={day}"


def test_a_day_without_files_is_waited_for(own_files: Installation) -> None:
    origin = NIGHTS[2]
    folder = day_of(own_files, origin)
    folder.rename(folder.with_name("coming"))
    night = own_files.step("open_run", own_files.asked(origin, **scheduled(origin)), origin)
    before, after = (datetime(2024, 6, 19, hour, 30, tzinfo=UTC) for hour in (4, 5))  # 06:00 in London is 05:00
    assert wait_for_source.run(night, own_files.rooms, lambda: before) is False
    with pytest.raises(SourceNotFresh, match=f"the source 'meters' has no rows for {origin}"):
        wait_for_source.run(night, own_files.rooms, lambda: after)
    (folder.with_name("coming")).rename(folder)
    assert wait_for_source.run(night, own_files.rooms, lambda: after) is True
    assert own_files.night(origin, **scheduled(origin))["state"] == RunState.PUBLISHED


def test_a_file_that_is_still_written_is_transient_and_one_that_changed_its_columns_is_not(
    own_files: Installation,
) -> None:
    path = day_of(own_files, NIGHTS[2]) / "south.parquet"
    whole, table = path.read_bytes(), pq.read_table(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(SourceUnavailable, match=r"day=2024-06-18/south.parquet"):
        own_files.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    pq.write_table(table.rename_columns(["meter", "read_at", "kwh", "feeder"]), path)
    with pytest.raises(SourceMismatch, match="watt_hours is not there"):
        own_files.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    assert own_files.last_run().state is RunState.FAILED
    path.write_bytes(whole)
    assert own_files.night(NIGHTS[2], **scheduled(NIGHTS[2]))["state"] == RunState.PUBLISHED


def test_another_file_store_and_another_layout_give_the_same_night(
    metered: Installation, copy: Callable[..., Installation]
) -> None:
    """As one data set in memory://, searched by the time column: the days are known, so nothing is restated."""
    own = replace(copy(metered), sources={"meters": "memory://bucket/meters"})
    write_meters(own.sources["meters"], NIGHTS[0], NEXT)
    own.edit("pipeline.yaml", "readings/day={day}/*.parquet", "readings/**/*.parquet")
    own.edit("pipeline.yaml", "  columns:", "  late_arrival: 2\n  columns:")
    own.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    metered_days, own_days = [], []
    for made, days in ((metered, metered_days), (own, own_days)):
        with made.writing() as tx:
            known = intake.newest(tx, METERS, first=NIGHTS[0], last=NIGHTS[1])
        days += [(day, taken.revision, taken.content_digest) for day, taken in known.items()]
    assert own_days == metered_days
    assert own.last_run().state is RunState.PUBLISHED
    fsspec.filesystem("memory").rm("/bucket", recursive=True)
