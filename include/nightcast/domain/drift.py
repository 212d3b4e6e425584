"""Drift: how far tonight's profile lies from a reference's, as numbers. What is too far is not decided here.

Every statistic is at least 0, is 0 for equal profiles, and grows with the distance; so one rule, `rank`, places
tonight's among those of earlier nights. Missing values are a bin of their own wherever shares of bins are compared;
values that the reference never had are another. A statistic that is not defined has no value but a reason.

Profiles that count numbers in cells are compared cell by cell, at the coarser level of the two: as cells are not
split, the Kolmogorov-Smirnov statistic and the share outside the reference's range are lower bounds, short by no more
than the share of the fullest cell, and the Wasserstein distance is off by no more than a cell's width. At level 0 all
are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from nightcast.domain.aligned import Aligned, align
from nightcast.domain.distances import (
    FLOOR,
    Floats,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    population_stability_index,
    standard_deviation,
    wasserstein_1,
)
from nightcast.domain.night import DayState
from nightcast.domain.profile import ColumnProfile

NIGHTS = 8  # of a same-weekday reference


class Statistic(StrEnum):
    """What is measured. Categories have no order: no Kolmogorov-Smirnov, no Wasserstein."""

    PSI = "psi"
    JENSEN_SHANNON = "jensen_shannon"
    KOLMOGOROV_SMIRNOV = "kolmogorov_smirnov"
    WASSERSTEIN = "wasserstein"
    MISSING_SHARE = "missing_share"
    NEW_LEVELS = "new_levels"


@dataclass(frozen=True, kw_only=True)
class Score:
    """A statistic of one column: its value, or the reason why it has none, and how it was computed.

    `base` is the base of the logarithm and `bins` the number of bins, where there is one. `n_current` and
    `n_reference` count the values that it looked at.
    """

    statistic: Statistic
    value: float | None
    reason: str | None
    definition: str
    base: str | None
    bins: int | None
    n_reference: int
    n_current: int

    @property
    def explanation(self) -> str:
        """Definition, base, bins, and the reason where there is no value, in one line."""
        base = f"; logarithm to base {self.base}" if self.base else ""
        bins = f"; {self.bins} bins" if self.bins is not None else ""
        return self.definition + base + bins + (f"; no value: {self.reason}" if self.reason else "")


def compare(current: ColumnProfile, reference: ColumnProfile) -> list[Score]:
    """All statistics that apply to a column of this kind, in the order of `Statistic`.

    Raises:
        TypeError: one profile counts numbers, the other categories.
    """
    seen = align(current, reference)
    ordered = (_kolmogorov_smirnov, _wasserstein) if seen.at is not None else ()
    statistics: tuple[Callable[[Aligned], Score], ...] = (_psi, _jensen_shannon, *ordered, _missing_share, _new_levels)
    return [statistic(seen) for statistic in statistics]


def rank(value: float, history: Sequence[float]) -> tuple[float, int]:
    """Where a value lies among earlier ones, and how many these are.

    The rank is (1 + number of earlier values that are at least as large) / (1 + n), above 0 and at most 1: small is
    unusual. Were all nights exchangeable, a rank of at most a would come up with probability at most a (the conformal
    p-value of Vovk, Gammerman and Shafer 2005). It cannot fall below 1 / (1 + n).
    """
    n = len(history)
    return (1 + sum(past >= value for past in history)) / (1 + n), n


def same_weekday_reference(days: Mapping[date, DayState], origin: date, n: int = NIGHTS) -> tuple[date, ...]:
    """The last `n` accepted days strictly before `origin` with its weekday, oldest first; fewer if there are fewer."""
    accepted = (day for day, state in days.items() if state is DayState.ACCEPTED)
    twins = [day for day in accepted if day < origin and day.weekday() == origin.weekday()]
    return tuple(sorted(sorted(twins, reverse=True)[:n]))


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


def _missing_share(seen: Aligned) -> Score:
    definition = "|missing / rows of current - missing / rows of reference|"
    empty = _empty(*seen.rows, "rows")
    value = None if empty else abs(seen.missing[0] / seen.rows[0] - seen.missing[1] / seen.rows[1])
    return _score(Statistic.MISSING_SHARE, value, definition, seen.rows, reason=empty)


def _new_levels(seen: Aligned) -> Score:
    where = "in levels that the reference has not" if seen.at is None else "outside the reference's smallest to largest"
    definition = f"share of current values that are not missing, {where}"
    if seen.hashed:
        definition += "; a lower bound, as hashed levels may share a cell"
    empty = _empty(seen.present[0], seen.rows[1], "values that are not missing")
    value = None if empty else float(np.sum(seen.current[seen.outside]) / seen.present[0])
    return _score(Statistic.NEW_LEVELS, value, definition, seen.present, reason=empty)


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
