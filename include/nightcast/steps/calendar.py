"""The calendar of a night, read from the team's `calendar.sql` and held to what the night needs of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from nightcast import source
from nightcast.domain.manifest import CalendarDay
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import CalendarTooShort
from nightcast.settings import Settings


def read_calendar(
    folder: PipelineFolder, settings: Settings, first: date, last: date, ahead: int = 0
) -> tuple[CalendarDay, ...]:
    """Every day from `first` to `last`, once each, in order. Without a `calendar.sql` every day is open.

    Up to `ahead` days more are returned where the calendar has them without a gap: closed days just after a target
    date are a feature of it.

    Raises:
        CalendarTooShort: a day is missing, doubled, or lacks a value.
    """
    wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    beyond = [last + timedelta(days=n) for n in range(1, ahead + 1)]
    if folder.calendar_sql is None:
        return tuple(CalendarDay(day=d, open=True, columns={}) for d in (*wanted, *beyond))
    values = {"window_start": first, "window_end": last + timedelta(days=1 + ahead)}
    url, zone = settings.source_url(folder.pipeline.source.connection), folder.pipeline.schedule.timezone
    rows = source.query(url, folder.calendar_sql, values, timezone=zone)
    names = folder.pipeline.calendar.columns
    found = [_calendar_day(row, names) for row in rows]
    by_day = {d.day: d for d in found}
    if len(by_day) != len(found):
        doubled = sorted(d for d in by_day if sum(f.day == d for f in found) > 1)
        raise CalendarTooShort(f"calendar.sql returns {doubled[0]} more than once; expected one row per day")
    missing = [d for d in wanted if d not in by_day]
    if missing:
        raise CalendarTooShort(
            f"calendar.sql has no row for {len(missing)} of the {len(wanted)} days {first} to {last}, "
            f"the first is {missing[0]}; expected every day up to origin + horizon. Extend the calendar, then clear "
            "the task"
        )
    return tuple(by_day[d] for d in (*wanted, *itertools.takewhile(by_day.__contains__, beyond)))


def _calendar_day(row: Mapping[str, Any], names: tuple[str, ...]) -> CalendarDay:
    for name in ("day", "open", *names):
        if name not in row:
            raise CalendarTooShort(f"calendar.sql has no column {name!r}; it has {', '.join(row)}")
    day = row["day"]
    day = day.date() if isinstance(day, datetime) else date.fromisoformat(day) if isinstance(day, str) else day
    if row["open"] is None:
        raise CalendarTooShort(f"calendar.sql says neither open nor closed for {day}; expected true or false")
    columns = {n: float("nan") if row[n] is None else float(row[n]) for n in names}
    bad = [n for n, v in columns.items() if not math.isfinite(v)]
    if bad:
        raise CalendarTooShort(f"calendar.sql has no number in {bad[0]!r} for {day}; expected a finite one")
    return CalendarDay(day=day, open=bool(row["open"]), columns=columns)
