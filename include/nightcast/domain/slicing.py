"""Parts of the entities in which accuracy is measured on its own, by what was known of them at the origin."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightcast.domain.monitoring import MOST_KEY_VALUES, AccuracySlices

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def slices(entities: pa.Table, declared: AccuracySlices) -> dict[str, Flags]:
    """The name of each slice, with a flag per row of `entities`: key columns and the numbers that decide.

    An entity whose number is NaN is in no slice of that division. A slice without entities is left out.
    """
    found: dict[str, Flags] = {}
    if declared.active_share:
        column = declared.active_share.column
        found |= _intervals(column, entities[column].to_numpy(), declared.active_share.edges)
    if declared.level:
        found |= _parts(declared.level.column, entities[declared.level.column].to_numpy(), declared.level.parts)
    for key in declared.keys:
        found |= _values(key, entities[key].to_pylist())
    return {name: flags for name, flags in found.items() if flags.any()}


def _intervals(name: str, values: Floats, edges: Sequence[float]) -> Mapping[str, Flags]:
    place = np.searchsorted(edges, values, side="right")
    bounds = ["0", *(f"{e:g}" for e in edges), "1"]
    known = ~np.isnan(values)
    return {
        f"{name} [{low}, {high}{')' if at < len(edges) else ']'}": known & (place == at)
        for at, (low, high) in enumerate(itertools.pairwise(bounds))
    }


def _parts(name: str, values: Floats, parts: int) -> Mapping[str, Flags]:
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    first = np.searchsorted(ordered, values)  # entities that are lower: equal values have the same
    place = np.minimum(first * parts // max(len(ordered), 1), parts - 1)
    return {f"{name} {at + 1} of {parts}": known & (place == at) for at in range(parts)}


def _values(key: str, values: Sequence[Any]) -> Mapping[str, Flags]:
    counted = sorted(Counter(values).items(), key=lambda item: (-item[1], str(item[0])))
    shown = [value for value, _ in counted[:MOST_KEY_VALUES]]
    found = {f"{key}={value}": np.array([v == value for v in values], np.bool_) for value in shown}
    rest = ~np.logical_or.reduce([*found.values(), np.zeros(len(values), np.bool_)])
    return {**found, f"{key}=(other)": rest}
