"""Baselines: known answers, and no look ahead."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.baselines import seasonal_naive

pytestmark = pytest.mark.unit

ORIGIN = date(2011, 10, 31)  # a Monday
FIRST = np.datetime64(ORIGIN) - 20
DAYS = FIRST + np.arange(30)  # nine days beyond the origin are known too
VALUES = np.stack([np.arange(30), 100 + np.arange(30)])  # an entity per row; the value is the day's position
TARGETS = np.datetime64(ORIGIN) + np.arange(1, 15)


def test_seasonal_naive_is_the_last_open_day_of_the_weekday() -> None:
    found = seasonal_naive(VALUES, DAYS, np.ones(30, bool), ORIGIN, TARGETS)
    # The origin is at position 20; a Tuesday comes from position 14, the Monday after from the origin itself.
    assert found.values[0].tolist() == [14, 15, 16, 17, 18, 19, 20] * 2
    assert found.values[1].tolist() == [114, 115, 116, 117, 118, 119, 120] * 2
    assert found.source[0] == np.datetime64("2011-10-25")
    assert found.known.all()


def test_closed_and_missing_days_are_passed_over() -> None:
    is_open = np.ones(30, bool)
    is_open[14] = False  # last Tuesday
    found = seasonal_naive(VALUES, DAYS, is_open, ORIGIN, TARGETS[:2])
    assert found.values.tolist() == [[7, 15], [107, 115]]
    assert found.source.tolist() == [date(2011, 10, 18), date(2011, 10, 26)]


def test_a_weekday_that_was_never_open_has_no_forecast() -> None:
    is_open = (np.arange(30) % 7) != 5  # positions 5, 12, 19 are Sundays
    found = seasonal_naive(VALUES, DAYS, is_open, ORIGIN, TARGETS[:7])
    assert found.known.tolist() == [True] * 5 + [False, True]
    assert found.values[:, 5].tolist() == [0, 0]
    assert np.isnat(found.source[5])
    nothing = seasonal_naive(VALUES, DAYS, np.zeros(30, bool), ORIGIN, TARGETS)
    assert not nothing.known.any()


@given(st.integers(0, 2**32 - 1))
def test_seasonal_naive_does_not_look_ahead(seed: int) -> None:
    random = np.random.default_rng(seed)
    values, is_open = VALUES.copy(), random.random(30) < 0.7
    before = seasonal_naive(values, DAYS, is_open, ORIGIN, TARGETS)
    values[:, 21:], is_open[21:] = random.integers(0, 1000, (2, 9)), random.random(9) < 0.5
    after = seasonal_naive(values, DAYS, is_open, ORIGIN, TARGETS)
    assert np.array_equal(before.values, after.values)
    assert np.array_equal(before.known, after.known)
    assert np.all(before.source[before.known] <= np.datetime64(ORIGIN))


def test_the_past_is_not_a_target() -> None:
    with pytest.raises(ValueError, match="is not after the origin"):
        seasonal_naive(VALUES, DAYS, np.ones(30, bool), ORIGIN, np.array([np.datetime64(ORIGIN)]))
