from __future__ import annotations

import csv
import lzma
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.retail_source import EXCERPT, wall_time
from nightcast.demo.calendar import trading_days

pytestmark = pytest.mark.unit

FIRST, LAST = date(2009, 12, 1), date(2011, 12, 9)


def test_open_days_are_exactly_the_days_with_lines() -> None:
    with lzma.open(EXCERPT, "rt", newline="") as lines:
        sold = {wall_time(row["InvoiceDate"]).date() for row in csv.DictReader(lines)}
    days = trading_days(FIRST, LAST)
    assert {d.day for d in days if d.open} == sold
    assert len(sold) == 604
    assert len(days) == 739


def test_known_days() -> None:
    days = {d.day: d for d in trading_days(FIRST, date(2012, 4, 30))}
    assert days[date(2009, 12, 5)].open
    assert days[date(2009, 12, 5)].note == "opened for Christmas trade"
    assert days[date(2010, 4, 4)].note == "Easter Sunday"
    assert days[date(2012, 4, 8)].note == "Easter Sunday"
    assert not days[date(2011, 4, 29)].open, "the royal wedding"
    assert not days[date(2012, 1, 2)].open
    assert days[date(2012, 1, 4)].open
    assert (days[date(2011, 12, 24)].days_to_24_dec, days[date(2011, 12, 25)].days_to_24_dec) == (0, 365)
    assert (days[date(2011, 12, 9)].days_to_24_dec, days[date(2010, 12, 25)].days_to_24_dec) == (15, 364)
    assert (days[date(2012, 3, 1)].day_of_year, days[date(2012, 3, 1)].day_of_month) == (61, 1)


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)), st.integers(0, 500))
def test_calendar_is_gapless_and_its_columns_are_in_range(first: date, length: int) -> None:
    days = trading_days(first, first + timedelta(days=length))
    assert [d.day for d in days] == [first + timedelta(days=n) for n in range(length + 1)]
    for d in days:
        christmas = d.day + timedelta(days=d.days_to_24_dec)
        assert (christmas.month, christmas.day) == (12, 24)
        assert 0 <= d.days_to_24_dec <= 365
        assert d.open or d.note
        assert d.open == (d.day.weekday() != 5) or d.note not in (None, "Saturday")
