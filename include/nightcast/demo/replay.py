"""The demo's clock: by how many days the original dates move so that the data's nights happen now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from nightcast.errors import Permanent

ORIGINAL_WEEK = date(2011, 10, 31)  # the Monday of the week in which the demo's today lies
NIGHTS = 7  # that the schedule makes up for at once


@dataclass(frozen=True)
class Anchor:
    """Where the replay stands. All days but those called original are days of the real calendar."""

    shift_days: int  # original date + shift_days = replayed date; a multiple of 7
    today: date  # local day of the last due firing
    last_due_origin: date  # the origin of that firing: the day before
    first_night: date  # origin of the first of the seven nights
    history_until: date  # last day of the import and of the first training, the day before the first night

    @property
    def original_today(self) -> date:
        """The date in the published data that `today` stands for."""
        return self.today - timedelta(days=self.shift_days)


def anchor(now: datetime, fires_at: time = time(2), timezone: str = "Europe/London") -> Anchor:
    """The replay for a demo that is started at `now`.

    Today is the local day of the last due firing; it stands for the day of the same weekday in the original week of
    Monday 2011-10-31. So one weekday gives the same nights on every date.

    Args:
        now: an aware time.
        fires_at: local wall time at which the pipeline's schedule fires each day.
        timezone: of the schedule.

    Raises:
        Permanent: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise Permanent(f"now is {now.isoformat()}; expected a time with its zone")
    local = now.astimezone(ZoneInfo(timezone))
    today = local.date() if local.time() >= fires_at else local.date() - timedelta(days=1)
    last_due = today - timedelta(days=1)
    first_night = last_due - timedelta(days=NIGHTS - 1)
    return Anchor(
        shift_days=(today - (ORIGINAL_WEEK + timedelta(days=today.weekday()))).days,
        today=today,
        last_due_origin=last_due,
        first_night=first_night,
        history_until=first_night - timedelta(days=1),
    )
