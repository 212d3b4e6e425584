"""The snapshot a forecast was made from: per event day what was known, and the calendar around it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from nightcast.domain.night import DayState


@dataclass(frozen=True, kw_only=True)
class PanelDay:
    """One event day of a snapshot.

    `content` and `panel` are digests of canonical rows, independent of how files hold them; `panel_object` is the
    lake object with the day's panel rows (a month's object may hold many days). `totals` are sums over entities.
    """

    day: date
    state: DayState
    content: str | None = None
    panel: str | None = None
    panel_object: str | None = None
    totals: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class CalendarDay:
    """One day of the calendar: open or closed, with its known-future columns."""

    day: date
    open: bool
    columns: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All days from the first that is known to the origin, and the calendar up to origin + horizon."""

    pipeline: str
    origin: date
    days: tuple[PanelDay, ...]
    calendar: tuple[CalendarDay, ...]


def manifest_json(manifest: Manifest) -> str:
    """The manifest as canonical JSON (sorted keys, ISO dates); `manifest_from_json` is its inverse."""
    return canonical_json(asdict(manifest))


def manifest_from_json(text: str) -> Manifest:
    """The manifest that `manifest_json` wrote."""
    raw = json.loads(text)
    days = tuple(
        PanelDay(**d | {"day": date.fromisoformat(d["day"]), "state": DayState(d["state"])}) for d in raw["days"]
    )
    calendar = tuple(CalendarDay(**c | {"day": date.fromisoformat(c["day"])}) for c in raw["calendar"])
    return Manifest(pipeline=raw["pipeline"], origin=date.fromisoformat(raw["origin"]), days=days, calendar=calendar)


def content_digest(manifest: Manifest) -> str:
    """Digest of what a forecast can see: states and panel digests of days, and the calendar; not of files."""
    days = [(d.day, d.state, d.panel, d.totals) for d in manifest.days]
    calendar = [(c.day, c.open, c.columns) for c in manifest.calendar]
    return digest_json([manifest.pipeline, manifest.origin, days, calendar])


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; dates as ISO text; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)


def digest_json(value: Any) -> str:
    """SHA-256, in hexadecimal, of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
