"""Scores of accuracy: every value that was computed, the newest shown once, and what they rest on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg2 import errors as pg

from nightcast.domain.accuracy_metrics import definitions
from nightcast.domain.night import RunState
from nightcast.store import accuracy, intake, publication, runs
from nightcast.store.accuracy import AccuracyScore
from nightcast.store.intake import IntakeState, Taken
from nightcast.store.queries import rows, the_row
from store.conftest import ORIGIN, digest

pytestmark = pytest.mark.postgres


@pytest.fixture
def run(memory):
    memory.live_model()
    return published(memory)


def published(memory, inputs="inputs", **asked):
    made = memory.scored_run(inputs=inputs, **asked)
    with memory.writing() as tx:
        publication.publish(tx, made.run_id)
    return made.run_id


def score(run, value, **more):
    given = {
        "horizon_bucket": "2-7",
        "method": "model",
        "metric": "wape_day",
        "maturity": "provisional",
        "reason": "nothing was sold" if value is None else None,
        "n": 4,
        "sum_actual": 6.0,
        "days_compared": 2,
        "days_forecast": 6,
    }
    return AccuracyScore(run_id=run, value=value, **given | more)


def shown(memory, view="demand_accuracy"):
    with memory.reading() as tx:
        return rows(tx, f"SELECT * FROM forecast.{view} ORDER BY method, metric, slice, computed_at")


def test_earlier_values_are_kept_and_the_newest_is_shown(memory, run):
    first = [score(run, 0.5), score(run, 0.7, method="seasonal_naive"), score(run, None, metric="bias", n=0)]
    with memory.writing() as tx:
        assert accuracy.add(tx, first) == 3
    with memory.writing() as tx:
        assert accuracy.add(tx, first) == 0  # computed again, the same: nothing new
        assert accuracy.add(tx, [score(run, 0.4)]) == 1
        assert accuracy.add(tx, [score(run, 0.4, maturity="final")]) == 1
        assert accuracy.add(tx, []) == 0
        stored = accuracy.of_run(tx, run)
    assert {(s.method, s.metric, s.maturity): s.value for s in stored} == {
        ("model", "bias", "provisional"): None,
        ("model", "wape_day", "final"): 0.4,
        ("seasonal_naive", "wape_day", "provisional"): 0.7,
    }
    assert {(s.origin, s.model_version) for s in stored} == {(ORIGIN, 1)}
    assert [(s["metric_value"], s["maturity"]) for s in shown(memory)] == [
        (None, "provisional"),
        (0.4, "final"),
        (0.7, "provisional"),
    ]
    kept = [s["metric_value"] for s in shown(memory, "demand_accuracy_history") if s["metric"] == "wape_day"]
    assert kept == [0.5, 0.4, 0.4, 0.7]


def test_a_score_is_shown_with_its_unit_reason_and_definition(memory, run):
    given = [score(run, 0.5), score(run, 3.0, metric="interval_width"), score(run, None, metric="mase")]
    with memory.writing() as tx:
        accuracy.add(tx, given)
    width, mase, wape = shown(memory)
    assert (wape["unit"], mase["unit"], width["unit"]) == ("share", "scaled", "units")
    assert (mase["reason"], wape["reason"]) == ("nothing was sold", None)
    assert wape["definition"] == definitions([0.1, 0.5, 0.9])["wape_day"].text
    assert (wape["days_compared"], wape["days_forecast"]) == (2, 6)


def test_every_metric_of_the_quantiles_is_defined_in_the_view(memory, run):
    wanted = definitions(memory.pipeline.forecast.quantiles)
    with memory.writing() as tx:
        accuracy.add(tx, [score(run, 0.1, metric=metric) for metric in wanted])
    assert {s["metric"]: s["definition"] for s in shown(memory)} == {m: d.text for m, d in wanted.items()}


def test_a_value_or_a_reason_and_never_both(memory, run):
    for value, reason in ((None, None), (0.5, "no")):
        with pytest.raises(pg.CheckViolation), memory.writing() as tx:
            accuracy.add(tx, [score(run, value, reason=reason)])


def test_scores_of_a_withdrawn_revision_are_history(memory, run):
    second = published(memory, inputs="restated")
    with memory.writing() as tx:
        accuracy.add(tx, [score(run, 0.5), score(second, 0.4)])
    assert [(s["run"], s["metric_value"]) for s in shown(memory)] == [(second, 0.4)]
    assert {s["run"] for s in shown(memory, "demand_accuracy_history")} == {run, second}


def test_nights_that_can_be_scored_have_the_one_before_and_their_basis(memory, run):
    second = published(memory, inputs="next", origin=ORIGIN + timedelta(days=1), table=later(memory))
    with memory.writing() as tx:
        accuracy.keep_basis(tx, run, yardstick=digest("y"), last_target=ORIGIN, truth=digest("t"))
        accuracy.keep_basis(tx, run, yardstick=digest("y"), last_target=ORIGIN, truth=digest("u"))
        first, newest = accuracy.nights(tx, memory.pipeline)
    assert (first.run_id, first.before, first.truth) == (run, None, digest("u"))
    assert (newest.run_id, newest.before, newest.truth, newest.yardstick) == (second, run, None, None)
    with memory.owning() as tx:
        rows(tx, f"UPDATE internal.run SET look_ahead = true WHERE run_id = {run} RETURNING run_id")
        assert [(n.run_id, n.before) for n in accuracy.nights(tx, memory.pipeline)] == [(second, None)]


def later(memory):
    table = memory.forecast().to_pydict()
    table["target_date"] = [day + timedelta(days=1) for day in table["target_date"]]
    return memory.forecast().from_pydict(table)


def test_the_newest_day_that_was_seen_counts_in_whatever_state(memory):
    with memory.writing() as tx:
        assert accuracy.seen(tx, memory.pipeline) is None
        night = runs.open_run(tx, "demand", ORIGIN).run_id
        intake.record(tx, "demand", night, Taken(event_day=ORIGIN, state=IntakeState.MISSING))
        runs.finish(tx, night, RunState.STOPPED, "no rows")
        assert accuracy.seen(tx, memory.pipeline) == ORIGIN
        assert the_row(tx, "SELECT count(*) AS n FROM internal.accuracy_basis")["n"] == 0
