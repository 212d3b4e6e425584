"""What may be waived, and what never."""

from __future__ import annotations

import pytest

from nightcast.domain import gates
from nightcast.domain.decision import WHOLE, Asked, Waiver, not_waivable, waived
from nightcast.domain.verdict import CheckResult, CheckState, judge
from nightcast.errors import DecisionRefused

pytestmark = pytest.mark.unit

CONTRACT = ("contract.columns", "invoice_format")


def result(check_id: str, state: CheckState, scope: str = "2010-12-06") -> CheckResult:
    return CheckResult(check_id=check_id, state=state, message="found 9; expected 8", scope=scope)


def waiver(check_id: str, scope: str = "2010-12-06") -> dict[tuple[str, str], Waiver]:
    return {(check_id, scope): Waiver(check_id=check_id, scope=scope, decision=4, said="by ann (decision 4): known")}


@pytest.mark.parametrize("state", [CheckState.FAIL, CheckState.QUARANTINE])
def test_a_waived_result_no_longer_stops_and_says_who_and_why(state: CheckState) -> None:
    found = waived(result("duplicates", state), waiver("duplicates"))
    assert found.state is CheckState.WAIVED
    assert found.message == "waived by ann (decision 4): known; found 9; expected 8"
    assert judge([found], ["duplicates"]).passed


@pytest.mark.parametrize("state", [CheckState.ERROR, CheckState.WARN, CheckState.PASS])
def test_what_could_not_run_and_what_stops_nothing_is_left(state: CheckState) -> None:
    before = result("duplicates", state)
    assert waived(before, waiver("duplicates")) == before


def test_a_waiver_is_for_its_check_and_its_day_alone() -> None:
    for before in (result("rows_far_off", CheckState.FAIL), result("duplicates", CheckState.FAIL, "2010-12-07")):
        assert waived(before, waiver("duplicates")) == before


def test_what_says_that_a_night_is_not_whole_fails_whatever_the_ledger_says() -> None:
    assert {"audit.reconcile", "audit.keys", "audit.finite", "audit.model_version", "reconcile.rows"} <= WHOLE
    assert not WHOLE & {*gates.TOTAL_IDS}
    for check_id in WHOLE:
        before = result(check_id, CheckState.FAIL)
        assert waived(before, waiver(check_id)) == before


@pytest.mark.parametrize(
    ("check_id", "state", "said"),
    [
        ("duplicates", CheckState.ERROR, "it could not run"),
        ("contract.columns", CheckState.FAIL, "belongs to the contract"),
        ("invoice_format", CheckState.FAIL, "belongs to the contract"),
        ("audit.once", CheckState.FAIL, "not whole"),
        ("duplicates", CheckState.WARN, "in state warn, which stops nothing"),
        ("duplicates", CheckState.WAIVED, "in state waived, which stops nothing"),
    ],
)
def test_what_cannot_be_waived_says_why(check_id: str, state: CheckState, said: str) -> None:
    assert said in str(not_waivable(result(check_id, state), CONTRACT))


@pytest.mark.parametrize("check_id", ["duplicates", "days.missing", "audit.total_stop", "rows_far_off"])
def test_a_limit_that_a_person_may_judge_can_be_waived(check_id: str) -> None:
    assert not_waivable(result(check_id, CheckState.FAIL), CONTRACT) is None


@pytest.mark.parametrize(("who", "reason", "lacks"), [("ann", " \n", "reason"), ("", "known", "who")])
def test_a_decision_has_a_reason_and_somebody(who: str, reason: str, lacks: str) -> None:
    with pytest.raises(DecisionRefused, match=f"has no {lacks}"):
        Asked(who=who, reason=reason)
