"""Parts of the entities in which accuracy is measured on its own, by what was known of them at the origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightcast.domain.contract import FORBID_UNKNOWN

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOST_KEY_VALUES = 20  # of a key column that have a slice each; the others share one
MOST_PARTS = 10


@dataclass(frozen=True, kw_only=True)
class ActiveShareSlices:
    """Entities by the share of open days on which their target was above zero, over `window` days up to the origin.

    `edges` divide 0 to 1: a slice has its lower edge and not its upper one, the last one has both.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    window: int = 91
    edges: tuple[float, ...] = (0.2, 0.5, 0.9)

    def __post_init__(self) -> None:
        if list(self.edges) != sorted(set(self.edges)) or not all(0 < e < 1 for e in self.edges):
            raise ValueError(f"edges are {list(self.edges)}; expected rising shares between 0 and 1")

    @property
    def column(self) -> str:
        """Name of the number that decides."""
        return f"active_share_{self.window}"


@dataclass(frozen=True, kw_only=True)
class LevelSlices:
    """Entities in `parts` of equal number by the mean of their target on open days, over `window` days up to the origin.

    Part 1 is the lowest. Equal means are in one part.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    window: int = 91
    parts: int = 3

    @property
    def column(self) -> str:
        """Name of the number that decides."""
        return f"level_{self.window}"


@dataclass(frozen=True, kw_only=True)
class AccuracySlices:
    """How entities are divided for accuracy: each division gives one set of slices, none is crossed with another.

    `keys` are key columns: a slice for each of the 20 values with the most entities, and one for all others.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    active_share: ActiveShareSlices | None = ActiveShareSlices()
    level: LevelSlices | None = None
    keys: tuple[str, ...] = ()


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
        for at, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False))
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
    found = {f"{key} = {value}": np.array([v == value for v in values], np.bool_) for value in shown}
    rest = ~np.logical_or.reduce([*found.values(), np.zeros(len(values), np.bool_)])
    return {**found, f"{key}: all others": rest}
