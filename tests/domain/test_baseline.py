"""What a day's volume is compared with, and what is said of it."""

from __future__ import annotations

from datetime import date

import pytest

from nightcast.domain import gates
from nightcast.domain.baseline import Baseline, compared, level_at, way_out
from nightcast.domain.pipeline import Audit
from nightcast.domain.verdict import CheckResult, CheckState

pytestmark = pytest.mark.unit

SINCE = date(2011, 10, 24)


def found(state: CheckState) -> CheckResult:
    return CheckResult(check_id="rows_far_off", state=state, message="found 9; expected 30")


@pytest.mark.parametrize(
    ("day", "level"),
    [(date(2011, 10, 23), None), (SINCE, SINCE), (date(2011, 12, 1), date(2011, 12, 1)), (date(2011, 11, 30), SINCE)],
)
def test_the_last_level_that_has_begun_counts(day: date, level: date | None) -> None:
    assert level_at([SINCE, date(2011, 12, 1)], day) == level


@pytest.mark.parametrize(
    ("state", "becomes"),
    [("fail", "warn"), ("warn", "warn"), ("pass", "pass"), ("error", "error")],
)
def test_one_day_of_an_accepted_level_stops_nothing_and_says_so(state: str, becomes: str) -> None:
    result = compared(found(CheckState(state)), Baseline(rows=(30,), since=SINCE, way_out=way_out("demand", SINCE)))
    assert result.state == becomes
    assert result.message == (
        "provisional, 1 of 2 days since the level of 2011-10-24 was accepted; found 9; expected 30"
    )


@pytest.mark.parametrize("past", [Baseline(rows=(30,)), Baseline(), Baseline(rows=(30, 31), since=SINCE)])
def test_enough_days_and_a_level_that_nobody_accepted_stop(past: Baseline) -> None:
    for state in CheckState:
        assert compared(found(state), past) == found(state)


def test_what_stops_says_how_a_true_level_is_accepted() -> None:
    past = Baseline(rows=(30, 30, 31, 29), way_out=way_out("demand", SINCE))
    assert compared(found(CheckState.FAIL), past).message == (
        "found 9; expected 30. If this is the true new level: `nightcast accept-level demand --since 2011-10-24 "
        "--reason TEXT`"
    )
    assert compared(found(CheckState.WARN), past) == found(CheckState.WARN)


def test_a_total_without_a_night_of_the_accepted_level_warns() -> None:
    bounds = Audit(stop_outside=(0.5, 2.0), warn_outside=(0.8, 1.25))
    for result in gates.totals({SINCE: 5.0}, {}, bounds, SINCE):
        assert result.state is CheckState.WARN
        assert result.message == "not compared: no night published since the level of 2011-10-24 was accepted"
    assert {r.state for r in gates.totals({SINCE: 5.0}, {}, bounds)} == {CheckState.PASS}
    assert {r.state for r in gates.totals({SINCE: 5.0}, {SINCE: 5.0}, bounds, SINCE)} == {CheckState.PASS}
