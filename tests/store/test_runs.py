"""Runs: opened once per scheduler run, pinned while open, ended once."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest

from nightcast.domain.night import RunKind, RunMode, RunState, Window
from nightcast.errors import NightRefused, NotFound
from nightcast.store import fence, runs
from nightcast.store.queries import execute

pytestmark = pytest.mark.postgres
ORIGIN = date(2011, 10, 31)


def opened(memory, **asked):
    with memory.writing() as tx:
        return runs.open_run(tx, "demand", **{"origin": ORIGIN} | asked)


def test_a_new_run_is_open_and_counts_its_attempts_per_kind_and_night(memory):
    first = opened(memory)
    assert (first.state, first.kind, first.mode, first.attempt) == (RunState.OPEN, RunKind.NIGHT, RunMode.KNOWN_THEN, 1)
    assert first.window is None
    assert opened(memory).attempt == 2
    assert opened(memory, kind=RunKind.IMPORT, mode=RunMode.KNOWN_NOW).attempt == 1
    assert opened(memory, origin=ORIGIN + timedelta(1)).attempt == 1
    with memory.writing() as tx:
        assert runs.latest(tx, "demand", ORIGIN).attempt == 2
        assert runs.latest(tx, "demand", ORIGIN, RunKind.TRY) is None


def test_a_pipeline_without_tables_is_named(memory):
    with pytest.raises(NotFound, match=r"no pipeline 'other'.*nightcast db apply"), memory.writing() as tx:
        runs.open_run(tx, "other", ORIGIN)
    with pytest.raises(NotFound, match="no run 7"), memory.writing() as tx:
        runs.get(tx, 7)


def test_one_scheduler_run_is_one_run_also_when_opened_twice_at_once(memory):
    barrier, got = threading.Barrier(4), []

    def race():
        barrier.wait(30)
        got.append(opened(memory, scheduler_run_id="scheduled__x").run_id)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    with memory.writing() as tx:
        assert runs.find(tx, "demand", "scheduled__x").run_id == got[0]
        assert runs.find(tx, "demand", "scheduled__x", RunKind.TRAINING) is None


def test_attempts_opened_at_once_differ(memory):
    barrier, got = threading.Barrier(4), []

    def race():
        barrier.wait(30)
        got.append(opened(memory).attempt)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1, 2, 3, 4]


def test_pins_and_counts_are_stored(memory):
    run = opened(memory)
    with memory.writing() as tx:
        runs.pin(
            tx,
            run.run_id,
            spec_digest="a" * 64,
            window_start=ORIGIN - timedelta(3),
            window_end=ORIGIN,
            code_commit="abc",
            code_dirty=True,
            environment={"python": "3.11"},
            look_ahead=True,
        )
        found = runs.count(tx, run.run_id, pulled=5)
    assert found.window == Window(start=ORIGIN - timedelta(3), end=ORIGIN)
    assert (found.spec_digest, found.environment, found.look_ahead, found.pulled) == (
        "a" * 64,
        {"python": "3.11"},
        True,
        5,
    )


@pytest.mark.parametrize(
    "wrong", [{"spec_digest": "abc"}, {"model_version": 9}, {"window_start": ORIGIN, "window_end": date(2000, 1, 1)}]
)
def test_pins_that_cannot_be_are_refused(memory, wrong):
    run = opened(memory)
    with pytest.raises(Exception, match=r"violates (check|foreign key) constraint"), memory.writing() as tx:
        runs.pin(tx, run.run_id, **wrong)


def test_only_pins_and_counts_can_be_set(memory):
    run = opened(memory)
    with pytest.raises(ValueError, match="state"), memory.writing() as tx:
        runs.pin(tx, run.run_id, state="published")
    with pytest.raises(ValueError, match="nothing"), memory.writing() as tx:
        runs.count(tx, run.run_id)


def test_a_stopped_run_resumes_and_a_finished_one_does_not(memory):
    run = opened(memory)
    with memory.writing() as tx:
        stopped = runs.finish(tx, run.run_id, RunState.STOPPED, "too few rows")
        assert (stopped.reason, stopped.ended_at is None) == ("too few rows", False)
        assert runs.finish(tx, run.run_id, RunState.STOPPED).reason == "too few rows"
    with pytest.raises(NightRefused, match="cannot become failed"), memory.writing() as tx:
        runs.finish(tx, run.run_id, RunState.FAILED)
    with pytest.raises(NightRefused, match="is stopped; its pulled can no longer change"), memory.writing() as tx:
        runs.count(tx, run.run_id, pulled=1)
    with memory.writing() as tx:
        again = runs.resume(tx, run.run_id)
        assert (again.state, again.reason, again.ended_at) == (RunState.OPEN, None, None)
        assert runs.resume(tx, run.run_id) == again
        runs.finish(tx, run.run_id, RunState.TOO_OLD)
    with pytest.raises(NightRefused, match="is too_old, which is final"), memory.writing() as tx:
        runs.resume(tx, run.run_id)


def test_only_a_night_can_end_as_one(memory):
    run = opened(memory, kind=RunKind.IMPORT)
    with pytest.raises(Exception, match="run_publishes_nights"), memory.writing() as tx:
        runs.finish(tx, run.run_id, RunState.UNCHANGED)
    with memory.writing() as tx:
        assert runs.finish(tx, run.run_id, RunState.DONE).state is RunState.DONE


def test_steps_are_claimed_while_the_run_is_locked(memory):
    run = opened(memory)
    with memory.writing() as tx:
        runs.lock(tx, run.run_id)
        with memory.writing() as other:
            execute(other, "SET LOCAL lock_timeout = '2s'")
            assert fence.claim(other, run.run_id, "extract") == 1


def test_recent_runs_come_newest_first(memory):
    made = [
        opened(memory).run_id,
        opened(memory, kind=RunKind.TRY).run_id,
        opened(memory, origin=ORIGIN - timedelta(1)).run_id,
    ]
    with memory.writing() as tx:
        assert [run.run_id for run in runs.recent(tx)] == made[::-1]
        assert [run.run_id for run in runs.recent(tx, kind=RunKind.NIGHT, limit=1)] == made[2:]
        assert [run.run_id for run in runs.recent(tx, "demand", origin=ORIGIN)] == [made[1], made[0]]
        assert runs.recent(tx, "other") == []


def test_runs_left_open_are_those_where_nothing_happens(memory):
    quiet, busy, ended = opened(memory), opened(memory), opened(memory)
    with memory.writing() as tx:
        fence.claim(tx, busy.run_id, "extract")
        runs.finish(tx, ended.run_id, RunState.FAILED, "x")
    with memory.owning() as tx:
        execute(tx, "UPDATE internal.run SET opened_at = opened_at - interval '2 hours'")
    with memory.writing() as tx:
        assert [run.run_id for run in runs.left_open(tx, timedelta(hours=1))] == [quiet.run_id]
        assert runs.left_open(tx, timedelta(hours=3)) == []
