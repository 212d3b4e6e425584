"""Judging rows: right verdicts and masks, and closed where the library is open."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightcast import checks
from nightcast.checks import engine
from nightcast.domain import gates
from nightcast.domain.verdict import CheckState, OnFail, judge

pytestmark = pytest.mark.unit

BETWEEN = "expect_column_values_to_be_between"
COUNT = "expect_table_row_count_to_be_between"
ROWS = pa.table(
    {
        "sku": pa.array(["1", "TEST2", None, "O'Neil"]),
        "quantity": pa.array([5, -1, 7, None], pa.int64()),
        "price": pa.array([Decimal("1.10"), Decimal("-0.01"), Decimal(0), Decimal("2.50")], pa.decimal128(18, 2)),
        "cancels": pa.array([True, True, False, None]),
        "at": pa.array([datetime(2011, 12, 5, h) for h in (0, 8, 12, 23)], pa.timestamp("us")),  # noqa: DTZ001
        "day": pa.array([date(2011, 12, d) for d in (5, 5, 6, 7)]),
        "weight": pa.array([1.0, 2.0, None, 4.0]),
    }
)


def entry(
    type_: str, on_fail: OnFail = OnFail.QUARANTINE, when: Mapping[str, Any] | None = None, **kwargs: Any
) -> checks.Entry:
    return checks.Entry(id="it", type=type_, kwargs=kwargs, on_fail=on_fail, when=when or {})


def one(asked: checks.Entry, rows: Any = ROWS, **parameters: Any) -> checks.Outcome:
    (found,) = checks.run([asked], rows, parameters, scope="2011-12-05")
    json.dumps(asdict(found.result), allow_nan=False)
    assert found.result.check_id == asked.id
    assert found.result.scope == "2011-12-05"
    return found


def flagged(found: checks.Outcome) -> list[int]:
    assert found.bad is not None
    assert found.bad.dtype == np.bool_
    assert found.result.bad_rows == found.bad.sum()
    return [int(n) for n in np.flatnonzero(found.bad)]


@pytest.mark.parametrize(
    ("asked", "bad"),
    [
        (entry(BETWEEN, column="price", min_value=0), [1]),
        (entry(BETWEEN, column="price", min_value=0, strict_min=True), [1, 2]),
        (entry(BETWEEN, column="quantity", max_value=6), [2]),
        (entry("expect_column_values_to_not_match_regex", column="sku", regex="^TEST"), [1]),
        (entry("expect_column_values_to_not_be_null", column="sku"), [2]),
        (entry("expect_column_values_to_be_in_set", column="cancels", value_set=[False]), [0, 1]),
        (entry("expect_column_pair_values_a_to_be_greater_than_b", column_A="quantity", column_B="weight"), [1, 2, 3]),
        (entry(BETWEEN, column="at", max_value="2011-12-05 12:00"), [3]),
        (entry(BETWEEN, column="day", min_value="2011-12-06"), [0, 1]),
        (entry(BETWEEN, column="day", min_value=date(2011, 12, 6), max_value=date(2011, 12, 6)), [0, 1, 3]),
        (entry("expect_column_values_to_be_in_set", column="day", value_set=["2011-12-05"]), [2, 3]),
        (entry("expect_column_values_to_be_in_set", column="price", value_set=[1.1, 2.5]), [1, 2]),
    ],
)
def test_the_rows_that_fail_are_flagged(asked: checks.Entry, bad: list[int]) -> None:
    found = one(asked)
    assert flagged(found) == bad
    assert found.result.state is CheckState.QUARANTINE
    assert len(found.result.sample) == len(bad)


@pytest.mark.parametrize(
    ("when", "bad", "looked_at"),
    [
        ({"cancels": True}, [0], 2),
        ({"cancels": False}, [2], 1),
        ({"cancels": None}, [], 1),
        ({"cancels": True, "sku": "1"}, [0], 1),
        ({"sku": "O'Neil"}, [], 1),
        ({"quantity": 7}, [2], 1),
        ({"sku": "nobody"}, [], 0),
    ],
)
def test_a_condition_chooses_rows(when: dict[str, Any], bad: list[int], looked_at: int) -> None:
    found = one(entry(BETWEEN, when=when, column="quantity", max_value=0))
    assert flagged(found) == bad
    assert found.result.rows == looked_at
    assert found.result.state is (CheckState.QUARANTINE if bad else CheckState.PASS)


def test_a_result_says_what_was_found_and_expected() -> None:
    asked = checks.Entry(
        id="p", type=BETWEEN, kwargs={"column": "price", "min_value": 0}, on_fail=OnFail.STOP, note="bad debt"
    )
    (found,) = checks.run([asked], ROWS, {})
    assert found.result.state is CheckState.FAIL
    assert found.result.message == (
        "found 1 of 4 rows that do not fit; expected price: column values to be between (min_value 0). bad debt"
    )
    assert found.result.sample[0] == {
        "sku": "TEST2",
        "quantity": -1,
        "price": -0.01,
        "cancels": True,
        "at": "2011-12-05T08:00:00",
        "day": "2011-12-05",
        "weight": 2.0,
    }


@pytest.mark.parametrize(
    ("on_fail", "state"),
    [(OnFail.STOP, CheckState.FAIL), (OnFail.WARN, CheckState.WARN), (OnFail.QUARANTINE, CheckState.QUARANTINE)],
)
def test_a_failure_does_what_its_entry_says(on_fail: OnFail, state: CheckState) -> None:
    assert one(entry(BETWEEN, on_fail, column="price", min_value=0)).result.state is state


def test_a_tolerance_is_kept() -> None:
    asked = {"column": "sku", "regex": "^[0-9O]"}
    match = "expect_column_values_to_match_regex"
    assert one(entry(match, OnFail.WARN, mostly=0.6, **asked)).result.state is CheckState.PASS
    assert one(entry(match, OnFail.WARN, mostly=0.7, **asked)).result.state is CheckState.WARN


@pytest.mark.parametrize(
    ("asked", "state", "observed"),
    [
        (entry(COUNT, OnFail.STOP, min_value=4, max_value=4), "pass", "4"),
        (entry(COUNT, OnFail.STOP, min_value=5), "fail", "4"),
        (entry("expect_column_sum_to_be_between", OnFail.WARN, column="price", max_value=3), "warn", "3.59"),
        (
            entry("expect_column_max_to_be_between", OnFail.STOP, column="at", min_value="2011-12-06"),
            "fail",
            "2011-12-05T23:00:00",
        ),
        (
            entry("expect_column_mean_to_be_between", OnFail.WARN, {"cancels": True}, column="quantity", min_value=2),
            "pass",
            "2",
        ),
        (
            entry("expect_column_distinct_values_to_be_in_set", OnFail.WARN, column="sku", value_set=["1", "O'Neil"]),
            "warn",
            "1 other values: TEST2",
        ),
    ],
)
def test_the_whole_is_judged(asked: checks.Entry, state: str, observed: str) -> None:
    found = one(asked)
    assert (found.result.state, found.result.observed, found.bad) == (state, observed, None)


def test_a_missing_column_stops_even_where_a_failure_would_warn() -> None:
    found = one(entry(BETWEEN, OnFail.WARN, column="amount", min_value=0))
    assert found.result.state is CheckState.ERROR
    assert found.result.message.startswith("could not run: found no column 'amount'; there are sku, quantity")
    assert not judge([found.result], ["it"]).passed


def test_a_missing_column_in_a_condition_stops() -> None:
    found = one(entry(BETWEEN, OnFail.WARN, {"kind": "sale"}, column="price", min_value=0))
    assert found.result.state is CheckState.ERROR


@pytest.mark.parametrize(
    "asked",
    [
        entry(BETWEEN, OnFail.WARN, column="sku", min_value=0),  # text beside a number
        entry("expect_column_mean_to_be_between", OnFail.WARN, column="sku", min_value=0),
        entry(BETWEEN, OnFail.WARN, column="at", min_value="yesterday"),
        entry(BETWEEN, OnFail.WARN, column="price", min_value=[1]),
        entry("expect_column_mean_to_be_between", OnFail.WARN, {"sku": "nobody"}, column="price", min_value=0),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_in_one_line(asked: checks.Entry) -> None:
    found = one(asked)
    assert found.result.state is CheckState.ERROR
    assert found.result.message.startswith("could not run: ")
    assert "Traceback" not in found.result.message
    assert "\n" not in found.result.message
    assert len(found.result.message) < 400
    assert found.bad is None


def test_an_error_leaves_the_others_alone() -> None:
    asked = [
        checks.Entry(id="a", type=BETWEEN, kwargs={"column": "sku", "min_value": 0}, on_fail=OnFail.WARN),
        checks.Entry(id="b", type=BETWEEN, kwargs={"column": "price", "min_value": 0}, on_fail=OnFail.WARN),
        checks.Entry(id="c", type=BETWEEN, kwargs={"column": "nope", "min_value": 0}, on_fail=OnFail.WARN),
        checks.Entry(id="d", type=COUNT, kwargs={"min_value": 1}, on_fail=OnFail.WARN),
    ]
    found = checks.run(asked, ROWS, {})
    assert [(o.result.check_id, str(o.result.state)) for o in found] == [
        ("a", "error"),
        ("b", "warn"),
        ("c", "error"),
        ("d", "pass"),
    ]


def test_no_rows_pass_nothing() -> None:
    empty = ROWS.slice(0, 0)
    for asked in (
        entry(BETWEEN, OnFail.WARN, column="price", min_value=0),
        entry("expect_column_values_to_not_be_null", OnFail.WARN, column="sku"),
        entry("expect_column_values_to_be_unique", OnFail.WARN, column="sku"),
        entry("expect_column_mean_to_be_between", OnFail.WARN, column="price", min_value=0),
    ):
        assert one(asked, empty).result.state is CheckState.ERROR
    assert one(entry(COUNT, OnFail.STOP, min_value=1), empty).result.state is CheckState.FAIL


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_passes_no_bound(value: float) -> None:
    rows = pa.table({"x": pa.array([1.0, value, None, -5.0], from_pandas=False), "k": ["a", "a", "b", "b"]})
    found = one(entry(BETWEEN, OnFail.QUARANTINE, column="x", max_value=float(10)), rows)
    assert flagged(found) == [1]
    assert found.result.sample[0] == {"x": str(value), "k": "a"}
    tolerant = one(entry(BETWEEN, OnFail.STOP, column="x", max_value=10, mostly=0.1), rows)
    assert tolerant.result.state is CheckState.FAIL
    assert one(entry(BETWEEN, OnFail.STOP, {"k": "b"}, column="x", max_value=10), rows).result.state is CheckState.PASS
    mean = one(entry("expect_column_mean_to_be_between", OnFail.WARN, column="x", min_value=-99), rows)
    assert mean.result.state is CheckState.ERROR
    assert (
        one(entry("expect_column_values_to_not_be_null", OnFail.STOP, column="k"), rows).result.state is CheckState.PASS
    )


def test_a_parameter_that_is_missing_stops() -> None:
    asked = entry(COUNT, OnFail.WARN, min_value={"$PARAMETER": "round(0.5 * trailing_rows)"})
    found = one(asked, other=4)
    assert found.result.state is CheckState.ERROR
    assert found.result.message == "could not run: found no parameter 'trailing_rows'; given are other"


def test_a_past_that_is_not_known_yet_warns() -> None:
    asked = entry(COUNT, OnFail.STOP, min_value={"$PARAMETER": "round(0.5 * trailing_rows)"})
    (found,) = checks.run([asked], ROWS, gates.signal_parameters(date(2011, 12, 5), 4, []))
    assert found.result.state is CheckState.WARN
    assert "trailing_rows is not known yet" in found.result.message


@pytest.mark.parametrize(("trailing", "state"), [([4], "pass"), ([6, 10], "pass"), ([9, 10], "fail")])
def test_parameters_are_filled_in_and_shown(trailing: list[int], state: str) -> None:
    asked = entry(COUNT, OnFail.STOP, min_value={"$PARAMETER": "round(0.5 * trailing_rows)"})
    (found,) = checks.run([asked], ROWS, gates.signal_parameters(date(2011, 12, 5), 4, trailing))
    assert found.result.state == state
    assert found.result.limit == f"min_value {round(0.5 * float(np.median(trailing)))}"


def test_times_can_be_parameters() -> None:
    asked = entry(
        BETWEEN,
        OnFail.STOP,
        column="at",
        min_value={"$PARAMETER": "day_start"},
        max_value={"$PARAMETER": "day_end"},
        strict_max=True,
    )
    (inside,) = checks.run([asked], ROWS, gates.signal_parameters(date(2011, 12, 5), 4, []))
    (outside,) = checks.run([asked], ROWS, gates.signal_parameters(date(2011, 12, 4), 4, []))
    assert (inside.result.state, outside.result.bad_rows) == (CheckState.PASS, 4)


def test_results_that_the_library_lost_or_doubled_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [
        checks.Entry(id=name, type=COUNT, kwargs={"min_value": n}, on_fail=OnFail.WARN) for n, name in enumerate("ab")
    ]
    right = engine.evaluate
    monkeypatch.setattr(engine, "evaluate", lambda ready, frame: {"a": right(ready[:1], frame)["a"] * 2})
    lost = checks.run(asked, ROWS, {})
    assert [o.result.state for o in lost] == [CheckState.ERROR, CheckState.ERROR]
    assert [o.result.message for o in lost] == [
        f"could not run: found {n} results of the library; expected one" for n in (2, 0)
    ]


def test_a_count_that_does_not_fit_its_rows_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"element_count": 4, "unexpected_count": 2, "unexpected_index_list": [1]}
    monkeypatch.setattr(engine, "evaluate", lambda *_: {"it": [engine.Finding(held=False, numbers=numbers)]})
    assert one(entry(BETWEEN, column="price", min_value=0)).result.state is CheckState.ERROR


def test_a_frame_is_judged_like_a_table() -> None:
    frame = ROWS.to_pandas().set_index("sku", drop=False)
    found = one(entry(BETWEEN, column="price", min_value=0), frame)
    assert flagged(found) == [1]
    infinite = pd.DataFrame({"x": [1.0, np.inf]}, index=[7, 7])
    assert flagged(one(entry(BETWEEN, column="x", min_value=0), infinite)) == [1]


def test_samples_show_five_different_values() -> None:
    rows = pa.table({"country": ["Narnia"] * 50 + ["Mordor", "Rohan", "Gondor", "Lindon", "Arnor"]})
    found = one(entry("expect_column_values_to_be_in_set", OnFail.WARN, column="country", value_set=["UK"]), rows)
    assert [s["country"] for s in found.result.sample] == ["Narnia", "Mordor", "Rohan", "Gondor", "Lindon"]


def test_nothing_is_printed(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO):
        one(entry(BETWEEN, column="price", min_value=0))
    assert [r for r in caplog.records if r.name.startswith("great_expectations")] == []
    assert capfd.readouterr() == ("", "")
