"""A drift score among its own past, and the past nights that tonight is compared with."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.night import DayState
from nightcast.domain.own_past import rank, same_weekday_reference

pytestmark = pytest.mark.unit


def test_rank_among_ones_own_past() -> None:
    past = [0.1, 0.2, 0.3]
    assert rank(0.4, past) == (1 / 4, 3)
    assert rank(0.2, past) == (3 / 4, 3)  # ties count against being unusual
    assert rank(0.0, past) == (1, 3)
    assert rank(5.0, []) == (1, 0)


@given(st.lists(st.floats(0, 10), max_size=30), st.floats(0, 10), st.floats(0, 10))
def test_a_larger_value_never_ranks_as_more_usual(past: list[float], x: float, y: float) -> None:
    low, high = sorted([x, y])
    assert 1 / (1 + len(past)) <= rank(high, past)[0] <= rank(low, past)[0] <= 1


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.floats(0.01, 1))
def test_among_exchangeable_nights_small_ranks_are_as_rare_as_they_say(nights: list[float], level: float) -> None:
    ranks = [rank(night, nights[:i] + nights[i + 1 :])[0] for i, night in enumerate(nights)]
    assert sum(r <= level for r in ranks) / len(nights) <= level + 1e-12


ORIGIN = date(2011, 10, 31)  # a Monday


def test_the_reference_is_the_last_accepted_nights_of_the_weekday() -> None:
    days = {ORIGIN + timedelta(d): DayState.ACCEPTED for d in range(-100, 30)}
    days[ORIGIN - timedelta(7)] = DayState.MISSING  # stopped
    days[ORIGIN - timedelta(21)] = DayState.CLOSED
    found = same_weekday_reference(days, ORIGIN)
    assert found == tuple(ORIGIN - timedelta(7 * w) for w in (10, 9, 8, 7, 6, 5, 4, 2))


def test_a_short_past_gives_a_short_reference() -> None:
    days = {ORIGIN - timedelta(d): DayState.ACCEPTED for d in range(10)}
    assert same_weekday_reference(days, ORIGIN) == (ORIGIN - timedelta(7),)
    assert same_weekday_reference({}, ORIGIN) == ()
    assert same_weekday_reference(days, ORIGIN, n=0) == ()


@given(st.dictionaries(st.integers(-60, 60), st.sampled_from(list(DayState))), st.integers(1, 9))
def test_the_reference_never_looks_ahead(states: dict[int, DayState], n: int) -> None:
    days = {ORIGIN + timedelta(d): state for d, state in states.items()}
    past = {day: state for day, state in days.items() if day < ORIGIN}
    assert same_weekday_reference(days, ORIGIN, n) == same_weekday_reference(past, ORIGIN, n)
