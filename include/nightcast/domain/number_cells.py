"""Cells for float64 numbers: exact at level 0, and ever wider, nested and sign aware above it.

A finite float64 that is not zero is a sign, an exponent and 52 bits of fraction, and for numbers of one sign the order
of these bits is the order of the numbers. So dropping the last `level` bits sorts numbers into cells whose width is at
most 2**(level - 52) of their lower edge: level 0 keeps every number apart, level 46 makes 64 cells per power of two
(at most 1.6 % wide), level 52 one. Zero is a cell of its own at every level, so is each infinity, and a cell never
holds numbers of both signs. Only integers are computed with: the cells are the same on every machine.

A cell is the int64 sign * (1 + (bits >> level)), and 0 for zero. Cells of a level are unions of cells of a lower one.
(Numbers below 2.3e-308 in size have no such relative width: their cells are as wide as those just above them.)
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

COARSEST = 52  # a cell per power of two; further would mix the largest numbers with infinity


def cells_of(values: Floats) -> Integers:
    """The cell of each value at level 0. Values may be infinite, not NaN."""
    bits: Integers = np.abs(values).view(np.int64)
    sizes = bits + (bits != 0)
    signed: Integers = np.where(values < 0, -sizes, sizes)
    return signed


def coarser(cells: Integers, by: int) -> Integers:
    """The cells, `by` levels up, that these cells lie in."""
    sizes = ((np.abs(cells) - 1) >> by) + 1
    signed: Integers = np.sign(cells) * sizes  # the sign of zero is 0
    return signed


def edges_of(cells: Integers, level: int) -> tuple[Floats, Floats]:
    """Lowest and highest float64 of each cell."""
    sizes = np.abs(cells)
    inner = np.where(sizes > 0, sizes - 1, 0) << level
    outer = np.where(sizes > 0, inner + ((1 << level) - 1), 0)
    inner_edge = inner.view(np.float64)
    outer_edge = np.where(np.isinf(inner_edge), inner_edge, outer.view(np.float64))
    negative = cells < 0
    return np.where(negative, -outer_edge, inner_edge), np.where(negative, -inner_edge, outer_edge)


def middles_of(cells: Integers, level: int) -> Floats:
    """One number for each cell: the number itself at level 0, else the middle between the cell's edges.

    No number of a cell is further from it than 2**(level - 53) of the cell's edge that is nearer to zero.
    """
    low, high = edges_of(cells, level)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(low), low, low + (high - low) / 2)


def condense(cells: Integers, counts: Integers, level: int, limit: int) -> tuple[int, Integers, Integers]:
    """The lowest level from `level` on at which at most `limit` cells are occupied, with its cells and counts.

    `cells` are distinct and rising, at `level`. COARSEST is the end, whatever it holds. The result depends only on
    which numbers were counted, not on the steps between: more numbers never need a lower level.
    """
    low, high = level, COARSEST
    while low < high:
        middle = (low + high) // 2
        occupied = np.count_nonzero(np.diff(coarser(cells, middle - level))) + 1
        low, high = (low, middle) if occupied <= limit else (middle + 1, high)
    return (low, *add_up(coarser(cells, low - level), counts))


def add_up(cells: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Distinct cells, rising, and the sum of the counts of each. `cells` are rising, and may repeat."""
    if not len(cells):
        return cells, counts
    starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
    return cells[starts], np.add.reduceat(counts, starts)


def exact_sum(values: Floats, counts: Integers) -> Fraction:
    """The sum of finite values, each taken `counts` times, without any rounding: so the order does not matter.

    Every float64 is a whole number of 53 bits times a power of two. Those are added as integers, power by power, in
    halves that cannot overflow below 2**36 values.
    """
    if not len(values):
        return Fraction(0)
    fractions, powers = np.frexp(values)
    whole = np.ldexp(fractions, 53).astype(np.int64)
    distinct, group = np.unique(powers, return_inverse=True)
    upper, lower = np.zeros(len(distinct), np.int64), np.zeros(len(distinct), np.int64)
    np.add.at(upper, group, (whole >> 27) * counts)
    np.add.at(lower, group, (whole & ((1 << 27) - 1)) * counts)
    least = int(distinct[0]) - 53
    total = sum(
        ((int(u) << 27) + int(v)) << (int(p) - 53 - least) for p, u, v in zip(distinct, upper, lower, strict=True)
    )
    return Fraction(total) * Fraction(2) ** least
