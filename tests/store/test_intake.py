"""Which revision of a day was known when."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta

import pytest

from nightcast.domain.night import RunKind, RunState
from nightcast.store import intake, runs
from nightcast.store.intake import IntakeState, Taken

pytestmark = pytest.mark.postgres
DAY = date(2011, 10, 31)  # a Monday


def taken(day=DAY, content=1, **more):
    accepted = {
        "event_day": day,
        "state": IntakeState.ACCEPTED,
        "content_digest": f"{content:064x}",
        "raw_object": "1" * 64,
        "panel_key": f"{content:064x}",
        "panel_digest": f"{content:064x}",
        "panel_object": "2" * 64,
        "profile_object": "3" * 64,
        "pulled": 10,
        "accepted": 8,
        "quarantined": 1,
        "duplicates": 1,
        "totals": {"units": 2**60 + 1},
        "signals": {"rows": 10.5},
    }
    return Taken(**accepted | more)


def night(memory, origin=DAY, kind=RunKind.NIGHT):
    with memory.writing() as tx:
        return runs.open_run(tx, "demand", origin, kind).run_id


def record(memory, run, what):
    with memory.writing() as tx:
        return intake.record(tx, "demand", run, what)


def newest(memory, **asked):
    with memory.writing() as tx:
        return {day: each.revision for day, each in intake.newest(tx, "demand", **asked).items()}


def test_the_same_day_taken_in_twice_is_one_revision(memory):
    run = night(memory)
    first = record(memory, run, taken())
    assert (first.revision, first.totals, first.signals) == (1, {"units": 2**60 + 1}, {"rows": 10.5})
    assert record(memory, run, taken()) == first
    assert record(memory, night(memory, DAY + timedelta(1)), taken()) == first
    assert record(memory, run, taken(content=2, restated=True)).revision == 2
    assert record(memory, run, taken(content=1)).revision == 3  # what was once known is not what is known last


def test_recording_at_once_gives_one_revision(memory):
    run, barrier, got = night(memory), threading.Barrier(4), []

    def race():
        with memory.writing() as tx:
            barrier.wait(30)
            got.append(intake.record(tx, "demand", run, taken()).revision)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [1, 1, 1, 1]


def test_known_then_is_what_nights_up_to_that_one_took_in(memory):
    first, later = night(memory), night(memory, DAY + timedelta(2))
    record(memory, first, taken())
    record(memory, later, taken(content=2, restated=True))
    record(memory, later, taken(day=DAY + timedelta(2)))
    assert newest(memory) == {DAY: 2, DAY + timedelta(2): 1}
    assert newest(memory, known_at=DAY + timedelta(1)) == {DAY: 1}
    assert newest(memory, known_at=DAY + timedelta(2)) == newest(memory)
    assert newest(memory, first=DAY + timedelta(1)) == {DAY + timedelta(2): 1}
    assert newest(memory, last=DAY) == {DAY: 2}
    assert newest(memory, known_at=DAY - timedelta(1)) == {}


def test_a_rerun_of_an_old_night_sees_its_own_revision_even_if_a_later_night_had_the_same(memory):
    first, later = night(memory), night(memory, DAY + timedelta(1))
    record(memory, first, taken(content=1))
    record(memory, later, taken(content=2))
    assert record(memory, first, taken(content=2)).revision == 3
    assert newest(memory, known_at=DAY) == {DAY: 3}


def test_a_rejected_restatement_need_not_hide_the_accepted_day(memory):
    run = night(memory)
    record(memory, run, taken())
    rejected = Taken(event_day=DAY, state=IntakeState.REJECTED, pulled=20)
    record(memory, night(memory, DAY + timedelta(1)), rejected)
    assert newest(memory) == {DAY: 2}
    usable = [state for state in IntakeState if state is not IntakeState.REJECTED]
    assert newest(memory, states=usable) == {DAY: 1}
    with memory.writing() as tx:
        assert [each.state for each in intake.history(tx, "demand", DAY)] == [
            IntakeState.ACCEPTED,
            IntakeState.REJECTED,
        ]


def test_trailing_days_are_accepted_ones_of_the_weekday_strictly_before(memory):
    run = night(memory, kind=RunKind.IMPORT)
    for week in range(7):
        record(memory, run, taken(day=DAY - timedelta(7 * week), signals={"rows": week}))
    record(memory, run, taken(day=DAY - timedelta(1)))
    record(memory, run, Taken(event_day=DAY - timedelta(14), state=IntakeState.REJECTED))
    record(memory, run, taken(day=DAY - timedelta(21), content=2, signals={"rows": 99}))
    with memory.writing() as tx:
        found = intake.trailing(tx, "demand", DAY, count=4)
        assert [each.signals["rows"] for each in found] == [1, 2, 99, 4]
        assert intake.trailing(tx, "demand", DAY, count=4, known_at=DAY - timedelta(1)) == []
        assert len(intake.trailing(tx, "demand", DAY, count=10)) == 6


def test_counts_of_a_run_are_over_what_it_took_in(memory):
    run = night(memory)
    record(memory, run, taken())
    record(memory, run, taken(day=DAY - timedelta(1)))
    record(memory, run, Taken(event_day=DAY - timedelta(2), state=IntakeState.REJECTED, pulled=100))
    with memory.writing() as tx:
        assert intake.counts_of(tx, run) == {"pulled": 20, "accepted": 16, "quarantined": 2, "duplicates": 2}
        assert intake.counts_of(tx, run + 1) == {"pulled": 0, "accepted": 0, "quarantined": 0, "duplicates": 0}
        assert [each.event_day for each in intake.of_run(tx, run)] == [DAY - timedelta(n) for n in (2, 1, 0)]
        assert intake.objects(tx) == {"1" * 64, "2" * 64, "3" * 64}


@pytest.mark.parametrize("wrong", [{"pulled": 11}, {"accepted": None}, {"panel_digest": None}, {"panel_object": None}])
def test_an_accepted_day_reconciles_and_has_its_objects(memory, wrong):
    run = night(memory)
    with pytest.raises(Exception, match="intake_accepted_is_whole"):
        record(memory, run, replace(taken(), **wrong))
    with memory.writing() as tx:
        assert runs.get(tx, run).state is RunState.OPEN
