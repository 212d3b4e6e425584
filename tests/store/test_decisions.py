"""The ledger of decisions: append-only, whole, and each undone at most once."""

from __future__ import annotations

from datetime import date

import psycopg2
import pytest

from nightcast.domain.decision import Asked, DecisionKind
from nightcast.errors import NotFound
from nightcast.store import decisions
from nightcast.store.decisions import About
from nightcast.store.queries import execute, rows

pytestmark = pytest.mark.postgres

ASKED = Asked(who=" ann ", reason=" because\n")
DAY = date(2011, 10, 31)


def level(memory, since=DAY, undoes=None):
    with memory.writing() as tx:
        kind = DecisionKind.ACCEPT_LEVEL if undoes is None else DecisionKind.UNDO
        return decisions.enter(tx, kind, About(pipeline="demand", first_day=since), ASKED, undoes)


def test_what_is_entered_is_what_is_read(memory):
    made = level(memory)
    assert (made.who, made.reason, made.first_day, made.evidence) == ("ann", "because", DAY, {})
    with memory.writing() as tx:
        assert decisions.get(tx, made.decision_id) == made
        assert decisions.standing(tx, "demand", DecisionKind.ACCEPT_LEVEL) == [made]
        assert decisions.of_pipeline(tx, "demand") == [made]
        assert decisions.of_pipeline(tx, "other") == []
        with pytest.raises(NotFound, match="nightcast decisions"):
            decisions.get(tx, 999)


def test_what_is_undone_no_longer_stands_and_stays_in_the_ledger(memory):
    first = level(memory)
    back = level(memory, undoes=first.decision_id)
    with memory.writing() as tx:
        assert decisions.standing(tx, "demand", DecisionKind.ACCEPT_LEVEL) == []
        assert decisions.get(tx, first.decision_id).undone_by == back.decision_id
        ledger = decisions.of_pipeline(tx, "demand")
        assert rows(tx, "SELECT * FROM internal.standing_decision") == []
    assert [(d.decision_id, d.undoes, d.undone_by) for d in ledger] == [
        (back.decision_id, first.decision_id, None),
        (first.decision_id, None, back.decision_id),
    ]
    with pytest.raises(psycopg2.errors.UniqueViolation):
        level(memory, undoes=first.decision_id)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("kind, reason, who", "'waive', 'r', 'w'"),
        ("kind, first_day, reason, who", "'accept_level', '2011-10-31', ' ', 'w'"),
        ("kind, first_day, reason, who", "'accept_level', '2011-10-31', 'r', ''"),
        ("kind, reason, who", "'accept_level', 'r', 'w'"),
        ("kind, reason, who", "'undo', 'r', 'w'"),
        ("kind, reason, who", "'withdraw', 'r', 'w'"),
        ("kind, first_day, last_day, reason, who", "'discard', '2011-10-31', '2011-10-30', 'r', 'w'"),
        ("kind, first_day, reason, who", "'discard', '2011-10-31', 'r', 'w'"),
        ("kind, reason, who", "'guess', 'r', 'w'"),
    ],
)
def test_the_schema_refuses_half_a_decision(memory, columns, values):
    with pytest.raises(psycopg2.errors.CheckViolation), memory.writing() as tx:
        execute(tx, f"INSERT INTO internal.decision (pipeline, {columns}) VALUES ('demand', {values})")
