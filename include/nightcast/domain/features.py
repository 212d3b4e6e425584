"""Declared features: their types, and the names of the columns they make. `feature_matrix` computes them.

Windows are in calendar days up to and including the origin; means are per *open* day. Missing and closed days are
masked. Names say what a column is: `<feature>_<measure>_<window>`. Formulas are in `feature_meanings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from nightcast.domain.contract import FORBID_UNKNOWN
from nightcast.domain.feature_arguments import (
    Before,
    Cap,
    Centred,
    FutureColumn,
    Lag,
    MeasureName,
    MonthDay,
    Occurrences,
    Season,
    Smoothing,
    Window,
)

CalendarColumn = Literal["weekday", "horizon", "closed_before", "closed_after", "day_of_year", "day_of_month"]
CALENDAR_COLUMNS: tuple[CalendarColumn, ...] = get_args(CalendarColumn)


@dataclass(frozen=True, kw_only=True)
class Windowed:
    """A statistic of one measure over trailing windows."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal[
        "rolling_mean", "rolling_max", "active_share", "active_mean", "coefficient_of_variation", "scaled_mean"
    ]
    of: MeasureName
    windows: tuple[Window, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"{self.feature}_{self.of}_{w}" for w in self.windows)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Quotient of two rolling means of a measure: of the entity (mean_ratio) or of all entities (total_ratio)."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["mean_ratio", "total_ratio"]
    of: MeasureName
    windows: tuple[tuple[Window, Window], ...]  # (numerator, denominator): recent days over more of them

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"{self.feature}_{self.of}_{a}_{b}" for a, b in self.windows)


@dataclass(frozen=True, kw_only=True)
class Lagged:
    """The value of a measure on single open days before a forecast."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["lag"]
    of: MeasureName
    lags: tuple[Lag, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"lag_{self.of}_{n}" for n in self.lags)


@dataclass(frozen=True, kw_only=True)
class WeightedMean:
    """Sum of `measure` over sum of `weight` in trailing windows: revenue per unit is a price."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["weighted_mean_of"]
    measure: MeasureName
    weight: MeasureName
    windows: tuple[Window, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"weighted_mean_of_{self.measure}_{self.weight}_{w}" for w in self.windows)


@dataclass(frozen=True, kw_only=True)
class WeightedMeanRatio:
    """Quotient of two weighted means."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["weighted_mean_ratio"]
    measure: MeasureName
    weight: MeasureName
    windows: tuple[tuple[Window, Window], ...]  # (numerator, denominator): recent days over more of them

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"weighted_mean_ratio_{self.measure}_{self.weight}_{a}_{b}" for a, b in self.windows)


@dataclass(frozen=True, kw_only=True)
class SeasonalMean:
    """Rolling mean of days centred on the day a season before the target date; 364 days keep the weekday."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["seasonal_mean"]
    of: MeasureName
    windows: tuple[Centred, ...]
    season_length: Season = 364

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"seasonal_mean_{self.of}_{self.season_length}_{w}" for w in self.windows)


@dataclass(frozen=True, kw_only=True)
class SeasonalLift:
    """What came a season ago over what was usual before it: of the entity, or of the total of all entities."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["seasonal_lift", "total_seasonal_lift"]
    of: MeasureName
    windows: tuple[tuple[Centred, Before], ...]  # (around the target date, up to the origin), both a season ago
    season_length: Season = 364
    smoothing: Smoothing = 0.0

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"{self.feature}_{self.of}_{self.season_length}_{a}_{b}" for a, b in self.windows)


@dataclass(frozen=True, kw_only=True)
class SameWeekdayMean:
    """Mean of a measure over the last n open days up to the origin that have the target date's weekday."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["same_weekday_mean"]
    of: MeasureName
    occurrences: tuple[Occurrences, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"same_weekday_mean_{self.of}_{n}" for n in self.occurrences)


@dataclass(frozen=True, kw_only=True)
class TotalWeekdayShare:
    """Mean total of the last `occurrences` open days with the target's weekday over the mean total of `window`."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["total_weekday_share"]
    of: MeasureName
    occurrences: Occurrences
    window: Window

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (f"total_weekday_share_{self.of}_{self.occurrences}_{self.window}",)


@dataclass(frozen=True, kw_only=True)
class DaysSinceActive:
    """Calendar days since the entity's last day above zero; `cap` where there is none so recent."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["days_since_active"]
    of: MeasureName
    cap: Cap = 400

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (f"days_since_active_{self.of}",)


@dataclass(frozen=True, kw_only=True)
class Age:
    """Calendar days since the entity's first day above zero, at most `cap`."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["age"]
    of: MeasureName
    cap: Cap = 400

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (f"age_{self.of}",)


@dataclass(frozen=True, kw_only=True)
class OfTargetDate:
    """Columns of the target date that the engine knows."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["calendar"]
    columns: tuple[CalendarColumn, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.columns)


@dataclass(frozen=True, kw_only=True)
class DaysToDate:
    """Calendar days from the target date to the next day with a month and day, such as 12-24."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["days_to_date"]
    dates: tuple[MonthDay, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(f"days_to_date_{text.replace('-', '_')}" for text in self.dates)


@dataclass(frozen=True, kw_only=True)
class KnownFuture:
    """Columns of the target date that `calendar.sql` delivers."""

    __pydantic_config__ = FORBID_UNKNOWN

    feature: Literal["known_future"]
    columns: tuple[FutureColumn, ...]

    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.columns)


FeatureSpec = (
    Windowed
    | Ratio
    | Lagged
    | WeightedMean
    | WeightedMeanRatio
    | SeasonalMean
    | SeasonalLift
    | SameWeekdayMean
    | TotalWeekdayShare
    | DaysSinceActive
    | Age
    | OfTargetDate
    | DaysToDate
    | KnownFuture
)
# The dataclass of each feature name, in the order of the reference.
FEATURE_KINDS: Mapping[str, type] = {
    name: kind for kind in get_args(FeatureSpec) for name in get_args(get_type_hints(kind)["feature"])
}


def arguments_of(kind: type) -> dict[str, Any]:
    """The types of a feature's arguments, with their `Limits`."""
    return {n: t for n, t in get_type_hints(kind, include_extras=True).items() if n != "feature"}


def measures_of(feature: FeatureSpec) -> Iterator[tuple[str, str]]:
    """Argument and name of each measure that a feature reads."""
    for argument in ("of", "measure", "weight"):
        if hasattr(feature, argument):
            yield argument, getattr(feature, argument)
