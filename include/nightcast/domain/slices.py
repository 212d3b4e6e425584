"""Profiles of parts of the rows: one set for each level of a column, kept by day and added up like other profiles.

A split keeps up to `LEVELS` levels apart, beyond that as many hashed cells of them, and counts numbers in `CELLS`
cells: so it is bounded, and merging splits in whatever order gives the split of all the rows. Which levels are looked
at one by one is decided when two splits are compared, by the reference: its largest levels are slices of their own,
everything else is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nightcast.domain.profile import (
    ColumnProfile,
    Kind,
    from_json,
    hashed_cell,
    merge,
    profile_table,
    to_json,
)

LEVELS = 64  # that a split keeps apart
CELLS = 128  # for the numbers of each part: an eighth of those for the numbers of all rows
NAMED = 8  # of them that are slices of their own

Part = Mapping[str, ColumnProfile]  # column -> profile


@dataclass(frozen=True, kw_only=True)
class Split:
    """The profiles of some columns, for each level of another one. Level None holds the rows whose level is missing.

    When `hashed`, levels are cells such as `#0017`.
    """

    hashed: bool
    parts: Mapping[str | None, Part]

    @property
    def rows(self) -> dict[str | None, int]:
        """Rows of each level."""
        return {level: rows_of(part) for level, part in self.parts.items()}


def rows_of(part: Part) -> int:
    """How many rows a part has; every column counts them all."""
    profile = next(iter(part.values()), None)
    return profile.present + profile.missing if profile else 0


def split_table(levels: pa.ChunkedArray, columns: Mapping[str, tuple[Kind, pa.ChunkedArray]]) -> Split:
    """Split the rows of some columns by the text of their `levels`."""
    encoded = levels.cast(pa.string()).combine_chunks().dictionary_encode()
    names: list[str | None] = [*encoded.dictionary.to_pylist(), None]
    codes = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    ordered = {name: (kind, values.take(pa.array(order))) for name, (kind, values) in columns.items()}
    parts: dict[str | None, Part] = {}
    for level, start, end in zip(names, bounds[:-1], bounds[1:], strict=True):
        if end > start:
            parts[level] = profile_table({n: (k, v.slice(start, end - start)) for n, (k, v) in ordered.items()}, CELLS)
    return _bounded(Split(hashed=False, parts=parts))


def merge_splits(*splits: Split) -> Split:
    """The split of the rows of all of them."""
    hashed = any(s.hashed for s in splits)
    found: dict[str | None, list[Part]] = {}
    for split in splits:
        for level, part in (_hashed(split) if hashed else split).parts.items():
            found.setdefault(level, []).append(part)
    return _bounded(Split(hashed=hashed, parts={level: merge_parts(parts) for level, parts in found.items()}))


def merge_parts(parts: Sequence[Part]) -> Part:
    """The profiles of the rows of all parts, column by column; a column may be missing in some."""
    columns = dict.fromkeys(name for part in parts for name in part)
    return {name: merge(*(part[name] for part in parts if name in part), cells=CELLS) for name in columns}


def slices(column: str, current: Split, reference: Sequence[Split]) -> dict[str, tuple[Part, Part]]:
    """Current and reference profiles of each slice, by its name: the reference's `NAMED` largest levels, and the rest.

    `reference` are the splits of its days. A level that only one side has is a slice with an empty other side.
    """
    if any(s.hashed for s in (current, *reference)):
        current, reference = _hashed(current), [_hashed(s) for s in reference]
    rows: dict[str | None, int] = {}
    for split in reference:
        for level, count in split.rows.items():
            rows[level] = rows.get(level, 0) + count
    largest = sorted(rows, key=lambda level: (-rows[level], level is None, level or ""))[:NAMED]
    chosen = {slice_name(column, level): {level} for level in largest}
    rest = {level for split in (current, *reference) for level in split.parts} - set(largest)
    if rest:
        chosen[f"{column}=(other)"] = rest
    return {name: (_only([current], levels), _only(reference, levels)) for name, levels in chosen.items()}


def slice_name(column: str, level: str | None) -> str:
    """How a slice is called: `country=EIRE`, `country=(missing)`. A level that begins with a bracket is quoted."""
    if level is None:
        return f"{column}=(missing)"
    quoted = json.dumps(level, ensure_ascii=False) if level.startswith(("(", '"')) else level
    return f"{column}={quoted}"


def split_to_json(split: Split) -> dict[str, Any]:
    """A split as plain JSON values, levels rising."""
    rising = sorted(split.parts, key=lambda level: (level is None, level or ""))
    parts = [[level, {name: to_json(p) for name, p in split.parts[level].items()}] for level in rising]
    return {"hashed": split.hashed, "parts": parts}


def split_from_json(raw: Mapping[str, Any]) -> Split:
    """The split that `split_to_json` wrote."""
    parts = {level: {name: from_json(p) for name, p in part.items()} for level, part in raw["parts"]}
    return Split(hashed=raw["hashed"], parts=parts)


def _only(splits: Iterable[Split], levels: set[str | None]) -> Part:
    return merge_parts([part for split in splits for level, part in split.parts.items() if level in levels])


def _bounded(split: Split) -> Split:
    named = len(split.parts) - (None in split.parts)
    return split if named <= LEVELS else _hashed(split)


def _hashed(split: Split) -> Split:
    if split.hashed:
        return split
    cells: dict[str | None, list[Part]] = {}
    for level, part in split.parts.items():
        cells.setdefault(None if level is None else hashed_cell(level, LEVELS), []).append(part)
    return Split(hashed=True, parts={cell: merge_parts(parts) for cell, parts in cells.items()})
