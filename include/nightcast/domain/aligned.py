"""Two profiles of a column, side by side: on the same cells or levels, and sorted into the bins that shares are of.

Numbers are put on the coarser level of the two profiles. Their bins are quantile bins of the reference, so that each
holds about a tenth of it, whatever the values are; equal edges are merged. What the reference does not reach (below
it, above it, levels that it has not) and missing values have bins of their own, so they can neither stretch the other
bins nor vanish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nightcast.domain import number_cells
from nightcast.domain.distances import Floats, Integers
from nightcast.domain.profile import CategoryProfile, ColumnProfile, NumberProfile, as_hashed, on_level

QUANTILE_BINS = 10

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """Two profiles on the same cells, and the bins that shares are compared in.

    `current` and `reference` count values that are not missing. `bin_of` gives each cell its bin; `outside` marks the
    cells that the reference does not reach, `gone` those that the current side does not reach. `at` are the cells'
    numbers, None for categories; `levels` their names, empty for numbers.
    """

    current: Integers
    reference: Integers
    missing: tuple[int, int]
    bin_of: Integers
    outside: Flags
    gone: Flags
    at: Floats | None
    levels: tuple[str, ...]
    hashed: bool
    bins_text: str

    @property
    def rows(self) -> tuple[int, int]:
        """Values with missing ones: current, reference."""
        return self.present[0] + self.missing[0], self.present[1] + self.missing[1]

    @property
    def present(self) -> tuple[int, int]:
        """Values without missing ones: current, reference."""
        return int(np.sum(self.current)), int(np.sum(self.reference))

    def by_level(self) -> tuple[Integers, Integers]:
        """Counts of each cell, and of missing values as the last one, both over all rows."""
        sides = (self.current, self.missing[0]), (self.reference, self.missing[1])
        current, reference = (np.append(counts, missing) for counts, missing in sides)
        return current, reference

    def shares(self) -> tuple[Floats, Floats]:
        """Share of each bin among all values, the last bin being the missing ones; bins that are empty left out."""
        last = int(np.max(self.bin_of, initial=-1)) + 1
        both = []
        for counts, missing in zip((self.current, self.reference), self.missing, strict=True):
            binned = np.zeros(last + 1, np.int64)
            np.add.at(binned, self.bin_of, counts)
            binned[last] = missing
            both.append(binned / np.float64(np.sum(counts) + missing))
        used = (both[0] > 0) | (both[1] > 0)
        return both[0][used], both[1][used]


def align(current: ColumnProfile, reference: ColumnProfile) -> Aligned:
    """Put two profiles side by side.

    Raises:
        TypeError: one profile counts numbers, the other categories.
    """
    if isinstance(current, NumberProfile) and isinstance(reference, NumberProfile):
        return _align_numbers(current, reference)
    if isinstance(current, CategoryProfile) and isinstance(reference, CategoryProfile):
        return _align_categories(current, reference)
    raise TypeError("one profile counts numbers, the other categories; expected two of a kind")


def _align_numbers(current: NumberProfile, reference: NumberProfile) -> Aligned:
    level = max(current.level, reference.level)
    sides = [on_level(current, level), on_level(reference, level)]
    cells = np.union1d(sides[0][0], sides[1][0])
    counts = [np.zeros(len(cells), np.int64) for _ in sides]
    for side, (found, number) in zip(counts, sides, strict=True):
        side[np.searchsorted(cells, found)] = number
    outside = _out_of_reach(counts[1])
    return Aligned(
        current=counts[0],
        reference=counts[1],
        missing=(current.missing, reference.missing),
        bin_of=_quantile_bins(counts[1], outside),
        outside=outside,
        gone=_out_of_reach(counts[0]),
        at=number_cells.middles_of(cells, level),
        levels=(),
        hashed=False,
        bins_text=f"{QUANTILE_BINS} quantile bins of the reference (equal edges merged), below it, above it, missing",
    )


def _out_of_reach(counts: Integers) -> Flags:
    """The cells below the smallest and above the largest number that was counted; all where none was."""
    some = np.cumsum(counts)
    place: Flags = (some == 0) | (np.r_[0, some[:-1]] == (some[-1] if len(some) else 0))
    return place


def _quantile_bins(reference: Integers, outside: Flags) -> Integers:
    """The bin of each cell: 0 below the reference, then its quantile bins, each up to and with its edge, then above."""
    running = np.cumsum(reference)
    total = int(running[-1]) if len(running) else 0
    wanted = np.arange(1, QUANTILE_BINS) * total
    edges = np.unique(np.searchsorted(running * QUANTILE_BINS, wanted))
    inner = 1 + np.searchsorted(edges, np.arange(len(reference)))
    return np.where(outside, np.where(running > 0, QUANTILE_BINS + 1, 0), inner).astype(np.int64)


def _align_categories(current: CategoryProfile, reference: CategoryProfile) -> Aligned:
    hashed = current.hashed or reference.hashed
    sides = [as_hashed(p) if hashed else dict(zip(p.levels, p.counts, strict=True)) for p in (current, reference)]
    levels = sorted(sides[0].keys() | sides[1].keys())
    counts = [np.array([side.get(level, 0) for level in levels], np.int64) for side in sides]
    new = counts[1] == 0
    kind = "hashed level" if hashed else "level"
    return Aligned(
        current=counts[0],
        reference=counts[1],
        missing=(current.missing, reference.missing),
        bin_of=np.where(new, 0, np.cumsum(~new)).astype(np.int64),
        outside=new,
        gone=counts[0] == 0,
        at=None,
        levels=tuple(levels),
        hashed=hashed,
        bins_text=f"each {kind} of the reference, all levels that it has not, missing",
    )
