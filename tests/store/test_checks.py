"""Results of checks, and rows set aside."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from nightcast.domain.verdict import CheckResult, CheckState
from nightcast.store import checks, runs
from nightcast.store.checks import QuarantinedRow

pytestmark = pytest.mark.postgres
DAY = date(2011, 10, 31)


@pytest.fixture
def run(memory):
    with memory.writing() as tx:
        return runs.open_run(tx, "demand", DAY).run_id


def result(check_id, state=CheckState.PASS, scope="", **more):
    return CheckResult(check_id=check_id, state=state, message="found 1, expected 2", scope=scope, **more)


def test_results_come_back_the_worst_first(memory, run):
    given = [
        result("a"),
        result("b", CheckState.WARN, observed="1", limit="2", rows=9, bad_rows=1, sample=({"x": 1},), seconds=0.5),
        result("c", CheckState.ERROR),
        result("d", CheckState.FAIL, scope="2011-10"),
    ]
    with memory.writing() as tx:
        checks.replace(tx, run, "validate", given)
        checks.replace(tx, run, "audit", [result("e", CheckState.QUARANTINE)])
    with memory.writing() as tx:
        found = checks.of_run(tx, run)
        assert [(each.check_id, each.step) for each in found] == [
            ("c", "validate"),
            ("d", "validate"),
            ("e", "audit"),
            ("b", "validate"),
            ("a", "validate"),
        ]
        assert found[3].sample == [{"x": 1}]
        assert (found[3].observed, found[3].limit, found[3].rows, found[3].bad_rows, found[3].seconds) == (
            "1",
            "2",
            9,
            1,
            0.5,
        )
        assert [each.check_id for each in checks.of_run(tx, run, "audit")] == ["e"]


def test_a_step_run_again_replaces_its_results_or_those_of_its_scopes(memory, run):
    with memory.writing() as tx:
        checks.replace(tx, run, "validate", [result("a", scope="2011-09"), result("a", scope="2011-10"), result("b")])
        checks.replace(tx, run, "validate", [result("a", CheckState.FAIL, scope="2011-10")], scopes=["2011-10"])
        found = {(each.check_id, each.scope): each.state for each in checks.of_run(tx, run)}
        assert found == {
            ("a", "2011-09"): CheckState.PASS,
            ("a", "2011-10"): CheckState.FAIL,
            ("b", ""): CheckState.PASS,
        }
        checks.replace(tx, run, "validate", [])
        assert checks.of_run(tx, run) == []


def test_a_check_has_one_result_per_scope(memory, run):
    with pytest.raises(Exception, match="duplicate key"), memory.writing() as tx:
        checks.replace(tx, run, "validate", [result("a"), result("a")])


def test_rows_are_set_aside_with_all_their_reasons(memory, run):
    nasty = {
        "text": 'a "quoted", back\\slash\nand ünicode',
        "when": datetime(2011, 10, 31, 8, tzinfo=UTC),
        "price": Decimal("1.250"),
        "none": None,
    }
    rows = [
        QuarantinedRow(event_day=DAY, position=3, reasons=("rows.price", 'odd "id", with {braces} and \\'), row=nasty),
        QuarantinedRow(event_day=DAY, position=1, reasons=("rows.price",), row={"x": 1}),
        QuarantinedRow(event_day=date(2011, 10, 30), position=0, reasons=("rows.sku",), row={}),
    ]
    with memory.writing() as tx:
        assert checks.quarantine(tx, run, "demand", [DAY, date(2011, 10, 30)], rows) == 3
    with memory.writing() as tx:
        found = checks.quarantined(tx, run)
        assert [(each.event_day.day, each.position) for each in found] == [(30, 0), (31, 1), (31, 3)]
        assert found[2].reasons == list(rows[0].reasons)
        assert found[2].row == nasty | {"when": "2011-10-31 08:00:00+00:00", "price": "1.250"}
        assert checks.reasons(tx, run)["rows.price"] == 2
        assert len(checks.quarantined(tx, run, limit=2)) == 2
        assert checks.quarantine(tx, run, "demand", [DAY], rows[1:2]) == 1
        assert [(each.event_day.day, each.position) for each in checks.quarantined(tx, run)] == [(30, 0), (31, 1)]
        assert checks.quarantine(tx, run, "demand", [DAY], []) == 0


def test_a_row_needs_a_reason_and_finite_numbers(memory, run):
    with pytest.raises(Exception, match="violates check constraint"), memory.writing() as tx:
        checks.quarantine(tx, run, "demand", [DAY], [QuarantinedRow(event_day=DAY, position=0, reasons=(), row={})])
    bad = QuarantinedRow(event_day=DAY, position=0, reasons=("x",), row={"x": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"), memory.writing() as tx:
        checks.quarantine(tx, run, "demand", [DAY], [bad])
