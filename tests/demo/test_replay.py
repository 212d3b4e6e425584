from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightcast.demo.replay import ORIGINAL_WEEK, anchor
from nightcast.errors import Permanent

pytestmark = pytest.mark.unit
LONDON = ZoneInfo("Europe/London")
EARLIEST, LATEST = datetime.fromisoformat("2012-01-01"), datetime.fromisoformat("2090-12-31")


def test_original_week_needs_no_shift() -> None:
    found = anchor(datetime(2011, 10, 31, 9, 0, tzinfo=UTC))
    assert found.shift_days == 0
    assert found.last_due_origin == date(2011, 10, 30)
    assert found.first_night == date(2011, 10, 24)
    assert found.history_until == date(2011, 10, 23)


@pytest.mark.parametrize(
    ("now", "today"),
    [
        ("2026-07-15T00:59:59+00:00", date(2026, 7, 14)),  # 01:59:59 in London
        ("2026-07-15T01:00:00+00:00", date(2026, 7, 15)),  # 02:00 in London
        ("2026-01-15T01:59:59+00:00", date(2026, 1, 14)),
        ("2026-01-15T02:00:00+00:00", date(2026, 1, 15)),
        ("2026-03-29T01:00:00+00:00", date(2026, 3, 29)),  # clocks jump from 01:00 to 02:00
        ("2026-03-29T00:59:59+00:00", date(2026, 3, 28)),
        ("2026-10-25T01:30:00+00:00", date(2026, 10, 24)),  # the second 01:30 of that night
        ("2026-10-25T02:00:00+00:00", date(2026, 10, 25)),
        ("2026-07-14T23:30:00-10:00", date(2026, 7, 15)),
    ],
)
def test_today_is_the_day_of_the_last_due_firing(now: str, today: date) -> None:
    assert anchor(datetime.fromisoformat(now)).today == today


@given(st.datetimes(EARLIEST, LATEST, timezones=st.timezones()))
@example(datetime(2028, 2, 29, 12, tzinfo=UTC))
def test_every_date_replays_the_same_week(now: datetime) -> None:
    found = anchor(now)
    assert found.shift_days % 7 == 0
    assert ORIGINAL_WEEK <= found.original_today < ORIGINAL_WEEK + timedelta(days=7)
    assert found.original_today.weekday() == found.today.weekday()
    assert found.last_due_origin == found.today - timedelta(days=1)
    nights = [found.first_night + timedelta(days=n) for n in range(7)]
    assert nights[-1] == found.last_due_origin
    assert found.history_until == found.first_night - timedelta(days=1)
    fired = datetime.combine(found.today, time(2), LONDON)
    next_one = datetime.combine(found.today + timedelta(days=1), time(2), LONDON)
    assert fired.astimezone(UTC) <= now.astimezone(UTC) < next_one.astimezone(UTC)


@given(st.datetimes(EARLIEST, LATEST), st.integers(1, 400))
def test_one_weekday_sees_the_same_original_days(local: datetime, weeks: int) -> None:
    one = anchor(local.replace(hour=12, tzinfo=LONDON))
    other = anchor((local + timedelta(weeks=weeks)).replace(hour=12, tzinfo=LONDON))
    assert one.original_today == other.original_today
    assert other.shift_days - one.shift_days == 7 * weeks


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(Permanent, match="expected a time with its zone"):
        anchor(datetime(2026, 1, 1))  # noqa: DTZ001
