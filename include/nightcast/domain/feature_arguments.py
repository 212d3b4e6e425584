"""Types of the arguments of features, with the limits that specs, editors and the reference read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

LONGEST_WINDOW = 1100


@dataclass(frozen=True)
class Limits:
    """What a number in a spec counts, and between which bounds it makes sense."""

    least: int
    most: int
    counts: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic, so that editors know the bounds too."""
        return {**handler(core_schema), "minimum": self.least, "maximum": self.most, "description": self.counts}


@dataclass(frozen=True)
class Says:
    """What a text in a spec stands for, and the form that it has."""

    what: str
    pattern: str | None = None

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic, so that editors know it too."""
        form = {} if self.pattern is None else {"pattern": self.pattern}
        return {**handler(core_schema), **form, "description": self.what}


MeasureName = Annotated[str, Says("a measure of the pipeline")]
FutureColumn = Annotated[str, Says("a column that calendar.columns declares")]
MonthDay = Annotated[str, Says("month and day of every year, MM-DD", "^[0-9]{2}-[0-9]{2}$")]
Window = Annotated[int, Limits(1, LONGEST_WINDOW, "calendar days up to and including the origin")]
Lag = Annotated[int, Limits(1, LONGEST_WINDOW, "open days back from the origin; 1 is the last one up to it")]
Occurrences = Annotated[int, Limits(1, 104, "open days up to the origin that have the target date's weekday")]
Centred = Annotated[int, Limits(1, 365, "calendar days with the centre in the middle, an odd number")]
Season = Annotated[int, Limits(1, LONGEST_WINDOW, "calendar days from the centre to the target date")]
Before = Annotated[
    int, Limits(1, LONGEST_WINDOW, "calendar days up to and including the day a season before the origin")
]
Cap = Annotated[int, Limits(1, 10_000, "calendar days; what is longer counts as this")]
Smoothing = Annotated[float, Limits(0, 1_000_000, "units of the measure, added above and below the line")]


def month_and_day(text: str) -> tuple[int, int] | None:
    """Month and day of `MM-DD`; None where that is not a day of every year."""
    try:
        found = date.fromisoformat(f"2001-{text}")  # a year without 29 February
    except ValueError:
        return None
    return (found.month, found.day) if f"{found:%m-%d}" == text else None
