"""Model versions, and the ledger that says which one served which night."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest

from nightcast.errors import NightRefused, NotFound
from nightcast.store import models
from nightcast.store.models import ModelEvent, ModelState
from nightcast.store.queries import execute

pytestmark = pytest.mark.postgres
DAY = date(2011, 10, 24)
BY = {"who": "ana", "why": "better"}


def register(memory, number, **more):
    with memory.writing() as tx:
        return models.register(
            tx,
            "demand",
            bundle_digest=f"{number:064x}",
            trained_through=DAY - timedelta(1),
            training_digest="a" * 64,
            spec_digest="b" * 64,
            **BY | more,
        )


def act(memory, function, *arguments, **more):
    with memory.writing() as tx:
        return function(tx, "demand", *arguments, **BY | more)


def as_of(memory, origin):
    with memory.writing() as tx:
        found = models.model_as_of(tx, "demand", origin)
    return found.version if found else None


def test_versions_count_up_and_a_bundle_is_registered_once(memory):
    first = register(memory, 1, metrics={"wape": 0.5})
    assert (first.version, first.state, first.metrics) == (1, ModelState.CANDIDATE, {"wape": 0.5})
    assert register(memory, 2).version == 2
    assert register(memory, 1).version == 1
    with memory.writing() as tx:
        assert [each.version for each in models.versions(tx, "demand")] == [2, 1]
        assert [each.event for each in models.ledger(tx, "demand")] == [ModelEvent.REGISTER] * 2
        assert models.live(tx, "demand") is None
        with pytest.raises(NotFound, match="no model version 9"):
            models.get(tx, "demand", 9)


def test_registering_at_once_gives_different_versions(memory):
    barrier, got = threading.Barrier(4), []

    def race(number):
        barrier.wait(30)
        got.append(register(memory, number).version)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1, 2, 3, 4]


def test_a_night_has_the_model_that_was_live_at_its_close(memory):
    for number in (1, 2, 3):
        register(memory, number)
    assert as_of(memory, DAY) is None
    act(memory, models.promote, 1, effective_from=DAY)
    act(memory, models.promote, 2, effective_from=DAY + timedelta(7))
    act(memory, models.promote, 1, effective_from=DAY + timedelta(9), event=ModelEvent.ROLL_BACK)
    act(memory, models.promote, 3, effective_from=DAY + timedelta(9))
    assert [as_of(memory, DAY + timedelta(day)) for day in (-1, 0, 6, 7, 8, 9, 99)] == [None, 1, 1, 2, 2, 3, 3]
    with memory.writing() as tx:
        assert models.live(tx, "demand").version == 3
        assert {each.version: each.state for each in models.versions(tx, "demand")} == {
            1: ModelState.RETIRED,
            2: ModelState.RETIRED,
            3: ModelState.LIVE,
        }
        events = [(each.version, each.event) for each in models.ledger(tx, "demand")][3:]
    assert events == [
        (1, ModelEvent.PROMOTE),
        *((1, ModelEvent.RETIRE), (2, ModelEvent.PROMOTE)),
        *((2, ModelEvent.RETIRE), (1, ModelEvent.ROLL_BACK)),
        *((1, ModelEvent.RETIRE), (3, ModelEvent.PROMOTE)),
    ]


def test_what_earlier_nights_had_is_not_rewritten(memory):
    register(memory, 1)
    register(memory, 2)
    act(memory, models.promote, 1, effective_from=DAY)
    with pytest.raises(NightRefused, match=f"expected {DAY} or later"):
        act(memory, models.promote, 2, effective_from=DAY - timedelta(1))


def test_decisions_lead_to_their_states(memory):
    register(memory, 1)
    register(memory, 2)
    assert act(memory, models.record, 1, ModelEvent.GATE, evidence={"wape": 1}).state is ModelState.CANDIDATE
    assert act(memory, models.record, 1, ModelEvent.CANARY).state is ModelState.CANARY
    assert act(memory, models.promote, 1, effective_from=DAY).state is ModelState.LIVE
    assert act(memory, models.record, 1, ModelEvent.GATE).state is ModelState.LIVE
    with pytest.raises(NightRefused, match="is live and cannot retire"):
        act(memory, models.record, 1, ModelEvent.RETIRE)
    assert act(memory, models.record, 2, ModelEvent.ABORT).state is ModelState.REJECTED
    with pytest.raises(NightRefused, match="was rejected and cannot go live"):
        act(memory, models.promote, 2, effective_from=DAY)
    with pytest.raises(NightRefused, match="not entered by hand"):
        act(memory, models.record, 1, ModelEvent.PROMOTE)
    with pytest.raises(NightRefused, match="makes no version live"):
        act(memory, models.promote, 1, effective_from=DAY, event=ModelEvent.GATE)


def test_the_schema_allows_one_live_version(memory):
    register(memory, 1)
    register(memory, 2)
    with pytest.raises(Exception, match="model_version_one_live"), memory.writing() as tx:
        execute(tx, "UPDATE internal.model_version SET state = 'live'")
