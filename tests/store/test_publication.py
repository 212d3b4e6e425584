"""Publishing: atomic, repeatable, dated so that the past stays as it was."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from nightcast.domain.night import RunKind, RunState
from nightcast.errors import NightRefused, StoreUnavailable
from nightcast.store import layout, models, publication, runs
from nightcast.store.models import ModelEvent
from nightcast.store.publication import Published, Superseded, Unchanged
from nightcast.store.queries import execute, rows, the_row

pytestmark = pytest.mark.postgres
ORIGIN = date(2011, 10, 31)


@pytest.fixture
def night(memory):
    memory.live_model()
    return memory


def publish(memory, run):
    with memory.writing() as tx:
        return publication.publish(tx, run.run_id)


def seen(memory, query="SELECT * FROM forecast.demand ORDER BY sku, target_date"):
    with memory.reading() as tx:
        return rows(tx, query)


def test_readers_see_nothing_before_and_all_after(night):
    run = night.scored_run()
    assert seen(night) == []
    outcome = publish(night, run)
    assert outcome == Published(revision=1, published_at=outcome.published_at)
    found = seen(night)
    assert [(each["sku"], each["horizon"], each["mean"]) for each in found] == [
        (sku, day, float(day)) for sku in "AB" for day in (1, 2, 3)
    ]
    assert list(found[0]) == [
        *("sku", "origin", "target_date", "horizon", "mean", "q10", "q50", "q90"),
        *("model_version", "source", "run", "revision", "published_at"),
    ]
    assert {(e["model_version"], e["source"], e["run"], e["revision"]) for e in found} == {(1, "model", run.run_id, 1)}
    with night.writing() as tx:
        stored = runs.get(tx, run.run_id)
    assert (stored.state, stored.ended_at) == (RunState.PUBLISHED, outcome.published_at)


def test_publishing_twice_says_the_same_and_changes_nothing(night):
    run = night.scored_run()
    first = publish(night, run)
    before = seen(night, "SELECT * FROM forecast.changes")
    assert publish(night, run) == first
    assert seen(night, "SELECT * FROM forecast.changes") == before


def test_a_rerun_of_the_same_inputs_opens_no_revision(night):
    publish(night, night.scored_run())
    again = night.scored_run()
    with night.writing() as tx:
        assert publication.same_inputs(tx, "demand", ORIGIN, again.input_digest).revision == 1
        assert publication.same_inputs(tx, "demand", ORIGIN, "0" * 64) is None
    assert publish(night, again) == Unchanged(revision=1)
    assert publish(night, again) == Unchanged(revision=1)
    with night.writing() as tx:
        assert runs.get(tx, again.run_id).state is RunState.UNCHANGED
        assert len(publication.revisions(tx, "demand", ORIGIN)) == 1


def test_a_new_revision_takes_over_at_one_instant_and_the_past_stays(night):
    first = publish(night, night.scored_run())
    second = publish(night, night.scored_run(night.forecast(level=2.0), inputs="other"))
    assert second.revision == 2
    with night.writing() as tx:
        old, new = publication.revisions(tx, "demand", ORIGIN)
    assert old.withdrawn_at == new.published_at == second.published_at
    assert old.reason == f"replaced by run {new.run_id}"
    assert {each["revision"] for each in seen(night)} == {2}
    assert seen(night, "SELECT * FROM forecast.demand_history ORDER BY sku, target_date") == seen(night)

    def as_of(moment):
        with night.reading() as tx:
            found = rows(tx, "SELECT * FROM forecast.demand_as_of(%(at)s) ORDER BY sku, target_date", {"at": moment})
        return {(each["revision"], each["mean"] / each["horizon"]) for each in found}

    assert as_of(first.published_at - timedelta(microseconds=1)) == set()
    assert as_of(first.published_at) == as_of(second.published_at - timedelta(microseconds=1)) == {(1, 1.0)}
    assert as_of(second.published_at) == as_of(datetime.now(UTC)) == {(2, 2.0)}
    assert as_of(None) == set()


def test_as_of_gives_what_the_table_said_and_not_older_nights(night):
    table = night.forecast()
    publish(night, night.scored_run(table))
    earlier = table.set_column(1, "target_date", [[day - timedelta(7) for day in table["target_date"].to_pylist()]])
    publish(night, night.scored_run(earlier, inputs="week before", origin=ORIGIN - timedelta(7)))
    assert {each["origin"] for each in seen(night)} == {ORIGIN}
    assert {each["origin"] for each in seen(night, "SELECT * FROM forecast.demand_as_of(now())")} == {ORIGIN}
    assert {e["origin"] for e in seen(night, "SELECT * FROM forecast.demand_history")} == {
        ORIGIN,
        ORIGIN - timedelta(7),
    }


def test_as_of_now_waits_for_a_publication_that_is_dated_but_not_yet_seen(night):
    """Otherwise asking twice for the same moment could give two answers."""
    run, answers = night.scored_run(), []

    def ask(moment):
        with night.reading() as tx:
            answers.append(len(rows(tx, "SELECT * FROM forecast.demand_as_of(%(at)s)", {"at": moment})))

    with night.writing() as tx:
        outcome = publication.publish(tx, run.run_id)
        with pytest.raises(StoreUnavailable), night.reading() as reader:
            execute(reader, "SET LOCAL lock_timeout = '50ms'; SELECT forecast.demand_as_of(now())")
        asking = threading.Thread(target=ask, args=(outcome.published_at,))
        asking.start()
        asking.join(0.2)
        assert answers == []
    asking.join()
    assert answers == [6]


def test_two_runs_at_once_leave_one_open_revision(night):
    made = [night.scored_run(night.forecast(level=level), inputs=str(level)) for level in (1.0, 2.0, 3.0)]
    barrier, outcomes = threading.Barrier(3), {}

    def race(run):
        barrier.wait(30)
        outcomes[run.run_id] = publish(night, run)

    threads = [threading.Thread(target=race, args=(run,)) for run in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each["run"] for each in seen(night)} == {made[-1].run_id}  # the newest, whatever the order
    assert isinstance(outcomes[made[-1].run_id], Published)
    with night.writing() as tx:
        everything = publication.revisions(tx, "demand", ORIGIN)
    assert [each.revision for each in everything] == list(range(1, len(everything) + 1))
    assert [each.withdrawn_at for each in everything] == [*(e.published_at for e in everything[1:]), None]


def test_a_newer_run_of_the_night_is_not_replaced_by_an_older_one(night):
    older = night.scored_run()
    newer = night.scored_run(night.forecast(level=2.0), inputs="newer")
    publish(night, newer)
    outcome = publish(night, older)
    assert isinstance(outcome, Superseded)
    assert f"run {newer.run_id} of this night is newer" in outcome.reason
    assert publish(night, older) == outcome
    with night.writing() as tx:
        assert runs.get(tx, older.run_id).state is RunState.SUPERSEDED


def test_a_model_that_was_rejected_meanwhile_is_not_published_and_a_retired_one_is(night):
    run = night.scored_run()
    register = {"trained_through": ORIGIN, "training_digest": "1" * 64, "spec_digest": "1" * 64, "who": "t", "why": "t"}
    with night.writing() as tx:
        models.register(tx, "demand", bundle_digest="2" * 64, **register)
        models.promote(tx, "demand", 2, effective_from=ORIGIN, who="t", why="t")
    assert isinstance(publish(night, run), Published)  # version 1 is retired, and was this night's
    with night.writing() as tx:
        models.record(tx, "demand", 1, ModelEvent.ABORT, who="t", why="wrong")
    assert "model version 1 is rejected" in publish(night, night.scored_run(inputs="more")).reason


COUNTS = {"pulled": 10, "accepted": 7, "quarantined": 2, "duplicates": 1, "expected": 6, "predictions": 6}


@pytest.mark.parametrize(
    "wrong",
    [{"pulled": 11}, {"accepted": None}, {"quarantined": 0}, {"duplicates": 2}, {"expected": 7}, {"predictions": None}],
)
def test_counts_that_do_not_reconcile_are_never_published(night, wrong):
    run = night.scored_run()
    with night.writing() as tx:
        runs.count(tx, run.run_id, **COUNTS | wrong)
    with pytest.raises(NightRefused, match="does not reconcile: pulled"):
        publish(night, run)
    with pytest.raises(Exception, match="run_reconciles"), night.writing() as tx:
        execute(
            tx,
            "UPDATE internal.run SET state = 'published', ended_at = now() WHERE run_id = %(run)s",
            {"run": run.run_id},
        )
    assert seen(night) == []


def test_a_run_without_a_pin_is_never_published(night):
    run = night.scored_run()
    with night.writing() as tx:
        runs.pin(tx, run.run_id, manifest_digest=None)
    with pytest.raises(NightRefused, match=r"lacks a pin .*manifest None"):
        publish(night, run)


def test_only_open_nights_are_published(night):
    with night.writing() as tx:
        trial = runs.open_run(tx, "demand", ORIGIN, RunKind.TRY)
    with pytest.raises(NightRefused, match="only a night is published"):
        publish(night, trial)
    stopped = night.scored_run()
    with night.writing() as tx:
        runs.finish(tx, stopped.run_id, RunState.STOPPED, "gate")
    with pytest.raises(NightRefused, match="is stopped; expected an open run"):
        publish(night, stopped)


def test_a_publication_that_is_not_committed_was_never_there(night):
    run = night.scored_run()
    with pytest.raises(ZeroDivisionError), night.writing() as tx:
        print(publication.publish(tx, run.run_id).revision / 0)
    assert seen(night) == []
    assert publish(night, run).revision == 1


def test_a_clock_that_was_set_back_does_not_turn_revisions_round(night):
    publish(night, night.scored_run())
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with night.owning() as tx:
        execute(tx, "UPDATE internal.publication SET published_at = %(at)s", {"at": ahead})
    assert publish(night, night.scored_run(inputs="other")).published_at == ahead + timedelta(microseconds=1)


def test_readers_polling_all_the_while_see_whole_nights(night):
    publish(night, night.scored_run())
    stop, wrong = threading.Event(), []

    def poll():
        while not stop.is_set():
            found = seen(night)
            if len(found) != 6 or len({(each["revision"], each["run"]) for each in found}) != 1:
                wrong.append(found)

    reader = threading.Thread(target=poll)
    reader.start()
    for level in range(2, 12):
        publish(night, night.scored_run(night.forecast(level=float(level)), inputs=str(level)))
    stop.set()
    reader.join()
    assert wrong == []


def test_what_came_before_and_which_nights_are_published(night):
    days = [ORIGIN - timedelta(day) for day in (2, 1, 0)]
    for day in days:
        table = night.forecast()
        moved = table.set_column(1, "target_date", [[d - (ORIGIN - day) for d in table["target_date"].to_pylist()]])
        publish(night, night.scored_run(moved, inputs=str(day), origin=day))
    with night.writing() as tx:
        assert publication.before(tx, "demand", ORIGIN).origin == days[1]
        assert publication.before(tx, "demand", days[0]) is None
        assert [each.origin for each in publication.published(tx, "demand")] == days
        assert [each.origin for each in publication.published(tx, "demand", days[1])] == days[1:]
        assert publication.current(tx, "demand", ORIGIN + timedelta(1)) is None
    changes = seen(night, "SELECT * FROM forecast.changes ORDER BY change")
    assert [each["published_at"] for each in changes] == sorted(each["published_at"] for each in changes)


def test_after_a_new_version_readers_see_an_empty_table_until_its_first_night(night):
    publish(night, night.scored_run())
    with night.owning() as tx:
        layout.apply(tx, replace(night.pipeline, version=2))
    assert seen(night) == []
    newer = replace(night, pipeline=replace(night.pipeline, version=2))
    publish(newer, newer.scored_run(inputs="v2"))
    assert len(seen(night)) == 6
    with night.reading() as tx:
        assert the_row(tx, "SELECT last_published_origin AS day FROM forecast.freshness")["day"] == ORIGIN
