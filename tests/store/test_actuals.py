"""Actuals in periods, forecasts beside them, and scores of drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest

from nightcast.domain.night import RunKind, RunState
from nightcast.errors import TablesDoNotFit
from nightcast.store import actuals, intake, publication, runs, scores
from nightcast.store.actuals import Recorded
from nightcast.store.intake import IntakeState, Taken
from nightcast.store.queries import rows, the_row
from nightcast.store.scores import DriftScore
from store.conftest import digest

pytestmark = pytest.mark.postgres
ORIGIN = date(2011, 10, 31)
DAYS = [ORIGIN + timedelta(day) for day in range(1, 5)]


def table(*found):
    names = (("sku", pa.string()), ("event_day", pa.date32()), ("value", pa.int64()))
    return pa.table({name: pa.array([each[i] for each in found], kind) for i, (name, kind) in enumerate(names)})


@pytest.fixture
def run(memory):
    memory.live_model()
    made = memory.scored_run()
    with memory.writing() as tx:
        publication.publish(tx, made.run_id)
    return made.run_id


def record(memory, run, days, *found):
    with memory.writing() as tx:
        return actuals.record(tx, memory.pipeline, run, dict.fromkeys(days, digest("panel")), table(*found))


def read(memory, **asked):
    with memory.writing() as tx:
        found = actuals.read(tx, memory.pipeline, DAYS[0], DAYS[-1], **asked)
    return [tuple(each.values()) for each in found.to_pylist()]


def test_what_was_known_stays_with_its_period(memory, run):
    assert record(memory, run, DAYS[:2], ("A", DAYS[0], 5), ("B", DAYS[0], 7), ("A", DAYS[1], 1)) == Recorded(
        closed=0, opened=3
    )
    with memory.writing() as tx:
        between = the_row(tx, "SELECT clock_timestamp() AS at")["at"]
    restated = (("A", DAYS[0], 6), ("C", DAYS[0], 2))  # A changed, B is gone, C is new
    assert record(memory, run, DAYS[:1], *restated) == Recorded(closed=2, opened=2)
    assert record(memory, run, DAYS[:1], *restated) == Recorded(closed=0, opened=0)
    assert read(memory) == [("A", DAYS[0], 6), ("C", DAYS[0], 2), ("A", DAYS[1], 1)]
    assert read(memory, known_at=between) == [("A", DAYS[0], 5), ("B", DAYS[0], 7), ("A", DAYS[1], 1)]
    assert read(memory, known_at=between - timedelta(days=1)) == []
    with memory.writing() as tx:
        assert actuals.recorded_days(tx, memory.pipeline, DAYS[0]) == dict.fromkeys(DAYS[:2], digest("panel"))
        assert actuals.recorded_days(tx, memory.pipeline, DAYS[1]) == {DAYS[1]: digest("panel")}


def test_a_day_without_any_sale_is_recorded_too(memory, run):
    assert record(memory, run, DAYS[:1]) == Recorded(closed=0, opened=0)
    with memory.writing() as tx:
        assert set(actuals.recorded_days(tx, memory.pipeline, DAYS[0])) == {DAYS[0]}


def test_rows_of_other_days_or_forms_are_refused(memory, run):
    with pytest.raises(ValueError, match=f"actuals of .*{DAYS[1]}"):
        record(memory, run, DAYS[:1], ("A", DAYS[1], 5))
    with pytest.raises(TablesDoNotFit, match="expected sku, event_day, value"), memory.writing() as tx:
        actuals.record(tx, memory.pipeline, run, dict.fromkeys(DAYS), table().drop_columns("value"))


def test_forecasts_stand_beside_what_happened(memory, run):
    record(memory, run, DAYS[:2], ("A", DAYS[0], 5), ("A", DAYS[1], 1), ("Z", DAYS[1], 3))
    taken = Taken(event_day=DAYS[0] + timedelta(3), state=IntakeState.MISSING)  # late_arrival is 3 days
    with memory.writing() as tx:
        intake.record(tx, "demand", run, taken)
    with memory.reading() as tx:
        found = rows(
            tx, "SELECT sku, horizon, mean, actual, maturity, look_ahead FROM forecast.demand_vs_actual ORDER BY 1, 2"
        )
    assert [tuple(each.values()) for each in found] == [
        ("A", 1, 1.0, 5, "final", False),
        ("A", 2, 2.0, 1, "provisional", False),
        ("A", 3, 3.0, None, None, False),
        ("B", 1, 1.0, 0, "final", False),  # a recorded day without a row: zero
        ("B", 2, 2.0, 0, "provisional", False),
        ("B", 3, 3.0, None, None, False),
    ]


def drift(value, column="price", **more):
    given = {"reference": "training", "kind": "measure", "column_name": column, "statistic": "psi"}
    return DriftScore(value=value, definition="10 bins, ln", n_reference=100, n_current=10, **given | more)


def scored(memory, origin, value, state=RunState.UNCHANGED, **more):
    with memory.writing() as tx:
        run = runs.open_run(tx, "demand", origin, **more)
        assert scores.replace(tx, run.run_id, [drift(value)]) == 1
        runs.finish(tx, run.run_id, state)
    return run.run_id


def test_drift_scores_are_replaced_and_read_back(memory):
    with memory.writing() as tx:
        run = runs.open_run(tx, "demand", ORIGIN).run_id
        given = [
            drift(0.1, rank=0.9, rank_n=10, moved="it rose"),
            drift(None, column="sku", reason="no rows"),
            drift(0.2, origin=ORIGIN - timedelta(1)),
        ]
        scores.replace(tx, run, [drift(7.0)])
        assert scores.replace(tx, run, given) == 3
        stored = scores.of_run(tx, run)
        assert stored == [given[2], replace(given[0], origin=ORIGIN), replace(given[1], origin=ORIGIN)]
        assert scores.replace(tx, run, []) == 0


def test_the_past_of_a_score_leaves_out_stopped_nights_and_tonight(memory):
    identity = drift(0.0).identity
    scored(memory, ORIGIN - timedelta(5), 0.5)
    scored(memory, ORIGIN - timedelta(4), 0.4, RunState.STOPPED)
    scored(memory, ORIGIN - timedelta(3), 0.3, RunState.DONE, kind=RunKind.IMPORT)
    scored(memory, ORIGIN - timedelta(3), 0.33)
    scored(memory, ORIGIN - timedelta(3), 0.333)
    scored(memory, ORIGIN - timedelta(2), 0.2, RunState.DONE, kind=RunKind.IMPORT)
    scored(memory, ORIGIN, 0.9)
    with memory.writing() as tx:
        assert scores.past(tx, "demand", ORIGIN) == {identity: [0.5, 0.333, 0.2]}
        assert scores.past(tx, "demand", ORIGIN, nights=2) == {identity: [0.333, 0.2]}
        assert scores.past(tx, "other", ORIGIN) == {}
