"""What differs between the inputs of two runs of a night, and how to say it in one line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from nightcast.domain.manifest import Manifest, PanelDay
from nightcast.domain.night import DayState

_TOLD = 5  # days that are named; more are counted


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a forecast is made from: its snapshot, the model's version, the texts of the pipeline's folder."""

    manifest: Manifest
    model_version: int
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What the second of two inputs has otherwise. `days` says of an event day what became of it."""

    days: Mapping[date, str]
    calendar: tuple[date, ...]  # days whose calendar rows differ
    model: tuple[int, int] | None  # version then, version now
    files: tuple[str, ...]  # of the pipeline's folder

    @property
    def data(self) -> bool:
        """Whether the data are others: days or the calendar, whatever model and folder are."""
        return bool(self.days or self.calendar)

    @property
    def words(self) -> str:
        """The causes, those in the data first; "" where nothing differs."""
        kinds = dict.fromkeys(self.days.values())
        said = [f"data of {_named([d for d, what in self.days.items() if what == kind])} {kind}" for kind in kinds]
        if self.calendar:
            said.append(f"calendar of {_named(self.calendar)}")
        if self.model:
            said.append("model v{1} in the place of v{0}".format(*self.model))
        if self.files:
            said.append(f"{', '.join(self.files)} edited")
        return "; ".join(said)


def changes(then: Inputs, now: Inputs) -> Changes:
    """What `now` has otherwise than `then`."""
    both_from = max(side.manifest.calendar[0].day for side in (then, now))  # earlier ones came with their days
    before, after = ({c.day: c for c in side.manifest.calendar if c.day >= both_from} for side in (then, now))
    names = sorted(then.files.keys() | now.files.keys())
    models = (then.model_version, now.model_version)
    return Changes(
        days=changed_days(then.manifest, now.manifest),
        calendar=tuple(d for d in sorted(before.keys() | after.keys()) if before.get(d) != after.get(d)),
        model=models if models[0] != models[1] else None,
        files=tuple(n for n in names if then.files.get(n) != now.files.get(n)),
    )


def changed_days(then: Manifest, now: Manifest) -> dict[date, str]:
    """The event days of which a forecast sees something else: day -> what became of it."""
    before, after = ({d.day: d for d in side.days} for side in (then, now))
    said = {day: _became(before.get(day), after.get(day)) for day in sorted(before.keys() | after.keys())}
    return {day: what for day, what in said.items() if what}


def _became(then: PanelDay | None, now: PanelDay | None) -> str | None:
    """What became of a day; None where a forecast sees the same."""
    if then is None or now is None:
        return "no longer part of the history" if now is None else "imported since"
    if then.state is not now.state:
        return {
            DayState.ACCEPTED: "accepted since",
            DayState.MISSING: "missing now",
            DayState.CLOSED: "closed now",
        }[now.state]
    return "restated" if (then.panel, then.totals) != (now.panel, now.totals) else None


def _named(days: Collection[date]) -> str:
    named = ", ".join(d.isoformat() for d in sorted(days)[:_TOLD])
    return named + (f" and {len(days) - _TOLD} more days" if len(days) > _TOLD else "")
