"""The calendar as arrays: which days are open, and the columns of a day that are known before it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from nightcast.domain.manifest import CalendarDay
from nightcast.errors import CalendarTooShort

ONE_DAY = np.timedelta64(1, "D")
Day = date | np.datetime64


@dataclass(frozen=True, kw_only=True, eq=False)
class CalendarView:
    """Consecutive calendar days, past and future.

    `days` is datetime64[D] without gaps, `open` a flag per day, `columns` one float64 array per known-future column
    (NaN where the calendar holds no number).
    """

    days: npt.NDArray[np.datetime64]
    open: npt.NDArray[np.bool_]
    columns: Mapping[str, npt.NDArray[np.float64]]

    def between(self, first: Day, last: Day) -> CalendarView:
        """The days from `first` to `last`, both included; `CalendarTooShort` where one of them is not covered."""
        start, end = as_day(first), as_day(last)
        if not len(self.days) or start < self.days[0] or end > self.days[-1]:
            covered = f"{self.days[0]} to {self.days[-1]}" if len(self.days) else "no day at all"
            raise CalendarTooShort(
                f"the calendar covers {covered}; expected {start} to {end}. Extend what calendar.sql returns"
            )
        cut = slice(int((start - self.days[0]) // ONE_DAY), int((end - self.days[0]) // ONE_DAY) + 1)
        return CalendarView(
            days=self.days[cut], open=self.open[cut], columns={n: v[cut] for n, v in self.columns.items()}
        )

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A known-future column, or `CalendarTooShort` with the columns that there are."""
        if name not in self.columns:
            raise CalendarTooShort(
                f"the calendar has the columns {', '.join(self.columns) or '(none)'}; expected {name!r} too. "
                "Add it to calendar.sql and to calendar.columns"
            )
        return self.columns[name]


def as_day(day: Day) -> np.datetime64:
    """A date as datetime64[D]."""
    return day.astype("datetime64[D]") if isinstance(day, np.datetime64) else np.datetime64(day, "D")


def calendar_view(calendar: Sequence[CalendarDay]) -> CalendarView:
    """The days of a manifest as arrays. They may come in any order; a gap or a doubled day is `CalendarTooShort`."""
    ordered = sorted(calendar, key=lambda c: c.day)
    days = np.array([c.day for c in ordered], dtype="datetime64[D]")
    steps = np.diff(days)
    if (steps != ONE_DAY).any():
        at = int(np.flatnonzero(steps != ONE_DAY)[0])
        raise CalendarTooShort(
            f"the calendar goes from {days[at]} to {days[at + 1]}; expected each day once, without gaps. "
            "Correct what calendar.sql returns"
        )
    names = sorted({n for c in ordered for n in c.columns})
    columns = {n: np.array([_number(c.columns.get(n)) for c in ordered], dtype=np.float64) for n in names}
    return CalendarView(days=days, open=np.array([c.open for c in ordered], dtype=np.bool_), columns=columns)


def closed_runs(opened: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each day: how many consecutive closed days lie just before it, and how many just after it."""
    return _closed_before(opened), _closed_before(opened[::-1])[::-1]


def _closed_before(opened: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    position = np.arange(len(opened))
    last_open = np.maximum.accumulate(np.where(opened, position, -1)) if len(opened) else position
    before = np.concatenate(([-1], last_open[:-1])) if len(opened) else last_open
    return (position - 1 - before).astype(np.int64)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
