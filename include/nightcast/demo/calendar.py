"""When the shop trades, from the original dates, and what a day means in the original year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import holidays

SATURDAY = 5
OPEN_SATURDAY = date(2009, 12, 5)  # the one day in the data that the rule gets wrong


@dataclass(frozen=True)
class TradingDay:
    """One day of the calendar; the seasonal columns belong to `day`, whatever date it is replayed on."""

    day: date
    open: bool
    note: str | None  # why it is closed, or what is special about an open day
    day_of_year: int
    day_of_month: int
    days_to_24_dec: int  # to the next 24 December; 0 on the day itself


def trading_days(first: date, last: date) -> list[TradingDay]:
    """The calendar from `first` to `last`, both included, in original dates.

    Closed are Saturdays, 24 December to 3 January, Easter Sunday and the bank holidays of England and Wales. Over
    2009-12-01..2011-12-09 this is exactly the set of days without a line, 2009-12-05 apart.
    """
    years = range(first.year, last.year + 1)
    bank_holidays = holidays.country_holidays("GB", subdiv="ENG", years=years, language="en_GB")
    named = {day: str(name) for day, name in bank_holidays.items()}
    named |= {monday - timedelta(days=1): "Easter Sunday" for monday in bank_holidays.get_named("Easter Monday")}
    return [_trading_day(first + timedelta(days=n), named) for n in range((last - first).days + 1)]


def _trading_day(day: date, named: dict[date, str]) -> TradingDay:
    closed = _why_closed(day, named)
    christmas = date(day.year, 12, 24)
    if day > christmas:
        christmas = date(day.year + 1, 12, 24)
    return TradingDay(
        day=day,
        open=closed is None or day == OPEN_SATURDAY,
        note="opened for Christmas trade" if day == OPEN_SATURDAY else closed,
        day_of_year=day.timetuple().tm_yday,
        day_of_month=day.day,
        days_to_24_dec=(christmas - day).days,
    )


def _why_closed(day: date, named: dict[date, str]) -> str | None:
    if (day.month, day.day) >= (12, 24) or (day.month, day.day) <= (1, 3):
        return "Christmas break"
    return named.get(day) or ("Saturday" if day.weekday() == SATURDAY else None)
