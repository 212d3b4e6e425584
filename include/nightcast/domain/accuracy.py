"""Accuracy of forecasts whose target days have come: by days ahead, beside seasonal naive, with how settled truth is.

Rows are pairs of an entity and a target day. Sums are exact before they are rounded, so the order of rows does not
matter. A metric that is not defined has no value but a reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.domain.metrics import bias, wape

WEEKLY_UP_TO = 28  # days ahead; further ones share a bucket of four weeks
ALL = "all"


class Metric(StrEnum):
    """What is measured."""

    WAPE = "wape"
    BIAS = "bias"


DEFINITIONS = {
    Metric.WAPE: "sum |y - f| / sum y, y actual, f forecast",
    Metric.BIAS: "sum f / sum y - 1, y actual, f forecast; above 0 is too much forecast",
}


class Method(StrEnum):
    """Who made a forecast."""

    MODEL = "model"  # what was published
    SEASONAL_NAIVE = "seasonal_naive"


class Maturity(StrEnum):
    """How settled the actual of a day is."""

    PROVISIONAL = "provisional"  # accepted, and still pulled again: late rows may change it
    FINAL = "final"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Target days `first` to `last` days after the origin, both included."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """As it is stored and shown: `1`, `2-7` and so on."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """One metric of one method over `n` rows: its value, or the reason why it has none."""

    horizon_bucket: str
    method: str
    metric: Metric
    value: float | None
    reason: str | None
    n: int
    sum_actual: float
    sum_forecast: float

    @property
    def definition(self) -> str:
        """The formula."""
        return DEFINITIONS[self.metric]


def horizon_buckets(horizon: int) -> tuple[Bucket, ...]:
    """1, 2-7, 8-14, … by the week up to day 28, then by four weeks, the last one cut at the horizon."""
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; expected at least one day")
    ends = [1, *range(7, WEEKLY_UP_TO + 1, 7), *range(2 * WEEKLY_UP_TO, horizon + WEEKLY_UP_TO, WEEKLY_UP_TO)]
    ends = [end for end in ends if end < horizon] + [horizon]
    return tuple(Bucket(first=before + 1, last=end) for before, end in zip([0, *ends], ends, strict=False))


METRICS = {Metric.WAPE: wape, Metric.BIAS: bias}


def accuracy(
    actual: npt.NDArray[Any], forecasts: Mapping[str, npt.NDArray[Any]], days_ahead: npt.NDArray[Any], horizon: int
) -> list[Accuracy]:
    """Every metric of every method, per horizon bucket that has rows, and over all rows (bucket `all`).

    All arrays have one element per row, so that methods are compared on the same rows. `forecasts` maps a `Method`
    to its forecasts, `days_ahead` is target date minus origin, from 1 to `horizon`.

    Raises:
        ValueError: arrays of different lengths, a number that is not finite, or a row beyond the horizon.
    """
    _refuse_unusable(actual, forecasts, days_ahead, horizon)
    ends = [bucket.last for bucket in horizon_buckets(horizon)]
    place = np.searchsorted(ends, days_ahead)
    parts = [(b.name, place == i) for i, b in enumerate(horizon_buckets(horizon)) if np.any(place == i)]
    parts.append((ALL, np.ones(len(actual), np.bool_)))
    return [
        _measured(name, method, metric, np.asarray(actual)[rows], np.asarray(forecast)[rows])
        for name, rows in parts
        for method, forecast in forecasts.items()
        for metric in Metric
    ]


def maturity(day: date, seen: date, late_arrival: int) -> Maturity:
    """How settled the actual of `day` is when the last night that read it had the origin `seen`.

    A night pulls the `late_arrival` days before its own again; so from `late_arrival` days on, none will.
    """
    return Maturity.FINAL if (seen - day).days >= late_arrival else Maturity.PROVISIONAL


def joint_maturity(maturities: Iterable[Maturity]) -> Maturity:
    """Of several days together: final when each is."""
    return Maturity.FINAL if all(m is Maturity.FINAL for m in maturities) else Maturity.PROVISIONAL


def _measured(
    bucket: str, method: str, metric: Metric, actual: npt.NDArray[Any], forecast: npt.NDArray[Any]
) -> Accuracy:
    value, total = METRICS[metric](actual, forecast), math.fsum(actual)
    reason = f"the actuals of {len(actual)} rows sum to {total:g}; a share of them needs more than 0"
    return Accuracy(
        horizon_bucket=bucket,
        method=method,
        metric=metric,
        value=value,
        reason=reason if value is None else None,
        n=len(actual),
        sum_actual=total,
        sum_forecast=math.fsum(forecast),
    )


def _refuse_unusable(
    actual: npt.NDArray[Any], forecasts: Mapping[str, npt.NDArray[Any]], days_ahead: npt.NDArray[Any], horizon: int
) -> None:
    columns = {"actual": actual, "days_ahead": days_ahead, **{f"forecast of {m}": f for m, f in forecasts.items()}}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns have {lengths} rows; expected one length")
    for name, column in columns.items():
        if bad := int(np.count_nonzero(~np.isfinite(np.asarray(column, np.float64)))):
            raise ValueError(f"{name}: {bad} of {len(column)} values are not finite; expected numbers only")
    if len(days_ahead) and not (np.min(days_ahead) >= 1 and np.max(days_ahead) <= horizon):
        raise ValueError(f"rows are {min(days_ahead)} to {max(days_ahead)} days ahead; expected 1 to {horizon}")
