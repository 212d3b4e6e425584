"""Forecasts that need no model: what every model is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from nightcast.domain.feature_matrix import FeatureRows
from nightcast.domain.forecast import Scores
from nightcast.domain.windows import History, Past, weekdays

Integers = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]

METHODS = ("seasonal_naive", "mean_28", "same_weekday_mean_8", "own_days_56")  # of `reference_forecasts`


@dataclass(frozen=True, kw_only=True)
class Naive:
    """Seasonal naive forecasts (entities, targets), the day that each target's come from, and whether there is one.

    Where `known` is false there is no forecast: values are 0 and `source` is NaT.
    """

    values: Integers
    source: Days
    known: npt.NDArray[np.bool_]


def seasonal_naive(values: Integers, days: Days, is_open: npt.NDArray[np.bool_], origin: date, targets: Days) -> Naive:
    """Forecast each target day by the last open day up to the origin that has its weekday.

    `values` is (entities, days) for the rising `days`, `is_open` says which days count, as in `Cube`. Nothing after
    the origin is looked at. Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.

    Raises:
        ValueError: a target day is not after the origin.
    """
    targets, last = targets.astype("datetime64[D]"), np.datetime64(origin, "D")
    if np.any(targets <= last):
        raise ValueError(f"target day {targets.min()} is not after the origin {last}; expected later days only")
    usable = np.flatnonzero(is_open & (days <= last))
    found = {int(w): usable[weekdays(days[usable]) == w] for w in np.unique(weekdays(targets))}
    at = np.array([found[int(w)][-1] if len(found[int(w)]) else -1 for w in weekdays(targets)], np.intp)
    known = at >= 0
    forecast = np.zeros((len(values), len(targets)), np.int64)
    forecast[:, known] = values[:, at[known]]
    source = np.full(len(targets), np.datetime64("NaT", "D"))
    source[known] = days[at[known]]
    return Naive(values=forecast, source=source, known=known)


def reference_forecasts(history: History, rows: FeatureRows, target: str, levels: Sequence[float]) -> dict[str, Scores]:
    """What methods without a model say of the rows of a night; NaN where one has no forecast.

    seasonal_naive: the last open day with the target's weekday · mean_28: mean per open day of the last 28 days ·
    same_weekday_mean_8: mean of the last 8 open days with the target's weekday · own_days_56: mean and empirical
    quantiles of the entity's own open days among the last 56. The others have no quantiles: (rows, 0).
    """
    entities, at = np.unique(rows.entity, return_inverse=True)
    past, days = Past(history, rows.origin, entities), np.unique(rows.target)
    place = at, np.searchsorted(days, rows.target)
    cube, none = history.cube, np.empty((len(rows), 0))
    values = cube.values[target][entities]
    naive = seasonal_naive(values, cube.days, cube.open, date.fromisoformat(str(rows.origin)), days)
    last = np.where(naive.known, naive.values, np.nan)
    by_weekday = {int(w): past.weekday_mean(target, int(w), 8) for w in np.unique(weekdays(days))}
    weekday = np.array([by_weekday[int(w)] for w in weekdays(days)]).reshape(len(days), len(entities)).T
    return {
        "seasonal_naive": Scores(mean=last[place], quantiles=none),
        "mean_28": Scores(mean=past.mean(target, 28)[at], quantiles=none),
        "same_weekday_mean_8": Scores(mean=weekday[place], quantiles=none),
        "own_days_56": Scores(mean=past.mean(target, 56)[at], quantiles=past.quantiles(target, 56, levels)[at]),
    }
