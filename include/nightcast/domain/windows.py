"""Trailing windows over a cube, up to an origin and not a day further.

Sums are differences of cumulative sums of integers, so they are exact: they depend neither on where the history
starts, nor on which entities lie beside each other. Days that are closed or missing count for nothing: neither their
values nor the days themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nightcast.domain.calendar_view import ONE_DAY, Day, as_day
from nightcast.domain.panel import Cube

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class History:
    """A cube with the cumulative sums that windows are read from. Made once, read at any number of origins."""

    def __init__(self, cube: Cube):
        self.cube = cube
        self._made: dict[tuple[str, str], npt.NDArray[np.int64]] = {}
        self.open_before: Integers = _running(cube.open.astype(np.int64))

    def values(self, measure: str) -> Integers:
        """Values (entities, days), zero on days that do not count."""
        return self._once("values", measure, lambda: _masked(self.cube.values[measure], self.cube.open))

    def sums(self, measure: str) -> Integers:
        """Sums of the values before each day (entities, days + 1)."""
        return self._once("sums", measure, lambda: _running(self.values(measure)))

    def active_before(self, measure: str) -> Integers:
        """Days above zero before each day (entities, days + 1)."""
        return self._once("active", measure, lambda: _running(self.values(measure) > 0))

    def totals(self, measure: str) -> Integers:
        """Totals over all entities (days), zero on days that do not count."""
        return self._once("totals", measure, lambda: self.cube.totals[measure] * self.cube.open)

    def total_sums(self, measure: str) -> Integers:
        """Sums of the totals before each day (days + 1)."""
        return self._once("total_sums", measure, lambda: _running(self.totals(measure)))

    def position(self, day: Day) -> int:
        """The index of a day; `ValueError` where the cube does not hold it."""
        days = self.cube.days
        at = int((as_day(day) - days[0]) // ONE_DAY) if len(days) else -1
        if not 0 <= at < len(days):
            covered = f"{days[0]} to {days[-1]}" if len(days) else "no day"
            raise ValueError(f"the cube covers {covered}; expected it to hold {day}")
        return at

    def _once(self, what: str, measure: str, make: Callable[[], Integers]) -> Integers:
        if (what, measure) not in self._made:
            self._made[what, measure] = make()
        return self._made[what, measure]


@dataclass(frozen=True, kw_only=True, eq=False)
class Spans:
    """Whole windows as first days and days behind the last, as positions; empty if they begin before the history."""

    start: npt.NDArray[np.intp]
    end: npt.NDArray[np.intp]


class Past:
    """What is known of some entities at the close of an origin.

    `entities` are indices into the cube's keys. Results are float64 per entity in that order, NaN where a window has
    no day that counts. A window is so many calendar days up to and including the origin, cut at the start of the
    history.
    """

    def __init__(self, history: History, origin: Day, entities: npt.NDArray[np.intp]):
        self._history, self._entities = history, entities
        self._end = history.position(origin) + 1  # everything is read before this index: nothing after the origin
        self._open = history.cube.open[: self._end]
        self.days = history.cube.days[: self._end]
        self.size = len(entities)

    def open_days(self, window: int) -> int:
        """Days that count in a window."""
        counts = self._history.open_before
        return int(counts[self._end] - counts[self._start(window)])

    def mean(self, measure: str, window: int) -> Floats:
        """Sum of the window over its days that count."""
        return self._difference(self._history.sums(measure), window) / _divisor(self.open_days(window))

    def active_days(self, measure: str, window: int) -> Floats:
        """Days above zero in the window."""
        return self._difference(self._history.active_before(measure), window).astype(np.float64)

    def active_share(self, measure: str, window: int) -> Floats:
        """Share of the days that count with a value above zero."""
        return self.active_days(measure, window) / _divisor(self.open_days(window))

    def active_mean(self, measure: str, window: int) -> Floats:
        """Sum of the window over its days above zero."""
        return quotient(self._difference(self._history.sums(measure), window), self.active_days(measure, window))

    def weighted_mean(self, measure: str, weight: str, window: int) -> Floats:
        """Sum of one measure over the sum of another."""
        return quotient(*(self._difference(self._history.sums(name), window) for name in (measure, weight)))

    def lag(self, measure: str, n: int) -> Floats:
        """The value of the n-th last day that counts."""
        at = np.flatnonzero(self._open)[-n:]
        if len(at) < n:
            return np.full(self.size, np.nan)
        values: Floats = self._history.values(measure)[self._entities, at[0]].astype(np.float64)
        return values

    def variation(self, measure: str, window: int) -> Floats:
        """Population standard deviation over mean of the days that count, zeros included.

        Squares are added one after the other per entity, so that a result does not depend on the entities beside it.
        """
        mean = self.mean(measure, window)
        values = self._window(measure, window)
        if not values.shape[1]:
            return mean
        squares = np.zeros(self.size)
        for day in values.T:
            squares += (day - mean) ** 2
        return quotient(np.sqrt(squares / values.shape[1]), mean)

    def maximum(self, measure: str, window: int) -> Floats:
        """Largest value of a day that counts."""
        values = self._window(measure, window)
        return values.max(axis=1).astype(np.float64) if values.shape[1] else np.full(len(values), np.nan)

    def days_since_active(self, measure: str) -> Floats:
        """Calendar days from the last day above zero to the origin; infinite where there is none."""
        active = self._history.values(measure)[self._entities, : self._end] > 0
        return np.where(active.any(axis=1), active[:, ::-1].argmax(axis=1), np.inf)

    def age(self, measure: str) -> Floats:
        """Calendar days from the first day above zero to the origin; NaN where there is none."""
        active = self._history.values(measure)[self._entities, : self._end] > 0
        return np.where(active.any(axis=1), self._end - 1 - active.argmax(axis=1), np.nan)

    def weekday_mean(self, measure: str, weekday: int, occurrences: int) -> Floats:
        """Mean over the last `occurrences` days that count and have the weekday (Monday is 0)."""
        at = self._weekday_positions(weekday, occurrences)
        sums: Integers = self._history.values(measure)[np.ix_(self._entities, at)].sum(axis=1)
        return sums / _divisor(len(at))

    def quantiles(self, measure: str, window: int, levels: Sequence[float]) -> Floats:
        """Empirical quantiles (entities, levels) of the days that count, interpolated linearly between two of them."""
        values = self._window(measure, window)
        if not values.shape[1]:
            return np.full((self.size, len(levels)), np.nan)
        return np.quantile(values, levels, axis=1).T

    def total_mean(self, measure: str, window: int) -> float:
        """Mean total of all entities over the days that count of a window."""
        sums = self._history.total_sums(measure)
        return float(int(sums[self._end] - sums[self._start(window)]) / _divisor(self.open_days(window)))

    def total_weekday_mean(self, measure: str, weekday: int, occurrences: int) -> float:
        """Mean total over the last `occurrences` days that count and have the weekday (Monday is 0)."""
        at = self._weekday_positions(weekday, occurrences)
        return float(int(self._history.totals(measure)[at].sum()) / _divisor(len(at)))

    def around(self, days: npt.NDArray[np.datetime64], window: int) -> Spans:
        """Windows of an odd length with each of `days` in the middle."""
        middle = ((days - self.days[0]) // ONE_DAY).astype(np.intp)
        return self._spans(middle - window // 2, middle + window // 2 + 1)

    def up_to(self, back: int, window: int) -> Spans:
        """The one window that ends `back` days before the origin."""
        end = np.array([self._end - back])
        return self._spans(end - window, end)

    def means(self, measure: str, spans: Spans) -> Floats:
        """Mean of each span over its days that count (entities, spans); NaN where it begins before the history."""
        return self._means(self._history.sums(measure), self._entities, spans)

    def total_means(self, measure: str, spans: Spans) -> Floats:
        """The same of the totals of all entities (1, spans)."""
        return self._means(self._history.total_sums(measure)[None, :], np.zeros(1, dtype=np.intp), spans)

    def _spans(self, start: npt.NDArray[np.intp], end: npt.NDArray[np.intp]) -> Spans:
        if (end > self._end).any():
            raise ValueError(f"a window ends {(end - self._end).max()} days after the origin; expected none to")
        return Spans(start=np.where(start < 0, 0, start), end=np.where(start < 0, 0, end))

    def _means(self, running: Integers, rows: npt.NDArray[np.intp], spans: Spans) -> Floats:
        counts = self._history.open_before
        sums: Integers = running[np.ix_(rows, spans.end)] - running[np.ix_(rows, spans.start)]
        return quotient(sums, counts[spans.end] - counts[spans.start])

    def _start(self, window: int) -> int:
        return max(self._end - window, 0)

    def _difference(self, running: Integers, window: int) -> Integers:
        difference: Integers = running[self._entities, self._end] - running[self._entities, self._start(window)]
        return difference

    def _window(self, measure: str, window: int) -> Integers:
        start = self._start(window)
        at = start + np.flatnonzero(self._open[start:])
        return self._history.values(measure).T[np.ix_(at, self._entities)].T

    def _weekday_positions(self, weekday: int, occurrences: int) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self._open & (weekdays(self.days) == weekday))[-occurrences:]


def weekdays(days: npt.NDArray[np.datetime64]) -> Integers:
    """The weekday of each day, Monday is 0."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7  # day 0, 1970-01-01, was a Thursday


def quotient(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    """Elementwise division; NaN where the divisor is zero."""
    divisor = np.asarray(below, dtype=np.float64)
    return np.asarray(above, dtype=np.float64) / np.where(divisor == 0, np.nan, divisor)


def _masked(values: Integers, counted: npt.NDArray[np.bool_]) -> Integers:
    """Values with zeros on days that do not count; most often there are only zeros on them anyway."""
    return values * counted if values[:, ~counted].any() else values


def _running(values: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Integers:
    """Sums before each day, laid out like a cube: a day's beside each other in memory."""
    result = np.zeros((values.shape[-1] + 1, *values.shape[:-1]), dtype=np.int64)
    np.cumsum(values.T, axis=0, dtype=np.int64, out=result[1:])
    return result.T


def _divisor(days: int) -> float:
    return float(days) if days else float("nan")
