"""What moved, in words: the sentences that people read at three in the morning."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.drift import compare
from nightcast.domain.movement import change
from nightcast.domain.profile import ColumnProfile, Kind, profile_column
from nightcast.domain.statistic import Statistic

pytestmark = pytest.mark.unit

NUMBERS = st.lists(st.one_of(st.just(math.nan), st.integers(-8, 8).map(float)), min_size=1, max_size=40)
LETTERS = st.lists(st.sampled_from([None, "", *"abcdef"]), min_size=1, max_size=40)


def words(current: ColumnProfile, reference: ColumnProfile) -> dict[Statistic, str | None]:
    return {s.statistic: s.moved for s in compare(current, reference, words=True)}


def levels(**counts: int) -> ColumnProfile:
    return profile_column(pa.array([x for x, n in counts.items() for _ in range(n)], pa.string()), Kind.CATEGORY)


def numbers(*values: float) -> ColumnProfile:
    return profile_column(np.array(values, np.float64), Kind.NUMBER)


def test_levels_that_gained_and_lost() -> None:
    found = words(levels(UK=100), levels(UK=919, EIRE=31, Germany=30, France=15, Spain=5))
    said = "level UK rose from 91.9 % to 100 %; level EIRE fell from 3.1 % to 0 %; level Germany fell from 3.0 % to 0 %"
    assert found[Statistic.L_INFINITY] == found[Statistic.JENSEN_SHANNON] == said
    assert found[Statistic.GONE_LEVELS] == "gone: EIRE (3.1 %), Germany (3.0 %), France (1.5 %) and 1 more (0.5 %)"
    assert found[Statistic.NEW_LEVELS] is None


def test_levels_that_are_new() -> None:
    found = words(levels(UK=95, Mars=4, Venus=1), levels(UK=10))
    assert found[Statistic.NEW_LEVELS] == "new: Mars (4.0 %), Venus (1.0 %)"
    assert found[Statistic.GONE_LEVELS] is None


def test_a_level_is_somebody_elses_text() -> None:
    found = words(levels(**{"x\n" * 60: 1, "b": 9}), levels(b=10))
    assert found[Statistic.NEW_LEVELS] == f"new: {'x ' * 19}x… (10.0 %)"
    assert words(levels(**{"": 1, "b": 9}), levels(b=10))[Statistic.NEW_LEVELS] == 'new: "" (10.0 %)'


def test_missing_values() -> None:
    rows = np.arange(100.0)
    found = words(numbers(*np.where(rows < 38, math.nan, rows)), numbers(*np.where(rows % 100 < 21, math.nan, rows)))
    assert found[Statistic.MISSING_SHARE] == "missing rose from 21.0 % to 38.0 %"
    assert "missing rose from 21.0 % to 38.0 %" in str(found[Statistic.PSI])


def test_the_number_above_which_the_share_moved_most() -> None:
    reference = [float(n % 100) for n in range(1000)]
    current = [float(n % 100) if n % 100 < 60 else 80.0 + n % 20 for n in range(1000)]
    found = words(numbers(*current), numbers(*reference))
    assert found[Statistic.KOLMOGOROV_SMIRNOV] == "share above 79 rose from 20.0 % to 40.0 %"
    assert (
        found[Statistic.PSI] == "share above 79 rose from 20.0 % to 40.0 %; share from 60 to 79 fell from 20.0 % to 0 %"
    )


def test_a_movement_from_one_end_to_the_other_is_told_once() -> None:
    found = words(numbers(1, 1, 2, 2, 2, 2), numbers(1, 1, 1, 1, 2, 2))
    assert found[Statistic.PSI] == "share of 2 rose from 33.3 % to 66.7 %"
    assert found[Statistic.WASSERSTEIN] == ("mean rose from 1.3333 to 1.6667")


def test_numbers_beyond_the_range() -> None:
    reference = [float(n) for n in range(100)]
    found = words(numbers(*reference, -7.0, 1e9), numbers(*reference))
    assert found[Statistic.NEW_LEVELS] == (
        "1.0 % below 0, down to -7; 1.0 % above 99, up to 1e+09 (the reference ends there)"
    )
    found = words(numbers(*reference[10:90]), numbers(*reference))
    assert (
        found[Statistic.GONE_LEVELS] == "10.0 % below 10, down to 0; 10.0 % above 89, up to 99 (nothing is there now)"
    )


def test_shares_have_as_many_digits_as_tell_them_apart() -> None:
    assert change(0.098, 0.151) == "rose from 9.8 % to 15.1 %"
    assert change(0.99981, 0.99985) == "rose from 99.981 % to 99.985 %"
    assert change(0.031, 0) == "fell from 3.1 % to 0 %"


@given(NUMBERS, NUMBERS)
def test_numbers_that_moved_have_words_and_others_none(now: list[float], before: list[float]) -> None:
    for score in compare(numbers(*now), numbers(*before), words=True):
        assert bool(score.moved) is bool(score.value), score
        assert "nan" not in str(score.moved)


@given(LETTERS, LETTERS)
def test_levels_that_moved_have_words_and_others_none(now: list[str | None], before: list[str | None]) -> None:
    sides = (profile_column(pa.array(side, pa.string()), Kind.CATEGORY) for side in (now, before))
    for score in compare(*sides, words=True):
        assert bool(score.moved) is bool(score.value), score
