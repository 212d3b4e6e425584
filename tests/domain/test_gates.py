"""The engine's own checks, on numbers whose verdict is known."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain import gates, past_days
from nightcast.domain.pipeline import Audit, Duplicates, QuarantineLimits
from nightcast.domain.verdict import CheckResult, CheckState, judge

pytestmark = pytest.mark.unit

DAY = "2010-12-06"
RULE = Duplicates(group=("invoice",), version="delivery", max_share=0.10)
LIMITS = QuarantineLimits(max_share=0.10, warn_share=0.05)
COUNTS = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("pulled", "opened", "check_id", "state"),
    [
        (0, True, "rows.present", CheckState.FAIL),
        (1, True, "rows.present", CheckState.PASS),
        (0, False, "rows.closed_day", CheckState.PASS),
        (7, False, "rows.closed_day", CheckState.WARN),
    ],
)
def test_rows_belong_to_open_days(pulled: int, opened: bool, check_id: str, state: CheckState) -> None:
    found = gates.rows_present(pulled, opened=opened, scope=DAY)
    assert (found.check_id, found.state, found.scope) == (check_id, state, DAY)


@pytest.mark.parametrize(
    ("surplus", "pulled", "state"),
    [(0, 0, "pass"), (100, 1000, "pass"), (101, 1000, "fail"), (3878, 7756, "fail")],
)
def test_a_double_load_stops(surplus: int, pulled: int, state: str) -> None:
    found = gates.duplicates(surplus, pulled, RULE, scope=DAY)
    assert (found.check_id, found.state, found.bad_rows, found.rows) == ("duplicates", state, surplus, pulled)


def test_a_share_is_told_with_its_numbers() -> None:
    found = gates.duplicates(3878, 7756, RULE, scope=DAY)
    assert found.message == "found 3,878 of 7,756 rows (50 %) that came again; expected at most 10 %"


@pytest.mark.parametrize(
    ("set_aside", "rows", "state"),
    [
        (0, 0, "pass"),
        (50, 1000, "pass"),
        (51, 1000, "warn"),
        (100, 1000, "warn"),
        (101, 1000, "fail"),
        (64, 291, "fail"),
    ],
)
def test_a_quarantine_has_limits(set_aside: int, rows: int, state: str) -> None:
    assert gates.quarantine_share(set_aside, rows, LIMITS, scope=DAY).state == state


@given(COUNTS, COUNTS, COUNTS, st.integers(-3, 3))
def test_rows_add_up_or_stop(accepted: int, quarantined: int, duplicated: int, lost: int) -> None:
    pulled = accepted + quarantined + duplicated + lost
    found = gates.reconcile_rows(pulled, accepted, quarantined, duplicated, scope=DAY)
    assert (found.state is CheckState.PASS) == (lost == 0)
    assert found.bad_rows == abs(lost)


def test_counts_below_zero_do_not_add_up() -> None:
    assert gates.reconcile_rows(10, 11, -1, 0, scope=DAY).state is CheckState.FAIL


@pytest.mark.parametrize(("missing", "most", "state"), [(0, 0, "pass"), (1, 1, "pass"), (2, 1, "fail"), (1, 0, "fail")])
def test_few_days_may_be_missing(missing: int, most: int, state: str) -> None:
    days = [date(2011, 10, 1) + timedelta(days=n) for n in range(missing)]
    found = past_days.missing_days(days, most)
    assert (found.check_id, found.state) == ("days.missing", state)
    assert [s["day"] for s in found.sample] == [d.isoformat() for d in days]


def test_signals_know_their_day_and_its_past() -> None:
    found = gates.signal_parameters(date(2011, 12, 5), 5331, [4000, 6000, 5000, 7000])
    assert found == {
        "rows": 5331,
        "trailing_rows": 5500.0,
        "day_start": datetime(2011, 12, 5),  # noqa: DTZ001 - wall time
        "day_end": datetime(2011, 12, 6),  # noqa: DTZ001
    }
    assert set(found) == set(gates.SIGNAL_PARAMETERS)
    assert gates.signal_parameters(date(2011, 12, 5), 5331, [])["trailing_rows"] is None


def audited(
    numbers: dict[str, Any] | None = None, complete: dict[str, Any] | None = None, **expected: int
) -> list[str]:
    """Ids of the checks that stop a night of 3 entities on 10 open days, in 2 shards, with these changes."""
    right = {"rows": 30, "keys": 3, "days": 10, "shards_done": 2}
    right |= dict.fromkeys(("non_finite", "negative", "crossed", "wrong_dates"), 0)
    whole = {"expected": 30, "missing": 0, "unexpected": 0, "sample": []}
    results = gates.audit(
        right | (numbers or {}), whole | (complete or {}), **({"keys": 3, "days": 10, "shards": 2} | expected)
    )
    assert [r.check_id for r in results] == [i for i in gates.AUDIT_IDS if i not in gates.TOTAL_IDS]
    json.dumps([asdict(r) for r in results], allow_nan=False)
    return [r.check_id.removeprefix("audit.") for r in results if r.state is not CheckState.PASS]


@pytest.mark.parametrize(
    ("numbers", "complete", "stopped"),
    [
        ({}, {}, []),
        ({"rows": 29}, {"missing": 1}, ["count", "once", "reconcile"]),
        ({"rows": 31}, {"unexpected": 1}, ["count", "once", "reconcile"]),
        ({"rows": 31}, {}, ["count", "once", "reconcile"]),  # a pair twice: none missing, none alien
        ({}, {"missing": 1, "unexpected": 1}, ["once"]),
        ({"keys": 4}, {}, ["keys"]),
        ({"non_finite": 1}, {}, ["finite"]),
        ({"negative": 1}, {}, ["non_negative"]),
        ({"crossed": 1}, {}, ["ordered"]),
        ({"wrong_dates": 30}, {}, ["dates"]),
        ({"days": 9}, {}, ["dates"]),
        ({"shards_done": 1}, {}, ["shards"]),
        ({}, {"expected": 40}, ["count", "once"]),
    ],
)
def test_each_fault_of_a_forecast_stops_by_its_own_id(
    numbers: dict[str, Any], complete: dict[str, Any], stopped: list[str]
) -> None:
    assert audited(numbers, complete) == stopped


def test_no_open_day_needs_no_rows_but_no_entity_is_wrong() -> None:
    nothing = {"rows": 0, "keys": 0, "days": 0}
    assert audited(nothing, {"expected": 0}, days=0) == []
    assert audited(nothing, {"expected": 0}, keys=0) == ["keys"]


def test_a_number_that_is_not_given_is_no_pass() -> None:
    with pytest.raises(KeyError):
        gates.audit({"rows": 1}, {"expected": 1, "missing": 0, "unexpected": 0}, keys=1, days=1, shards=1)


def test_samples_of_missing_pairs_are_fit_for_json() -> None:
    numbers = {"rows": 1, "keys": 1, "days": 1, "shards_done": 1}
    numbers |= dict.fromkeys(("non_finite", "negative", "crossed", "wrong_dates"), 0)
    sample = [{"problem": "missing", "sku": "1", "target_date": date(2011, 11, n + 1)} for n in range(9)]
    complete = {"expected": 10, "missing": 9, "unexpected": 0, "sample": sample}
    found = next(r for r in gates.audit(numbers, complete, keys=1, days=10, shards=1) if r.check_id == "audit.once")
    assert found.sample[0] == {"problem": "missing", "sku": "1", "target_date": "2011-11-01"}
    assert len(found.sample) == 5


def test_only_the_pinned_bundle() -> None:
    assert gates.model_version(["ab" * 32] * 3, "ab" * 32).state is CheckState.PASS
    assert gates.model_version(["ab" * 32, "cd" * 32], "ab" * 32).state is CheckState.FAIL
    assert gates.model_version([], "ab" * 32).state is CheckState.FAIL


def night(total: float, first: int = 1, days: int = 14) -> dict[date, float]:
    return {date(2011, 11, first) + timedelta(days=n): total / days for n in range(days)}


def states(results: list[CheckResult]) -> list[str]:
    assert [r.check_id for r in results] == list(gates.TOTAL_IDS)
    return [str(r.state) for r in results]


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.0, ["pass", "pass"]),
        (1.4, ["pass", "warn"]),
        (0.7, ["pass", "warn"]),
        (3.0, ["fail", "warn"]),
        (0.4, ["fail", "warn"]),
        (math.nan, ["fail", "fail"]),
        (math.inf, ["fail", "fail"]),
    ],
)
def test_totals_stay_near_the_last_published_night(factor: float, expected: list[str]) -> None:
    assert states(gates.totals(night(14_000 * factor), night(14_000), Audit())) == expected


def test_only_common_dates_are_compared() -> None:
    before = night(14_000)
    tonight = night(14_000, first=2)
    tonight[date(2011, 11, 15)] = 1e9  # a date that the night before did not forecast
    (stop, _warn) = gates.totals(tonight, before, Audit())
    assert stop.observed == "1.000"


def test_nights_far_apart_are_compared_per_date() -> None:
    assert states(gates.totals(night(7_000, first=16, days=7), night(14_000), Audit())) == ["pass", "pass"]
    assert states(gates.totals(night(21_000, first=16, days=7), night(14_000), Audit())) == ["fail", "warn"]


def test_a_first_night_has_nothing_to_be_compared_with() -> None:
    results = gates.totals(night(14_000), {}, Audit())
    assert states(results) == ["pass", "pass"]
    assert "no earlier published night" in results[0].message


def test_growth_from_nothing_stops() -> None:
    assert states(gates.totals(night(14_000), night(0), Audit())) == ["fail", "warn"]
    assert states(gates.totals(night(0), night(0), Audit())) == ["pass", "pass"]


def test_a_whole_audit_satisfies_the_judge() -> None:
    numbers = {"rows": 30, "keys": 3, "days": 10, "shards_done": 1}
    numbers |= dict.fromkeys(("non_finite", "negative", "crossed", "wrong_dates"), 0)
    complete = {"expected": 30, "missing": 0, "unexpected": 0, "sample": []}
    results = gates.audit(numbers, complete, keys=3, days=10, shards=1)
    results += gates.totals(night(1), night(1), Audit())
    assert judge(results, gates.AUDIT_IDS).passed
    assert not judge(results[:-1], gates.AUDIT_IDS).passed
