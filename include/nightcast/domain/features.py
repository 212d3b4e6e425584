"""Declared features: their types, and the names of the columns they make. `feature_matrix` computes them.

Windows are in calendar days up to and including the origin; means are per *open* day. Missing and closed days are
masked. Names say what a column is: `<feature>_<measure>_<window>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nightcast.domain.contract import FORBID_UNKNOWN

CALENDAR_COLUMNS = ("weekday", "horizon", "closed_before", "closed_after")


@dataclass(frozen=True, kw_only=True)
class Windowed:
    """A statistic of one measure over trailing windows.

    rolling_mean: sum / open days · rolling_max: largest day · active_share: share of open days above zero ·
    active_mean: mean over days above zero · coefficient_of_variation: population sd / mean over open days, zeros
    included · scaled_mean: rolling_mean / scale of the model.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal[
        "rolling_mean", "rolling_max", "active_share", "active_mean", "coefficient_of_variation", "scaled_mean"
    ]
    of: str
    windows: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.windows or any(not 1 <= w <= 1100 for w in self.windows):
            raise ValueError(f"windows are {list(self.windows)}; expected whole days from 1 to 1100")

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"{self.feature}_{self.of}_{w}" for w in self.windows)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Quotient of two rolling means of a measure: of the entity (mean_ratio) or of all entities (total_ratio)."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["mean_ratio", "total_ratio"]
    of: str
    windows: tuple[tuple[int, int], ...]  # (numerator, denominator)

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"{self.feature}_{self.of}_{a}_{b}" for a, b in self.windows)


@dataclass(frozen=True, kw_only=True)
class SameWeekdayMean:
    """Mean of a measure over the last n open days up to the origin that have the target date's weekday."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["same_weekday_mean"]
    of: str
    occurrences: tuple[int, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"same_weekday_mean_{self.of}_{n}" for n in self.occurrences)


@dataclass(frozen=True, kw_only=True)
class TotalWeekdayShare:
    """Mean total of the last `occurrences` open days with the target's weekday over the mean total of `window`."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["total_weekday_share"]
    of: str
    occurrences: int
    window: int

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (f"total_weekday_share_{self.of}_{self.occurrences}_{self.window}",)


@dataclass(frozen=True, kw_only=True)
class DaysSinceActive:
    """Calendar days since the entity's last day above zero; `cap` where there is none so recent."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["days_since_active"]
    of: str
    cap: int = 400

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (f"days_since_active_{self.of}",)


@dataclass(frozen=True, kw_only=True)
class Age:
    """Calendar days since the entity's first day above zero, at most `cap`."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["age"]
    of: str
    cap: int = 400

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (f"age_{self.of}",)


@dataclass(frozen=True, kw_only=True)
class OfTargetDate:
    """Columns of the target date that the engine knows: see CALENDAR_COLUMNS."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["calendar"]
    columns: tuple[Literal["weekday", "horizon", "closed_before", "closed_after"], ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.columns)


@dataclass(frozen=True, kw_only=True)
class KnownFuture:
    """Columns of the target date that `calendar.sql` delivers."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["known_future"]
    columns: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.columns)


FeatureSpec = (
    Windowed | Ratio | SameWeekdayMean | TotalWeekdayShare | DaysSinceActive | Age | OfTargetDate | KnownFuture
)
