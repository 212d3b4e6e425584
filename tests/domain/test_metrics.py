"""Metrics: known answers, the same numbers as utilsforecast, and none where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from utilsforecast import losses

from nightcast.domain import metrics

pytestmark = pytest.mark.unit

Y, F, GROUP = np.array([10, 0, 30, 4]), np.array([12.0, 3.0, 25.0, 4.0]), np.array([7, 7, 2, 2])
LEVEL = 0.9


def test_known_answers() -> None:
    actual, forecast = np.array([10, 0, 30]), np.array([12.0, 3.0, 25.0])
    assert metrics.wape(actual, forecast) == 10 / 40
    assert metrics.bias(actual, forecast) == 0.0
    assert metrics.bias(actual, np.array([12.0, 3.0, 35.0])) == 10 / 40  # above 0: too much was forecast
    assert metrics.bias(actual, np.zeros(3)) == -1
    assert metrics.wape(actual, np.zeros(3)) == 1


def test_errors_of_the_horizon_are_those_of_its_sums() -> None:
    assert metrics.sums(Y, GROUP).tolist() == [34, 10]  # in the order of the groups' numbers
    assert metrics.wape(metrics.sums(Y, GROUP), metrics.sums(F, GROUP)) == (5 + 5) / 44
    assert metrics.sums(Y[:0], GROUP[:0]).tolist() == []


def test_scaled_errors_are_averaged_over_groups() -> None:
    scale = np.array([5.0, 5.0, 2.0, 2.0])
    assert metrics.mase(Y, F, GROUP, scale) == (2.5 / 5 + 2.5 / 2) / 2
    assert metrics.rmsse(Y, F, GROUP, scale) == pytest.approx((np.sqrt(6.5 / 5) + np.sqrt(12.5 / 2)) / 2)
    assert metrics.mase(Y, F, GROUP, np.array([5.0, 5.0, 0.0, 0.0])) == 2.5 / 5  # no scale, no part in it
    assert metrics.mase(Y, F, GROUP, np.array([np.nan, np.nan, 2.0, 2.0])) == 2.5 / 2
    assert metrics.mase(Y, F, GROUP, np.zeros(4)) is None
    assert metrics.rmsse(Y[:0], F[:0], GROUP[:0], F[:0]) is None


def test_an_interval_of_a_ratio_is_that_of_the_mean_of_clusters() -> None:
    """With a constant yardstick the ratio is a mean, whose interval is known."""
    error = np.random.default_rng(1).exponential(1.0, 900)
    cluster = np.repeat(np.arange(300), 3)
    found = metrics.ratio_interval(error, np.ones(900), cluster)
    assert found is not None
    deviation = error.reshape(300, 3).mean(axis=1).std() / np.sqrt(300)
    assert found == pytest.approx((error.mean() - 1.96 * deviation, error.mean() + 1.96 * deviation), abs=0.02)
    assert metrics.ratio_interval(error, np.ones(900), cluster) == found  # seeded
    alone = metrics.ratio_interval(error, np.ones(900), np.zeros(900, int))
    assert alone == pytest.approx((error.mean(), error.mean()))  # one cluster has no others to be drawn
    assert metrics.ratio_interval(error, error, cluster) == pytest.approx((1.0, 1.0))  # paired
    assert metrics.ratio_interval(error, np.zeros(900), cluster) is None
    assert metrics.ratio_interval(error[:0], error[:0], cluster[:0]) is None


def test_quantiles() -> None:
    y, q10, q90 = np.array([0, 5, 20]), np.array([0.0, 6.0, 2.0]), np.array([3.0, 9.0, 18.0])
    assert metrics.pinball(y, q90, 0.9) == pytest.approx((0.1 * 3 + 0.1 * 4 + 0.9 * 2) / 3)
    assert metrics.share_below(y, q90) == 2 / 3
    assert metrics.coverage(y, q10, q90) == 1 / 3
    assert metrics.interval_width(q10, q90) == (3 + 3 + 16) / 3
    for found in (metrics.pinball(y[:0], q90[:0], 0.9), metrics.share_below(y[:0], q90[:0])):
        assert found is None


def test_value_added_and_churn() -> None:
    assert metrics.forecast_value_added(0.4, 0.7) == pytest.approx(0.3)
    assert metrics.forecast_value_added(None, 0.7) is None
    assert metrics.churn(np.array([12.0, 8.0]), np.array([10.0, 10.0])) == 0.2
    assert metrics.churn(np.array([1.0]), np.array([0.0])) is None


@pytest.mark.parametrize("actual", [[], [0, 0], [5, -5], [-3]])
def test_a_share_of_nothing_is_none(actual: list[int]) -> None:
    y, f = np.array(actual, np.int64), np.ones(len(actual))
    assert metrics.wape(y, f) is None
    assert metrics.bias(y, f) is None


def test_scales_count_consecutive_open_days_since_the_first_sale() -> None:
    values = np.tile([0, 2], (3, 200))  # differences of 2, 200 x 2 days: more than the window
    values[1, :-31] = 0  # first above zero 31 days before the end: 30 differences
    values[2, :-20] = 0  # too short a life
    everywhere = np.ones(400, bool)
    absolute, squared = metrics.difference_scales(values, everywhere)
    assert absolute[:2].tolist() == [2, 2]
    assert squared[:2].tolist() == [4, 4]
    assert np.isnan(absolute[2])
    closed = everywhere.copy()
    closed[1::2] = False  # only the zeros are open days: they never differ, and nothing was ever sold on them
    assert np.isnan(metrics.difference_scales(values, closed)[0]).all()


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.floats(0, 100)), min_size=1, max_size=40)


@given(ROWS, st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(rows: list[Any], seed: int) -> None:
    group, y, f = (np.array(column) for column in zip(*rows, strict=True))
    mixed = np.random.default_rng(seed).permutation(len(rows))
    for measure in (metrics.wape, metrics.bias, metrics.share_below, metrics.churn):
        assert measure(y, f) == measure(y[mixed], f[mixed])
    scale = 1.0 + group
    for scaled in (metrics.mase, metrics.rmsse):
        assert scaled(y, f, group, scale) == scaled(y[mixed], f[mixed], group[mixed], scale[mixed])
    assert metrics.pinball(y, f, LEVEL) == metrics.pinball(y[mixed], f[mixed], LEVEL)


def test_utilsforecast_says_the_same() -> None:
    random = np.random.default_rng(0)
    history = random.integers(0, 9, (5, 60))
    history[:, 0] = 1  # both count from the first day
    y, f = random.integers(0, 9, (5, 14)), random.random((5, 14)) * 9
    group = np.repeat(np.arange(5), 14)
    scales = metrics.difference_scales(history, np.ones(60, bool))

    def frame(values: np.ndarray[Any, Any], first: int) -> pd.DataFrame:
        days = pd.date_range("2011-01-01", periods=200)[first : first + values.shape[1]]
        return pd.DataFrame(
            {"unique_id": np.repeat(np.arange(5), values.shape[1]), "ds": np.tile(days, 5), "y": values.ravel()}
        )

    forecast = frame(y, 60).assign(**{"f": f.ravel(), "f-lo-80": f.ravel() / 2, "f-hi-80": f.ravel()})
    flat = (y.ravel(), f.ravel())
    scaled = {"seasonality": 1, "train_df": frame(history, 0)}
    found = {
        "mase": (metrics.mase(*flat, group, np.repeat(scales[0], 14)), losses.mase(forecast, ["f"], **scaled)["f"]),
        "rmsse": (metrics.rmsse(*flat, group, np.repeat(scales[1], 14)), losses.rmsse(forecast, ["f"], **scaled)["f"]),
        "pinball": (metrics.pinball(*flat, LEVEL), losses.quantile_loss(forecast, {"f": "f"}, q=LEVEL)["f"]),
        "coverage": (
            metrics.coverage(flat[0], flat[1] / 2, flat[1]),
            losses.coverage(forecast, ["f"], 80)["f"],
        ),
    }
    for name, (ours, theirs) in found.items():
        assert ours == pytest.approx(theirs.mean(), rel=1e-12), name
    wape = losses.wape(forecast.assign(unique_id=0), ["f"])["f"].iloc[0]
    assert metrics.wape(*flat) == pytest.approx(wape, rel=1e-12)
