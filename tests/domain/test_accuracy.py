"""Accuracy: known answers, and no number where there is none."""

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
    horizon_buckets,
    joint_maturity,
    maturity,
)
from nightcast.domain.metrics import bias, wape

pytestmark = pytest.mark.unit

MODEL, NAIVE = Method.MODEL, Method.SEASONAL_NAIVE
ROWS = st.lists(st.tuples(st.integers(0, 50), st.floats(0, 100), st.integers(1, 20)), min_size=1, max_size=40)


def table(scores: list[Accuracy]) -> dict[tuple[str, str, Metric], float | None]:
    return {(s.horizon_bucket, s.method, s.metric): s.value for s in scores}


@pytest.mark.parametrize("actual", [[], [0, 0], [5, -5], [-3]])
def test_without_actuals_above_zero_there_is_no_number(actual: list[int]) -> None:
    y, f = np.array(actual, np.int64), np.ones(len(actual))
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


ORIGIN = date(2011, 10, 31)


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
