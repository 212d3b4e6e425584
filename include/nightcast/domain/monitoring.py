"""What the monitors look at beside the whole of a night, as a team declares it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nightcast.domain.contract import FORBID_UNKNOWN

MOST_KEY_VALUES = 20  # of a key column that have a slice each; the others share one


@dataclass(frozen=True, kw_only=True)
class ActiveShareSlices:
    """Entities by the share of open days on which their target was above zero, over `window` days up to the origin.

    `edges` divide 0 to 1: a slice has its lower edge and not its upper one, the last one has both.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    window: int = 91  # days up to the origin
    edges: tuple[float, ...] = (0.2, 0.5, 0.9)  # rising, between 0 and 1

    def __post_init__(self) -> None:
        if list(self.edges) != sorted(set(self.edges)) or not all(0 < e < 1 for e in self.edges):
            raise ValueError(f"edges are {list(self.edges)}; expected rising shares between 0 and 1")

    @property
    def column(self) -> str:
        """Name of the number that decides."""
        return f"active_share_{self.window}"


@dataclass(frozen=True, kw_only=True)
class LevelSlices:
    """Entities in `parts` of equal number by the mean of their target on open days.

    The mean is over `window` days up to the origin. Part 1 is the lowest; equal means are in one part.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    window: int = 91  # days up to the origin
    parts: int = 3  # of equal number

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

    active_share: ActiveShareSlices | None = field(default_factory=ActiveShareSlices)  # null: none
    level: LevelSlices | None = None  # null: none
    keys: tuple[str, ...] = ()  # key columns


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Parts of a night that are watched on their own.

    `slices` are columns of the source with role attribute: the levels of each split the rows, and drift is measured
    in its largest levels and in the rest of them together. `accuracy_slices` divide the entities by what was known of
    them at the origin.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    slices: tuple[str, ...] = ()  # attribute columns, for drift
    accuracy_slices: AccuracySlices = field(default_factory=AccuracySlices)  # of the entities, for accuracy
