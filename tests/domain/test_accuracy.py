"""Accuracy: known answers, seasonal naive without a look ahead, and no number where there is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.accuracy import (
    ALL,
    Accuracy,
    Maturity,
    Method,
    Metric,
    accuracy,
    bias,
    horizon_buckets,
    joint_maturity,
    maturity,
    seasonal_naive,
    wape,
)

pytestmark = pytest.mark.unit

MODEL, NAIVE = Method.MODEL, Method.SEASONAL_NAIVE
ROWS = st.lists(st.tuples(st.integers(0, 50), st.floats(0, 100), st.integers(1, 20)), min_size=1, max_size=40)


def table(scores: list[Accuracy]) -> dict[tuple[str, str, Metric], float | None]:
    return {(s.horizon_bucket, s.method, s.metric): s.value for s in scores}


def test_known_answers() -> None:
    actual, forecast = np.array([10, 0, 30]), np.array([12.0, 3.0, 25.0])
    assert wape(actual, forecast) == 10 / 40
    assert bias(actual, forecast) == 0.0
    assert bias(actual, np.array([12.0, 3.0, 35.0])) == 10 / 40  # above 0: too much was forecast
    assert bias(actual, np.zeros(3)) == -1
    assert wape(actual, np.zeros(3)) == 1


@pytest.mark.parametrize("actual", [[], [0, 0], [5, -5], [-3]])
def test_without_actuals_above_zero_there_is_no_number(actual: list[int]) -> None:
    y, f = np.array(actual, np.int64), np.ones(len(actual))
    assert wape(y, f) is None
    assert bias(y, f) is None
    for score in accuracy(y, {MODEL: f}, np.ones(len(actual), np.int64), 14):
        assert score.value is None
        assert f"{len(actual)} rows sum to {sum(actual)}" in (score.reason or "")
        json.dumps(asdict(score), allow_nan=False)


@pytest.mark.parametrize(
    ("horizon", "names"),
    [
        (1, ["1"]),
        (2, ["1", "2"]),
        (7, ["1", "2-7"]),
        (10, ["1", "2-7", "8-10"]),
        (14, ["1", "2-7", "8-14"]),
        (30, ["1", "2-7", "8-14", "15-21", "22-28", "29-30"]),
        (60, ["1", "2-7", "8-14", "15-21", "22-28", "29-56", "57-60"]),
    ],
)
def test_buckets_follow_from_the_horizon(horizon: int, names: list[str]) -> None:
    assert [b.name for b in horizon_buckets(horizon)] == names


@given(st.integers(1, 366))
def test_every_day_ahead_is_in_one_bucket(horizon: int) -> None:
    days = [d for b in horizon_buckets(horizon) for d in range(b.first, b.last + 1)]
    assert days == list(range(1, horizon + 1))


def test_a_horizon_below_one_day_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one day"):
        horizon_buckets(0)


def test_each_bucket_and_all_of_them_are_measured_for_each_method_on_the_same_rows() -> None:
    actual, ahead = np.array([10, 20, 30, 40]), np.array([1, 2, 7, 14])
    model, naive = np.array([11.0, 20.0, 33.0, 30.0]), np.array([0, 20, 30, 80])
    scores = accuracy(actual, {MODEL: model, NAIVE: naive}, ahead, 14)
    found = table(scores)
    assert found[("1", MODEL, Metric.WAPE)] == 1 / 10
    assert found[("1", NAIVE, Metric.BIAS)] == -1
    assert found[("2-7", MODEL, Metric.WAPE)] == 3 / 50
    assert found[("8-14", NAIVE, Metric.WAPE)] == 1
    assert found[(ALL, MODEL, Metric.WAPE)] == 14 / 100
    assert found[(ALL, MODEL, Metric.BIAS)] == -6 / 100
    assert len(scores) == 4 * 2 * 2
    every = next(s for s in scores if s.horizon_bucket == ALL and s.method == MODEL)
    assert (every.n, every.sum_actual, every.sum_forecast) == (4, 100, 94)
    assert "sum |y - f| / sum y" in every.definition


def test_a_bucket_that_has_not_come_yet_is_left_out() -> None:
    scores = accuracy(np.array([1, 2]), {MODEL: np.array([1.0, 2.0])}, np.array([1, 1]), 14)
    assert {s.horizon_bucket for s in scores} == {"1", ALL}


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, float, int]], random: Any) -> None:
    def measured() -> list[Accuracy]:
        actual, forecast, ahead = (np.array(column) for column in zip(*rows, strict=True))
        return accuracy(actual, {MODEL: forecast}, ahead, 20)

    before = measured()
    random.shuffle(rows)
    assert measured() == before


@given(ROWS)
def test_a_perfect_forecast_is_perfect_and_bias_is_bounded_by_wape(rows: list[tuple[int, float, int]]) -> None:
    actual, forecast, _ = (np.array(column) for column in zip(*rows, strict=True))
    error, skew = wape(actual, forecast), bias(actual, forecast)
    if error is None or skew is None:
        assert actual.sum() == 0
        return
    assert wape(actual, actual) == bias(actual, actual) == 0
    assert abs(skew) <= error + 1e-12


@pytest.mark.parametrize(
    ("forecast", "ahead", "message"),
    [
        ([1.0, float("nan")], [1, 2], "forecast of model: 1 of 2 values are not finite"),
        ([1.0], [1, 2], "expected one length"),
        ([1.0, 2.0], [1, 15], "rows are 1 to 15 days ahead; expected 1 to 14"),
        ([1.0, 2.0], [0, 1], "rows are 0 to 1 days ahead"),
    ],
)
def test_what_cannot_be_measured_is_refused(forecast: list[float], ahead: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy(np.array([1, 2]), {MODEL: np.array(forecast)}, np.array(ahead), 14)


ORIGIN = date(2011, 10, 31)  # a Monday
FIRST = np.datetime64(ORIGIN) - 20
DAYS = FIRST + np.arange(30)  # nine days beyond the origin are known too
VALUES = np.stack([np.arange(30), 100 + np.arange(30)])  # an entity per row; the value is the day's position
TARGETS = np.datetime64(ORIGIN) + np.arange(1, 15)


def test_seasonal_naive_is_the_last_open_day_of_the_weekday() -> None:
    found = seasonal_naive(VALUES, DAYS, np.ones(30, bool), ORIGIN, TARGETS)
    # The origin is at position 20; a Tuesday comes from position 14, the Monday after from the origin itself.
    assert found.values[0].tolist() == [14, 15, 16, 17, 18, 19, 20] * 2
    assert found.values[1].tolist() == [114, 115, 116, 117, 118, 119, 120] * 2
    assert found.source[0] == np.datetime64("2011-10-25")
    assert found.known.all()


def test_closed_and_missing_days_are_passed_over() -> None:
    is_open = np.ones(30, bool)
    is_open[14] = False  # last Tuesday
    found = seasonal_naive(VALUES, DAYS, is_open, ORIGIN, TARGETS[:2])
    assert found.values.tolist() == [[7, 15], [107, 115]]
    assert found.source.tolist() == [date(2011, 10, 18), date(2011, 10, 26)]


def test_a_weekday_that_was_never_open_has_no_forecast() -> None:
    is_open = (np.arange(30) % 7) != 5  # positions 5, 12, 19 are Sundays
    found = seasonal_naive(VALUES, DAYS, is_open, ORIGIN, TARGETS[:7])
    assert found.known.tolist() == [True] * 5 + [False, True]
    assert found.values[:, 5].tolist() == [0, 0]
    assert np.isnat(found.source[5])
    nothing = seasonal_naive(VALUES, DAYS, np.zeros(30, bool), ORIGIN, TARGETS)
    assert not nothing.known.any()


@given(st.integers(0, 2**32 - 1))
def test_seasonal_naive_does_not_look_ahead(seed: int) -> None:
    random = np.random.default_rng(seed)
    values, is_open = VALUES.copy(), random.random(30) < 0.7
    before = seasonal_naive(values, DAYS, is_open, ORIGIN, TARGETS)
    values[:, 21:], is_open[21:] = random.integers(0, 1000, (2, 9)), random.random(9) < 0.5
    after = seasonal_naive(values, DAYS, is_open, ORIGIN, TARGETS)
    assert np.array_equal(before.values, after.values)
    assert np.array_equal(before.known, after.known)
    assert np.all(before.source[before.known] <= np.datetime64(ORIGIN))


def test_the_past_is_not_a_target() -> None:
    with pytest.raises(ValueError, match="is not after the origin"):
        seasonal_naive(VALUES, DAYS, np.ones(30, bool), ORIGIN, np.array([np.datetime64(ORIGIN)]))


@pytest.mark.parametrize(
    ("later", "late_arrival", "expected"),
    [
        (0, 0, Maturity.FINAL),
        (0, 3, Maturity.PROVISIONAL),
        (2, 3, Maturity.PROVISIONAL),
        (3, 3, Maturity.FINAL),
        (9, 3, Maturity.FINAL),
    ],
)
def test_a_day_is_final_once_no_night_pulls_it_again(later: int, late_arrival: int, expected: Maturity) -> None:
    assert maturity(ORIGIN, ORIGIN + timedelta(later), late_arrival) is expected


def test_days_are_final_together_when_each_is() -> None:
    assert joint_maturity([Maturity.FINAL, Maturity.FINAL]) is Maturity.FINAL
    assert joint_maturity([Maturity.FINAL, Maturity.PROVISIONAL]) is Maturity.PROVISIONAL
