"""Drift: how far tonight's profile lies from a reference's, as numbers. What is too far is not decided here.

Every statistic is at least 0, is 0 for equal profiles, and grows with the distance; so one rule, `own_past.rank`,
places tonight's among those of earlier nights. Missing values are a bin of their own wherever shares of bins are
compared; values that the reference never had are another. A statistic that is not defined has no value but a reason.

Profiles that count numbers in cells are compared cell by cell, at the coarser level of the two: as cells are not
split, the Kolmogorov-Smirnov statistic and the share outside the reference's range are lower bounds, short by no more
than the share of the fullest cell, and the Wasserstein distance is off by no more than a cell's width. At level 0 all
are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nightcast.domain import movement
from nightcast.domain.aligned import Aligned, Flags, align
from nightcast.domain.distances import (
    EXPECTED,
    FLOOR,
    Floats,
    Integers,
    chi_square,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    l_infinity,
    population_stability_index,
    standard_deviation,
    wasserstein_1,
)
from nightcast.domain.profile import ColumnProfile
from nightcast.domain.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class Score:
    """A statistic of one column: its value, or the reason why it has none, and how it was computed.

    `base` is the base of the logarithm and `bins` the number of bins, where there is one. `n_current` and
    `n_reference` count the values that it looked at. `moved` says in words which part of the distribution moved,
    where it was asked for and the value is above 0.
    """

    statistic: Statistic
    value: float | None
    reason: str | None
    definition: str
    base: str | None
    bins: int | None
    n_reference: int
    n_current: int
    moved: str | None = None

    @property
    def explanation(self) -> str:
        """Definition, base and bins in one line."""
        base = f"; logarithm to base {self.base}" if self.base else ""
        bins = f"; {self.bins} bins" if self.bins is not None else ""
        return self.definition + base + bins


def compare(current: ColumnProfile, reference: ColumnProfile, *, words: bool = False) -> list[Score]:
    """All statistics that apply to a column of this kind; with `words`, what moved.

    Raises:
        TypeError: one profile counts numbers, the other categories.
    """
    return _measured(_OF_NUMBERS, _OF_CATEGORIES, current, reference, words=words)


def compare_slice(current: ColumnProfile, reference: ColumnProfile, *, words: bool = False) -> list[Score]:
    """The statistics of a slice's column: one that sees any movement of shares, and for numbers one of its size.

    A night has many slices of few rows each, and statistics that agree make them no better known.
    """
    return _measured((_jensen_shannon, _wasserstein), (_jensen_shannon,), current, reference, words=words)


def presence(current: ColumnProfile | None, reference: ColumnProfile | None, reason: str | None = None) -> Score:
    """Whether both sides have a column. No value but the `reason` where a side could have none at all."""
    n = tuple(p.present + p.missing if p else 0 for p in (current, reference))
    gone = current is None
    definition = "1 where only one of current and reference has the column, 0 where both have it"
    if reason is not None:
        return _score(Statistic.PRESENCE, None, definition, (n[0], n[1]), reason=reason)
    value = float(gone != (reference is None))
    moved = f"the column is gone: the reference has {n[1]:,} rows of it" if gone else "the reference has no such column"
    return replace(_score(Statistic.PRESENCE, value, definition, (n[0], n[1])), moved=moved if value else None)


def row_share(part: tuple[int, int], whole: tuple[int, int], *, words: bool = False) -> Score:
    """How the share of a slice among the rows moved; rows are given as (current, reference)."""
    definition = "|rows of the slice / rows of current - the same of the reference|"
    if empty := _empty(*whole, "rows"):
        return _score(Statistic.ROW_SHARE, None, definition, part, reason=empty)
    p, q = part[0] / whole[0], part[1] / whole[1]
    moved = f"its share of the rows {movement.change(q, p)}" if words and p != q else None
    return replace(_score(Statistic.ROW_SHARE, abs(p - q), definition, part), moved=moved)


def _measured(
    of_numbers: Sequence[_Statistic],
    of_categories: Sequence[_Statistic],
    current: ColumnProfile,
    reference: ColumnProfile,
    *,
    words: bool,
) -> list[Score]:
    seen = align(current, reference)
    scores = [statistic(seen) for statistic in (of_categories if seen.at is None else of_numbers)]
    return [replace(s, moved=_WORDS[s.statistic](seen)) if words and s.value else s for s in scores]


def _psi(seen: Aligned) -> Score:
    definition = f"sum (p - q) ln(p / q), shares below {FLOOR:g} read as {FLOOR:g}; p current, q reference; bins: "
    return _binned(seen, Statistic.PSI, population_stability_index, definition, "e")


def _jensen_shannon(seen: Aligned) -> Score:
    definition = "sqrt((KL(p | m) + KL(q | m)) / 2), m = (p + q) / 2; p current, q reference; bins: "
    return _binned(seen, Statistic.JENSEN_SHANNON, jensen_shannon_distance, definition, "2")


def _binned(
    seen: Aligned, statistic: Statistic, distance: Callable[[Floats, Floats], float], definition: str, base: str
) -> Score:
    if empty := _empty(*seen.rows, "rows"):
        return _score(statistic, None, definition + seen.bins_text, seen.rows, reason=empty, base=base)
    p, q = seen.shares()
    return _score(statistic, distance(p, q), definition + seen.bins_text, seen.rows, base=base, bins=len(p))


def _kolmogorov_smirnov(seen: Aligned) -> Score:
    definition = "max |F - G|, F and G the cumulative distributions of current and reference without missing values"
    empty = _empty(*seen.present, "values that are not missing")
    value = None if empty else kolmogorov_smirnov(seen.current, seen.reference)
    return _score(Statistic.KOLMOGOROV_SMIRNOV, value, definition, seen.present, reason=empty)


def _wasserstein(seen: Aligned) -> Score:
    """Wasserstein-1 over finite values. The scale is not robust: an absurd value in the reference hides others."""
    definition = "integral |F - G| dx / s, finite values only; s = standard deviation (divisor n) of the reference"
    assert seen.at is not None
    finite = np.isfinite(seen.at)
    current, reference, at = seen.current[finite], seen.reference[finite], seen.at[finite]
    n = int(np.sum(current)), int(np.sum(reference))
    if empty := _empty(*n, "finite values"):
        return _score(Statistic.WASSERSTEIN, None, definition, n, reason=empty)
    at = at / max(float(np.max(np.abs(at))), np.finfo(np.float64).tiny)  # s has the same unit; nothing overflows
    distance, spread = wasserstein_1(current, reference, at), standard_deviation(reference, at)
    if distance == 0:
        return _score(Statistic.WASSERSTEIN, 0.0, definition, n)
    if spread == 0:
        reason = "the reference holds one value only, so there is no spread to measure by"
        return _score(Statistic.WASSERSTEIN, None, definition, n, reason=reason)
    return _score(Statistic.WASSERSTEIN, distance / spread, definition, n)


def _chi_square(seen: Aligned) -> Score:
    definition = (
        f"sqrt(max(0, X2 - degrees of freedom) (1/n + 1/m)), X2 Pearson's of the levels' counts, missing ones a level; "
        f"the smallest in one until each is expected to have {EXPECTED} row"
    )
    if empty := _empty(*seen.rows, "rows"):
        return _score(Statistic.CHI_SQUARE, None, definition, seen.rows, reason=empty)
    found = chi_square(*seen.by_level())
    if found is None:
        reason = f"no two levels are expected to have {EXPECTED} row"
        return _score(Statistic.CHI_SQUARE, None, definition, seen.rows, reason=reason)
    definition += f"; X2 = {found.statistic:.6g}, p = {found.p_value:.2g} if rows were independent"
    return _score(Statistic.CHI_SQUARE, found.effect, definition, seen.rows, bins=found.bins)


def _l_infinity(seen: Aligned) -> Score:
    definition = "max |p - q| over levels, missing ones a level; p, q their shares of current and reference"
    if empty := _empty(*seen.rows, "rows"):
        return _score(Statistic.L_INFINITY, None, definition, seen.rows, reason=empty)
    p, q = (counts / np.float64(np.sum(counts)) for counts in seen.by_level())
    return _score(Statistic.L_INFINITY, l_infinity(p, q), definition, seen.rows)


def _missing_share(seen: Aligned) -> Score:
    definition = "|missing / rows of current - missing / rows of reference|"
    empty = _empty(*seen.rows, "rows")
    value = None if empty else abs(seen.missing[0] / seen.rows[0] - seen.missing[1] / seen.rows[1])
    return _score(Statistic.MISSING_SHARE, value, definition, seen.rows, reason=empty)


def _new_levels(seen: Aligned) -> Score:
    where = "in levels that the reference has not" if seen.at is None else "outside the reference's smallest to largest"
    definition = f"share of current values that are not missing, {where}"
    empty = _empty(seen.present[0], seen.rows[1], "values that are not missing")
    return _outside(seen, Statistic.NEW_LEVELS, definition, seen.current, seen.outside, empty)


def _gone_levels(seen: Aligned) -> Score:
    where = "in levels that current has not" if seen.at is None else "outside current's smallest to largest"
    definition = f"share of the reference's values that are not missing, {where}"
    empty = _empty(seen.rows[0], seen.present[1], "values that are not missing")
    return _outside(seen, Statistic.GONE_LEVELS, definition, seen.reference, seen.gone, empty)


def _outside(
    seen: Aligned, statistic: Statistic, definition: str, counts: Integers, where: Flags, empty: str | None
) -> Score:
    if seen.hashed:
        definition += "; a lower bound, as hashed levels may share a cell"
    value = None if empty else float(np.sum(counts[where]) / np.sum(counts))
    return _score(statistic, value, definition, seen.present, reason=empty)


def _empty(current: int, reference: int, what: str) -> str | None:
    sides = [name for name, n in (("current", current), ("reference", reference)) if n == 0]
    return f"{' and '.join(sides)} without {what}" if sides else None


def _score(
    statistic: Statistic,
    value: float | None,
    definition: str,
    n: tuple[int, int],
    *,
    reason: str | None = None,
    base: str | None = None,
    bins: int | None = None,
) -> Score:
    return Score(
        statistic=statistic,
        value=value,
        reason=reason,
        definition=definition,
        base=base,
        bins=bins,
        n_reference=n[1],
        n_current=n[0],
    )


_Statistic = Callable[[Aligned], Score]
_OF_NUMBERS = (_psi, _jensen_shannon, _kolmogorov_smirnov, _wasserstein, _missing_share, _new_levels, _gone_levels)
_OF_CATEGORIES = (_psi, _jensen_shannon, _chi_square, _l_infinity, _missing_share, _new_levels, _gone_levels)
_WORDS: Mapping[Statistic, Callable[[Aligned], str]] = {
    Statistic.PSI: movement.shares,
    Statistic.JENSEN_SHANNON: movement.shares,
    Statistic.KOLMOGOROV_SMIRNOV: movement.cut,
    Statistic.WASSERSTEIN: movement.moments,
    Statistic.CHI_SQUARE: movement.shares,
    Statistic.L_INFINITY: movement.largest,
    Statistic.MISSING_SHARE: movement.missing,
    Statistic.NEW_LEVELS: movement.new,
    Statistic.GONE_LEVELS: movement.gone,
}
