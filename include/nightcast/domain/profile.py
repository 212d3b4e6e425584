"""Profiles: what a column's values looked like, small enough to keep for every day and to add up afterwards.

The profile of a month is the merged profiles of its days, in whatever order and grouping: merging gives exactly what
profiling all the rows at once would have given. It is JSON-ready (`to_json`), and nothing in it depends on the
machine.

- Numbers are counted by value while there are at most `LIMIT` distinct ones, and above that by cells of
  `number_cells` at the lowest level that needs at most `LIMIT`. A profile says its level: ranks and shares of its
  cells are exact, and a value is known to 2**(level - 53) of its size. Values are float64: integers are exact up to
  2**53, a decimal is the float64 nearest to it.
- Categories are counted by level while there are at most `LIMIT` of them, else by 1 of `LIMIT` hashed cells.
- Missing values (null, None, NaN) are counted apart.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain import number_cells
from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.number_cells import Floats, Integers
from nightcast.domain.rows import unscaled

LIMIT = 1024  # distinct values, occupied cells or levels that a profile holds

Values: TypeAlias = "npt.NDArray[Any] | pa.Array | pa.ChunkedArray"


class Kind(StrEnum):
    """How the values of a column are counted."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True, kw_only=True)
class NumberProfile:
    """Counts of a numeric column: `counts[i]` values lie in `cells[i]` of `level`; cells rise.

    `minimum`, `maximum` and `total` (their exact sum) are of the finite values; None without one. Infinite values
    are in `cells`, missing ones in none.
    """

    missing: int
    level: int
    cells: tuple[int, ...]
    counts: tuple[int, ...]
    minimum: float | None
    maximum: float | None
    total: Fraction

    @property
    def present(self) -> int:
        """How many values are not missing."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean of the finite values, rounded once; None without one."""
        finite = sum(c for c, x in zip(self.counts, self.middles(), strict=True) if math.isfinite(x))
        return float(self.total / finite) if finite else None

    def middles(self) -> Floats:
        """A number for each cell: the value itself at level 0."""
        return number_cells.middles_of(np.array(self.cells, np.int64), self.level)


@dataclass(frozen=True, kw_only=True)
class CategoryProfile:
    """Counts of a categorical column by level, levels rising. When `hashed`, levels are cells such as `#0017`."""

    missing: int
    hashed: bool
    levels: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def present(self) -> int:
        """How many values are not missing."""
        return sum(self.counts)


ColumnProfile = NumberProfile | CategoryProfile


def kind_of(column: Column) -> Kind | None:
    """How a declared column is profiled. None: it names rows, entities or instants, whose values always move."""
    if column.role is Role.ATTRIBUTE:
        return Kind.CATEGORY
    if column.role is Role.MEASURE and column.type not in (ColumnType.STRING, ColumnType.DATE, ColumnType.TIMESTAMP):
        return Kind.NUMBER
    return None


def profile_column(values: Values, kind: Kind, cells: int = LIMIT) -> ColumnProfile:
    """Profile one column: any integers, floats, booleans or decimals as numbers, anything with a text as categories.

    Numbers are counted in at most so many `cells`.

    Raises:
        TypeError: values that are no numbers are to be profiled as numbers.
    """
    return _number_profile(_floats(values), cells) if kind is Kind.NUMBER else _category_profile(values)


def profile_table(columns: Mapping[str, tuple[Kind, Values]], cells: int = LIMIT) -> dict[str, ColumnProfile]:
    """Profiles by column name."""
    return {name: profile_column(values, kind, cells) for name, (kind, values) in columns.items()}


def merge(*profiles: ColumnProfile, cells: int = LIMIT) -> ColumnProfile:
    """The profile of the values of all of them, one or more, that were all made with so many `cells`.

    Raises:
        TypeError: some profiles are of numbers and some of categories.
    """
    numbers = [p for p in profiles if isinstance(p, NumberProfile)]
    categories = [p for p in profiles if isinstance(p, CategoryProfile)]
    if numbers and categories:
        raise TypeError("some profiles count numbers, others categories; expected all of a kind")
    return _merge_numbers(numbers, cells) if numbers else _merge_categories(categories)


def repeated(profile: ColumnProfile, times: int) -> ColumnProfile:
    """The profile of the values, each of them so many times, at least once."""
    counts = tuple(count * times for count in profile.counts)
    if isinstance(profile, CategoryProfile):
        return replace(profile, missing=profile.missing * times, counts=counts)
    return replace(profile, missing=profile.missing * times, counts=counts, total=profile.total * times)


def merge_all(profiles: Iterable[ColumnProfile]) -> ColumnProfile | None:
    """The profile of all the values; None when there is no profile."""
    every = list(profiles)
    return merge(*every) if every else None


def on_level(profile: NumberProfile, level: int) -> tuple[Integers, Integers]:
    """Cells and counts of a profile at a level that is not below its own."""
    cells = number_cells.coarser(np.array(profile.cells, np.int64), level - profile.level)
    return number_cells.add_up(cells, np.array(profile.counts, np.int64))


def as_hashed(profile: CategoryProfile) -> dict[str, int]:
    """Counts of a profile by hashed cell."""
    if profile.hashed:
        return dict(zip(profile.levels, profile.counts, strict=True))
    counts: Counter[str] = Counter()
    for level, count in zip(profile.levels, profile.counts, strict=True):
        counts[hashed_cell(level)] += count
    return dict(counts)


def hashed_cell(level: str, of: int = LIMIT) -> str:
    """The cell of a level, one of so many, the same on every machine and day."""
    digest = hashlib.blake2b(level.encode(), digest_size=8).digest()
    return f"#{int.from_bytes(digest, 'little') % of:04d}"


def to_json(profile: ColumnProfile) -> dict[str, Any]:
    """A profile as plain JSON values: no NaN, infinities as text, the exact sum as a fraction."""
    if isinstance(profile, CategoryProfile):
        levels = {"hashed": profile.hashed, "levels": list(profile.levels)}
        return {"kind": Kind.CATEGORY.value, "missing": profile.missing, **levels, "counts": list(profile.counts)}
    values = [x if math.isfinite(x) else str(x) for x in profile.middles().tolist()]
    return {
        "kind": Kind.NUMBER.value,
        "missing": profile.missing,
        "level": profile.level,
        **({"values": values} if profile.level == 0 else {"cells": list(profile.cells)}),
        "counts": list(profile.counts),
        "minimum": profile.minimum,
        "maximum": profile.maximum,
        "total": str(profile.total),
    }


def from_json(raw: Mapping[str, Any]) -> ColumnProfile:
    """The profile that `to_json` wrote.

    Raises:
        ValueError: the kind is not one that is known here.
    """
    if raw.get("kind") == Kind.CATEGORY:
        levels, counts = tuple(raw["levels"]), tuple(raw["counts"])
        return CategoryProfile(missing=raw["missing"], hashed=raw["hashed"], levels=levels, counts=counts)
    if raw.get("kind") != Kind.NUMBER:
        raise ValueError(f"a profile is of kind {raw.get('kind')!r}; expected {' or '.join(Kind)}")
    cells = raw["cells"] if raw["level"] else number_cells.cells_of(np.array(raw["values"], np.float64)).tolist()
    return NumberProfile(
        missing=raw["missing"],
        level=raw["level"],
        cells=tuple(cells),
        counts=tuple(raw["counts"]),
        minimum=raw["minimum"],
        maximum=raw["maximum"],
        total=Fraction(raw["total"]),
    )


def _floats(values: Values) -> Floats:
    """Values as float64, missing ones as NaN."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
        return np.asarray(values, dtype=np.float64)
    array = pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values
    if pa.types.is_decimal(array.type):  # Arrow's own cast is off by a last bit for every eighth value
        numbers = unscaled(array) / np.float64(10**array.type.scale)
        return np.where(array.is_null().to_numpy(zero_copy_only=False), np.nan, numbers)
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    if not any(is_known(array.type) for is_known in known):
        raise TypeError(f"values of type {array.type} cannot be profiled as numbers; profile them as categories")
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _number_profile(values: Floats, most: int) -> NumberProfile:
    present = values[~np.isnan(values)]
    cells, counts = np.unique(number_cells.cells_of(present), return_counts=True)
    distinct = number_cells.middles_of(cells, 0)
    finite = np.isfinite(distinct)
    total = number_cells.exact_sum(distinct[finite], counts[finite])
    level, cells, counts = number_cells.condense(cells, counts, 0, most)
    return NumberProfile(
        missing=len(values) - len(present),
        level=level,
        cells=tuple(cells.tolist()),
        counts=tuple(counts.tolist()),
        minimum=float(distinct[finite][0]) if finite.any() else None,
        maximum=float(distinct[finite][-1]) if finite.any() else None,
        total=total,
    )


def _merge_numbers(many: Sequence[NumberProfile], most: int) -> NumberProfile:
    level = max(p.level for p in many)
    cells, counts = (np.concatenate(both) for both in zip(*(on_level(p, level) for p in many), strict=True))
    order = np.argsort(cells, kind="stable")
    level, cells, counts = number_cells.condense(*number_cells.add_up(cells[order], counts[order]), level, most)
    return NumberProfile(
        missing=sum(p.missing for p in many),
        level=level,
        cells=tuple(cells.tolist()),
        counts=tuple(counts.tolist()),
        minimum=min((p.minimum for p in many if p.minimum is not None), default=None),
        maximum=max((p.maximum for p in many if p.maximum is not None), default=None),
        total=sum((p.total for p in many), Fraction(0)),
    )


def _category_profile(values: Values) -> CategoryProfile:
    array = pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), None, array)
    found = pc.value_counts(array.cast(pa.string()).drop_null())
    counts = dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))
    return _of_levels(counts, len(array) - sum(counts.values()))


def _merge_categories(many: Sequence[CategoryProfile]) -> CategoryProfile:
    hashed = any(p.hashed for p in many)
    counts: Counter[str] = Counter()
    for profile in many:
        counts.update(as_hashed(profile) if hashed else dict(zip(profile.levels, profile.counts, strict=True)))
    return _of_levels(counts, sum(p.missing for p in many), hashed=hashed)


def _of_levels(counts: Mapping[str, int], missing: int, *, hashed: bool = False) -> CategoryProfile:
    rising = sorted(counts)
    profile = CategoryProfile(
        missing=missing, hashed=hashed, levels=tuple(rising), counts=tuple(counts[x] for x in rising)
    )
    return profile if hashed or len(rising) <= LIMIT else _of_levels(as_hashed(profile), missing, hashed=True)
