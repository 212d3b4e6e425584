"""The highest attempt owns a step's rows."""

from __future__ import annotations

import threading
import time
from datetime import date

import pytest

from nightcast.domain.night import StepState
from nightcast.errors import Fenced, NotFound
from nightcast.store import fence, predictions, runs
from nightcast.store.queries import rows

pytestmark = pytest.mark.postgres
STEP = "predict"


@pytest.fixture
def run(memory):
    with memory.writing() as tx:
        return runs.open_run(tx, "demand", date(2011, 10, 31)).run_id


def claim(memory, run, shard=0):
    with memory.writing() as tx:
        return fence.claim(tx, run, STEP, shard)


def test_attempts_rise_per_run_step_and_shard(memory, run):
    assert [claim(memory, run), claim(memory, run), claim(memory, run, shard=1)] == [1, 2, 1]
    with pytest.raises(NotFound, match="no run 999"), memory.writing() as tx:
        fence.claim(tx, 999, STEP)


def test_a_lower_attempt_is_refused_at_its_write(memory, run):
    claim(memory, run)
    claim(memory, run)
    for act in (fence.own, fence.done):
        with pytest.raises(Fenced, match=r"attempt 1 of predict .* attempt 2 owns"), memory.writing() as tx:
            act(tx, run, STEP, 0, 1)
    with memory.writing() as tx:
        fence.done(tx, run, STEP, 0, 2, result={"rows": 3}, counts={"rows": 3}, cpu_seconds=0.5)
        assert fence.result_of(tx, run, STEP) == {"rows": 3}
        first, second = fence.attempts(tx, run)
    assert (first.state, first.error_class, first.error) == (StepState.FAILED, "Fenced", "attempt 2 took over")
    assert second.state is StepState.DONE
    assert second.seconds >= 0
    assert second.cpu_seconds == 0.5


def test_an_attempt_that_was_never_claimed_owns_nothing(memory, run):
    with pytest.raises(Fenced), memory.writing() as tx:
        fence.own(tx, run, STEP, 0, 1)


def test_failed_keeps_the_error_and_undoes_no_end(memory, run):
    attempt = claim(memory, run)
    with memory.writing() as tx:
        fence.failed(tx, run, STEP, 0, attempt, ValueError("no"))
    with memory.writing() as tx:
        (found,) = fence.attempts(tx, run)
        assert (found.state, found.error_class, found.error) == (StepState.FAILED, "ValueError", "no")
        assert fence.result_of(tx, run, STEP) is None
    with pytest.raises(Fenced, match="has ended already"), memory.writing() as tx:
        fence.done(tx, run, STEP, 0, attempt)
    again = claim(memory, run)
    with memory.writing() as tx:
        fence.done(tx, run, STEP, 0, again)
    with memory.writing() as tx:
        fence.failed(tx, run, STEP, 0, again, ValueError("late"))
        assert fence.attempts(tx, run)[1].state is StepState.DONE


def test_results_of_all_shards_come_from_the_newest_done_attempts(memory, run):
    for shard in (0, 1):
        attempt = claim(memory, run, shard)
        with memory.writing() as tx:
            fence.done(tx, run, STEP, shard, attempt, result={"shard": shard})
    claim(memory, run, 1)  # cleared, and running again: what was done still counts
    with memory.writing() as tx:
        assert fence.results_of(tx, run, STEP) == {0: {"shard": 0}, 1: {"shard": 1}}


def test_claims_at_once_get_different_attempts(memory, run):
    barrier, got, lock = threading.Barrier(8), [], threading.Lock()

    def race():
        with memory.writing() as tx:
            barrier.wait(30)
            attempt = fence.claim(tx, run, STEP)
        with lock:
            got.append(attempt)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 9))


def waiting_for_a_lock(memory, pid):
    for _ in range(500):
        with memory.owning() as tx:
            if rows(tx, "SELECT 1 AS x FROM pg_locks WHERE pid = %(pid)s AND NOT granted", {"pid": pid}):
                return True
        time.sleep(0.02)
    return False


def test_a_retry_waits_for_an_orphan_that_is_writing_and_then_replaces_its_rows(memory, run):
    """The orphan is in its transaction when the retry claims: first the orphan's rows, then the retry's alone."""
    with memory.writing() as tx:
        predictions.ensure_partition(tx, memory.pipeline, date(2011, 10, 31))
    first, pids, claimed = claim(memory, run), [], []

    def retry():
        with memory.writing() as tx:
            pids.append(tx.info.backend_pid)
            claimed.append(fence.claim(tx, run, STEP))
        with memory.writing() as tx:
            fence.own(tx, run, STEP, 0, claimed[0])
            predictions.replace_shard(tx, memory.pipeline, run, 0, memory.forecast(level=2.0))
            fence.done(tx, run, STEP, 0, claimed[0])

    with memory.writing() as orphan:
        fence.own(orphan, run, STEP, 0, first)
        thread = threading.Thread(target=retry)
        thread.start()
        while not pids:
            time.sleep(0.01)
        assert waiting_for_a_lock(memory, pids[0])
        assert claimed == []
        predictions.replace_shard(orphan, memory.pipeline, run, 0, memory.forecast(level=1.0))
        fence.done(orphan, run, STEP, 0, first)
    thread.join()
    assert claimed == [2]
    with memory.writing() as tx:
        found = predictions.of_run(tx, memory.pipeline, run)
    assert found["mean"].to_pylist() == memory.forecast(level=2.0)["mean"].to_pylist()


def test_an_orphan_that_comes_late_writes_nothing(memory, run):
    with memory.writing() as tx:
        predictions.ensure_partition(tx, memory.pipeline, date(2011, 10, 31))
    first = claim(memory, run)
    second = claim(memory, run)
    with memory.writing() as tx:
        fence.own(tx, run, STEP, 0, second)
        predictions.replace_shard(tx, memory.pipeline, run, 0, memory.forecast(level=2.0))
        fence.done(tx, run, STEP, 0, second)
    with pytest.raises(Fenced), memory.writing() as tx:
        fence.own(tx, run, STEP, 0, first)
    with memory.writing() as tx:
        assert predictions.of_run(tx, memory.pipeline, run)["mean"][0].as_py() == 2.0
