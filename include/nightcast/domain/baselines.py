"""Forecasts that need no model: what every model is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from nightcast.domain.windows import weekdays

Integers = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]


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
