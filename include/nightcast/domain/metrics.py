"""Formulas of forecast accuracy, one function each, with its source. Which rows they look at is not decided here.

Rows are pairs of an entity and a target day; `actual`, `forecast` and quantiles are one-dimensional, of one length and
finite. Sums are rounded once, at their end, so the order of rows does not matter. None means not defined.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]

SCALE_WINDOW = 364  # calendar days up to the origin that an entity's scale is taken from
FEWEST_DIFFERENCES = 28  # an entity with fewer has no scale
DRAWS = 1_000  # of clusters, for an interval


def wape(actual: Numbers, forecast: Numbers) -> float | None:
    """Weighted absolute percentage error: sum |y - f| / sum y. None unless sum y is above 0.

    0 is perfect; a forecast of all zeros has 1. Also called the MAD/mean ratio: Kolassa and Schuetz, Advantages of
    the MAD/Mean ratio over the MAPE, Foresight 6 (2007).
    """
    sum_actual = total(actual)
    return total(_absolute(actual, forecast)) / sum_actual if sum_actual > 0 else None


def bias(actual: Numbers, forecast: Numbers) -> float | None:
    """Relative bias: sum f / sum y - 1. None unless sum y is above 0. Above 0 the forecast was too high in total.

    The cumulative forecast error (sum of f - y) as a share of what came; sign as in forecast minus actual, which is
    opposite to the error of Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.8.
    """
    sum_actual = total(actual)
    return total(np.asarray(forecast, np.float64) - np.asarray(actual)) / sum_actual if sum_actual > 0 else None


def total(values: Numbers) -> float:
    """The sum: every term counts to at least 80 bits below the largest, and the result is rounded once.

    As `math.fsum` for terms within a factor of 1e8 or so of each other, twenty times as fast.
    """
    high, low, bits, exponent = _fixed_point(values)
    return math.ldexp((int(high.sum()) << bits) + int(low.sum()), exponent - 2 * bits)


def sums(values: Numbers, group: Integers) -> Floats:
    """The sum of the values of each group, in the order of the groups' rising numbers.

    `wape(sums(y, g), sums(f, g))`, with a group per entity and origin, is the error over the horizon: what stock that
    is ordered for all of it is off by.
    """
    ordered, starts = _grouped(group)
    if not len(starts):
        return np.zeros(0)
    high, low, bits, exponent = _fixed_point(np.asarray(values)[ordered])
    pairs = zip(np.add.reduceat(high, starts).tolist(), np.add.reduceat(low, starts).tolist(), strict=True)
    found: Floats = np.ldexp([float((above << bits) + below) for above, below in pairs], exponent - 2 * bits)
    return found


def mase(actual: Numbers, forecast: Numbers, group: Integers, scale: Floats) -> float | None:
    """Mean absolute scaled error, averaged over groups (an entity at an origin): mean |y - f| / scale.

    `scale` is per row the entity's mean absolute difference of consecutive open days before the origin, as
    `difference_scales` gives it; groups whose scale is 0 or NaN are left out. Below 1 is better than the one-step naive
    forecast was in the past. Hyndman and Koehler, Another look at measures of forecast accuracy (2006).
    """
    return _mean_over_groups(_absolute(actual, forecast), group, scale)


def rmsse(actual: Numbers, forecast: Numbers, group: Integers, scale: Floats) -> float | None:
    """Root mean squared scaled error, averaged over groups: sqrt(mean (y - f)^2 / scale).

    `scale` is per row the entity's mean *squared* difference of consecutive open days before the origin; groups as in
    `mase`. Makridakis, Spiliotis and Assimakopoulos, The M5 competition (2022), there weighted by revenue.
    """
    return _mean_over_groups(_absolute(actual, forecast) ** 2, group, scale, root=True)


def pinball(actual: Numbers, quantile: Numbers, level: float) -> float | None:
    """Mean pinball loss of a quantile forecast: mean max(a (y - q), (a - 1)(y - q)), a the level. None without rows.

    In units of the target; least in expectation for the true quantile. Koenker and Bassett, Regression quantiles
    (1978).
    """
    missed = np.asarray(actual, np.float64) - np.asarray(quantile, np.float64)
    return _mean(np.maximum(level * missed, (level - 1) * missed))


def share_below(actual: Numbers, quantile: Numbers) -> float | None:
    """Share of rows with y <= q: the level, where the quantile is calibrated and the target continuous."""
    return _mean(np.asarray(actual) <= np.asarray(quantile))


def coverage(actual: Numbers, lower: Numbers, upper: Numbers) -> float | None:
    """Share of rows with lower <= y <= upper. With many zeros it exceeds the difference of the levels: q10 is 0 too."""
    y = np.asarray(actual)
    return _mean((np.asarray(lower) <= y) & (y <= np.asarray(upper)))


def interval_width(lower: Numbers, upper: Numbers) -> float | None:
    """Mean width of the interval in units of the target: of two that cover alike, the narrower says more."""
    return _mean(np.asarray(upper, np.float64) - np.asarray(lower, np.float64))


def forecast_value_added(error: float | None, naive_error: float | None) -> float | None:
    """Error of the naive method less that of the forecast, in units of the error: below 0 the forecast does harm.

    Gilliland, The Business Forecasting Deal (2010), chapter 4, there in percentage points of the MAPE.
    """
    return None if error is None or naive_error is None else naive_error - error


def churn(forecast: Numbers, before: Numbers) -> float | None:
    """How much forecasts of the same rows changed: sum |f - g| / sum g, g the one made before. None at sum g = 0."""
    return wape(before, forecast)


def ratio_interval(
    error: Numbers, yardstick: Numbers, cluster: Integers, share: float = 0.95
) -> tuple[float, float] | None:
    """Interval of sum(error) / sum(yardstick) when clusters (all rows of an entity) are drawn anew, with replacement.

    The percentile interval of 1,000 seeded draws, paired: each takes the same clusters of both. It says how far the
    ratio depends on which entities there are, not on which origins. None without a cluster or where a draw's
    yardstick is 0. Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3; Field and Welsh,
    Bootstrapping clustered data (2007).
    """
    parts = np.column_stack([sums(error, cluster), sums(yardstick, cluster)])
    if not len(parts):
        return None
    drawn = np.random.default_rng(0).multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=DRAWS) @ parts
    if (drawn[:, 1] <= 0).any():
        return None
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def difference_scales(values: Integers, is_open: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean absolute and mean squared difference of consecutive open days, per entity: the scales of MASE and RMSSE.

    `values` is (entities, days) up to the origin and not further, `is_open` says which days count. Looked at are the
    last SCALE_WINDOW calendar days, from an entity's first day above zero in the history; NaN with fewer than
    FEWEST_DIFFERENCES differences.
    """
    first = np.where((active := (values * is_open) > 0).any(axis=1), active.argmax(axis=1), values.shape[1])
    days = np.flatnonzero(is_open)
    days = days[days >= values.shape[1] - SCALE_WINDOW]
    differences = np.abs(np.diff(values[:, days], axis=1)).astype(np.float64)
    counted = days[None, :-1] >= first[:, None]
    n = counted.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        scales = [(d * counted).sum(axis=1) / n for d in (differences, differences**2)]
    return np.where(n >= FEWEST_DIFFERENCES, scales[0], np.nan), np.where(n >= FEWEST_DIFFERENCES, scales[1], np.nan)


def _absolute(actual: Numbers, forecast: Numbers) -> Floats:
    return np.abs(np.asarray(actual, np.float64) - np.asarray(forecast, np.float64))


def _mean(values: Numbers) -> float | None:
    return total(values) / len(values) if len(values) else None


def _mean_over_groups(errors: Floats, group: Integers, scale: Floats, *, root: bool = False) -> float | None:
    ordered, starts = _grouped(group)
    sizes = np.diff([*starts, len(group)])
    usable = (of_group := np.asarray(scale, np.float64)[ordered][starts]) > 0  # False for NaN
    scaled = (sums(errors, group) / sizes)[usable] / of_group[usable]
    return _mean(np.sqrt(scaled) if root else scaled)


def _fixed_point(values: Numbers) -> tuple[Integers, Integers, int, int]:
    """Values as whole numbers whose sums cannot overflow: (high * 2^bits + low) * 2^(exponent - 2 bits).

    What lies more than 2 * `bits` (at least 80 below 4 million values) under the largest value is rounded away.
    """
    floats = np.asarray(values, np.float64)
    exponent = int(np.frexp(np.abs(floats).max(initial=0.0))[1])
    bits = 62 - len(floats).bit_length()
    scaled = np.ldexp(floats, bits - exponent)
    high = np.rint(scaled)
    low = np.rint(np.ldexp(scaled - high, bits))
    return high.astype(np.int64), low.astype(np.int64), bits, exponent


def _grouped(group: Integers) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows ordered by group, and where each group starts among them."""
    ordered = np.argsort(group, kind="stable")
    in_order = np.asarray(group)[ordered]
    return ordered, np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]]) if len(group) else ordered[:0]
