"""The cells that numbers are counted in when there are too many to keep apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain import number_cells
from nightcast.domain.number_cells import COARSEST, cells_of, coarser, condense, edges_of, middles_of

pytestmark = pytest.mark.unit

NUMBER = st.floats(allow_nan=False, width=64)
NORMAL = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
LEVEL = st.integers(0, COARSEST)


def cell(x: float, level: int = 0) -> int:
    return int(coarser(cells_of(np.array([x])), level)[0])


@given(NUMBER, NUMBER, LEVEL)
def test_cells_keep_the_order_of_numbers(x: float, y: float, level: int) -> None:
    low, high = sorted([x, y])
    assert cell(low, level) <= cell(high, level)
    assert (cell(low) == cell(high)) == (low == high)


@given(NUMBER, LEVEL)
def test_a_number_lies_between_the_edges_of_its_cell(x: float, level: int) -> None:
    low, high = edges_of(np.array([cell(x, level)]), level)
    assert low[0] <= x <= high[0]


@given(NORMAL, LEVEL)
def test_the_middle_of_a_cell_is_as_near_as_is_promised(x: float, level: int) -> None:
    middle = float(middles_of(np.array([cell(x, level)]), level)[0])
    assert abs(middle - x) <= 2.0 ** (level - 53) * abs(x)
    assert middle == x or level > 0


@given(LEVEL, NUMBER)
def test_zero_infinities_and_signs_stay_apart_at_every_level(level: int, x: float) -> None:
    special = {cell(s, level) for s in (0.0, math.inf, -math.inf, 5e-324, -5e-324, 1.7e308, -1.7e308)}
    assert len(special) == 7
    assert np.sign(cell(x, level)) == np.sign(x)


@given(NUMBER, st.integers(0, 26), st.integers(0, 26))
def test_cells_are_nested(x: float, first: int, then: int) -> None:
    assert coarser(np.array([cell(x, first)]), then)[0] == cell(x, first + then)


def test_a_level_has_this_many_cells_per_power_of_two() -> None:
    inside = np.linspace(1, 2, 100_000, endpoint=False)
    for level, cells in ((46, 64), (47, 32), (52, 1)):
        assert len(np.unique(coarser(cells_of(inside), level))) == cells


def test_condensing_stops_at_the_lowest_level_that_fits() -> None:
    cells = cells_of(np.arange(1.0, 2001.0))
    level, found, counts = condense(cells, np.ones(2000, np.int64), 0, 500)
    assert len(found) <= 500 < len(np.unique(coarser(cells, level - 1)))
    assert counts.sum() == 2000


def test_condensing_never_goes_beyond_a_cell_per_power_of_two() -> None:
    powers = np.ldexp(1.0, np.arange(-1000, 1000))
    level, found, _ = condense(cells_of(powers), np.ones(2000, np.int64), 0, 500)
    assert (level, len(found)) == (COARSEST, 2000)


def test_adding_up_sums_the_counts_of_equal_cells() -> None:
    cells, counts = number_cells.add_up(np.array([-1, -1, 4, 7, 7]), np.array([1, 2, 3, 4, 5]))
    assert (cells.tolist(), counts.tolist()) == ([-1, 4, 7], [3, 3, 9])
