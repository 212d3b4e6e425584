"""Accuracy of forecasts whose target days have come: by days ahead, by part of the entities, beside seasonal naive.

Rows are pairs of an entity and a target day. A score that is not defined has no value but a reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.domain import metrics
from nightcast.domain.accuracy_metrics import POINT, VALUE_ADDED
from nightcast.domain.pipeline import quantile_column

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WEEKLY_UP_TO = 28  # days ahead; further ones share a bucket of four weeks
ALL = "all"  # the bucket of every day ahead
EVERYTHING = ""  # the slice of all entities
VERSION = 1  # to be raised when a formula changes: then all nights are scored again


class Method(StrEnum):
    """Who made a forecast."""

    MODEL = "model"  # what was published
    SEASONAL_NAIVE = "seasonal_naive"


class Maturity(StrEnum):
    """Whether a score may still change by itself."""

    PROVISIONAL = "provisional"  # target days are still to come, or are still pulled again: late rows may change them
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
class Part:
    """A bucket of a night, or all of it, at the time when it is scored.

    `forecast` and `compared` are its target days: those that were forecast, and those whose actuals are recorded.
    `come` says whether the last of them has passed.
    """

    name: str
    bucket: Bucket
    forecast: int
    compared: int
    come: bool
    maturity: Maturity


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """Forecasts beside what happened, one element per row.

    `quantiles` is (rows, levels). `naive` and the scales of MASE and RMSSE are NaN where there is none. `entity`
    numbers the entities; `ahead` is target date minus origin, in days.
    """

    actual: Integers
    mean: Floats
    quantiles: Floats
    naive: Floats
    scale_absolute: Floats
    scale_squared: Floats
    entity: Integers
    ahead: Integers

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in vars(self).items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns have {lengths} rows; expected one length")
        for name in ("actual", "mean", "quantiles", "ahead"):
            if bad := int(np.count_nonzero(~np.isfinite(getattr(self, name)))):
                raise ValueError(f"{name}: {bad} values are not finite; expected numbers only")

    def __len__(self) -> int:
        return len(self.actual)

    def take(self, rows: Flags) -> Compared:
        """Some of the rows."""
        return Compared(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one method over `n` rows: its value, or the reason why it has none."""

    part: Part
    slice: str
    method: Method
    metric: str
    value: float | None
    reason: str | None
    n: int
    sum_actual: float | None  # None where no actual has part in it

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.metric} has value {self.value} and reason {self.reason}; expected one of them")


def horizon_buckets(horizon: int) -> tuple[Bucket, ...]:
    """1, 2-7, 8-14, … by the week up to day 28, then by four weeks, the last one cut at the horizon."""
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; expected at least one day")
    ends = [1, *range(7, WEEKLY_UP_TO + 1, 7), *range(2 * WEEKLY_UP_TO, horizon + WEEKLY_UP_TO, WEEKLY_UP_TO)]
    ends = [end for end in ends if end < horizon] + [horizon]
    return tuple(Bucket(first=before + 1, last=end) for before, end in zip([0, *ends], ends, strict=False))


def parts(
    origin: date, targets: Collection[date], recorded: Collection[date], horizon: int, seen: date, late_arrival: int
) -> list[Part]:
    """The parts of a night in which a day has come: its buckets, and all of it.

    `targets` are the target days of its forecast, `recorded` the days whose actuals are. `seen` is the newest day that
    any night took in; a night pulls the `late_arrival` days before its own again, so that from then on none will.
    """
    whole = [(b.name, b) for b in horizon_buckets(horizon)] + [(ALL, Bucket(first=1, last=horizon))]
    found = []
    for name, bucket in whole:
        first, last = (origin + timedelta(days=n) for n in (bucket.first, bucket.last))
        days = sorted(d for d in targets if first <= d <= last)
        compared = sum(d in recorded for d in days)
        if compared:
            settled = days[-1] <= seen - timedelta(days=late_arrival)
            maturity = Maturity.FINAL if settled else Maturity.PROVISIONAL
            part = Part(name=name, bucket=bucket, forecast=len(days), compared=compared, come=days[-1] <= seen,
                        maturity=maturity)  # fmt: skip
            found.append(part)
    return found


def scores(
    rows: Compared, slices: Mapping[str, Flags], levels: Sequence[float], found: Sequence[Part]
) -> Iterator[Score]:
    """Every metric of every method in every part: over all entities, and in each slice once the part has wholly come.

    A slice's flags are one per row. Slices of days that come one by one would be many small numbers.
    """
    for part in found:
        inside = (rows.ahead >= part.bucket.first) & (rows.ahead <= part.bucket.last)
        yield from _measured(rows.take(inside), levels, part, EVERYTHING)
        for name, flags in slices.items() if part.come else ():
            if (both := inside & flags).any():
                yield from _measured(rows.take(both), levels, part, name)


def churn(
    mean: Floats, before: Floats, ahead: Integers, slices: Mapping[str, Flags], found: Sequence[Part]
) -> Iterator[Score]:
    """How much a night changed what the night published before had said of the same rows; known at once, and final.

    `before` is NaN where that night has no such row.
    """
    both = ~np.isnan(before)
    for part in found:
        inside = both & (ahead >= part.bucket.first) & (ahead <= part.bucket.last)
        for name, flags in {EVERYTHING: inside, **slices}.items():
            if (rows := inside & flags).any():
                value = metrics.churn(mean[rows], before[rows])
                reason = "the night before had forecast 0 for all of them" if value is None else None
                yield Score(part=part, slice=name, method=Method.MODEL, metric="churn", value=value, reason=reason,
                            n=int(rows.sum()), sum_actual=None)  # fmt: skip


def _measured(rows: Compared, levels: Sequence[float], part: Part, name: str) -> Iterator[Score]:
    total, scaled = metrics.total(rows.actual), {"mase": rows.scale_absolute, "rmsse": rows.scale_squared}
    n = {metric: int((scale > 0).sum()) for metric, scale in scaled.items()}
    reasons = {metric: _no_scale(rows) for metric in scaled}
    no_share = f"the actuals of {len(rows)} rows sum to {total:g}; a share of them needs more than 0"
    missing = int(np.isnan(rows.naive).sum())
    no_naive = f"{missing} of {len(rows)} rows have no seasonal naive: their weekday was never open before the origin"

    def score(method: Method, metric: str, value: float | None, why_not: str = no_share) -> Score:
        reason, count = why_not if value is None else None, n.get(metric, len(rows))
        return Score(part=part, slice=name, method=method, metric=metric, value=value, reason=reason, n=count,
                     sum_actual=total)  # fmt: skip

    truth = (rows.actual, rows.entity, rows.scale_absolute, rows.scale_squared)
    model = point_metrics(rows.mean, *truth)
    naive = dict.fromkeys(POINT) if missing else point_metrics(rows.naive, *truth)
    for metric in POINT:
        yield score(Method.MODEL, metric, model[metric], reasons.get(metric, no_share))
        yield score(
            Method.SEASONAL_NAIVE, metric, naive[metric], no_naive if missing else reasons.get(metric, no_share)
        )
    for metric, of in VALUE_ADDED.items():
        value = metrics.forecast_value_added(model[of], naive[of])
        yield score(Method.MODEL, metric, value, no_naive if missing else no_share)
    for metric, value in quantile_metrics(rows.actual, rows.quantiles, levels).items():
        yield score(Method.MODEL, metric, value)


def point_metrics(
    forecast: Floats, actual: npt.NDArray[Any], group: Integers, absolute: Floats, squared: Floats
) -> dict[str, float | None]:
    """The metrics of `POINT` of some rows. `group` tells apart an entity at an origin, whose days are summed.

    `absolute` and `squared` are per row the scales of MASE and RMSSE.
    """
    return {
        "wape_day": metrics.wape(actual, forecast),
        "wape_horizon": metrics.wape(metrics.sums(actual, group), metrics.sums(forecast, group)),
        "bias": metrics.bias(actual, forecast),
        "mase": metrics.mase(actual, forecast, group, absolute),
        "rmsse": metrics.rmsse(actual, forecast, group, squared),
    }


def quantile_metrics(actual: npt.NDArray[Any], quantiles: Floats, levels: Sequence[float]) -> dict[str, float | None]:
    """Of quantiles (rows, levels): each level's loss and share of rows below, their mean, and the outer interval."""
    if not levels:
        return {}
    found: dict[str, float | None] = {}
    losses = []
    for at, level in enumerate(levels):
        column, name = quantiles[:, at], quantile_column(level)
        losses.append(metrics.pinball(actual, column, level) or 0.0)
        found |= {f"pinball_{name}": losses[-1], f"share_below_{name}": metrics.share_below(actual, column)}
    found["pinball"] = sum(losses) / len(losses)
    if len(levels) > 1:
        low, high = quantiles[:, 0], quantiles[:, -1]
        found |= {
            "coverage": metrics.coverage(actual, low, high),
            "interval_width": metrics.interval_width(low, high),
        }
    return found


def _no_scale(rows: Compared) -> str:
    return (
        f"none of {len(np.unique(rows.entity))} keys has a scale: their last year before the origin has fewer than "
        f"{metrics.FEWEST_DIFFERENCES} differences of consecutive open days, or only differences of 0"
    )
