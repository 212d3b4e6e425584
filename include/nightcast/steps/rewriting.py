"""Panels without somebody, and all that refers to them: snapshots, what steps handed on, what is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain.manifest import PanelDay, manifest_json
from nightcast.domain.panel import panel_digest, totals
from nightcast.steps.rooms import Rooms
from nightcast.steps.snapshot import load_manifest
from nightcast.store import removals
from nightcast.store.connect import Connection


class Work(Protocol):
    """What rewriting needs: where things are, where new ones go, and a note of what they replace."""

    rooms: Rooms
    doomed: set[str]

    def keep(self, table: pa.Table, /) -> str:
        """Keep a table; its name."""

    def keep_text(self, text: str, /) -> str:
        """Keep a text; its name."""


@dataclass(kw_only=True)
class Rewritten:
    """Old objects and digests with their successors; `days` has the new panel digest and totals by old object, day."""

    objects: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    days: dict[tuple[str, date], tuple[str, dict[str, int]]] = field(default_factory=dict)
    removed: int = 0


def rewrite_panels(
    tx: Connection, pipeline: str, without: Callable[[pa.Table], pa.Table | None], work: Work
) -> Rewritten:
    """Keep every panel object anew in which `without` leaves something out; each may hold many days."""
    made, days = Rewritten(), dict[str, dict[date, str]]()
    for found in removals.revisions(tx, pipeline):
        if found["panel_object"]:
            days.setdefault(found["panel_object"], {})[found["event_day"]] = found["panel_digest"]
    for old, digests in sorted(days.items()):
        table = work.rooms.lake.get_table(old)
        kept = without(table)
        if kept is None:
            continue
        new = made.objects[old] = work.keep(kept)
        made.removed += table.num_rows - kept.num_rows
        for day, before in digests.items():
            of_day = kept.filter(pc.equal(kept["day"], pa.scalar(day, pa.date32())))
            digest, sums = panel_digest(of_day), totals(of_day)
            made.days[old, day] = digest, sums
            removals.set_panel(tx, pipeline, day, old, new, digest, sums)
            removals.set_recorded(tx, pipeline, day, before, digest)
    work.doomed |= set(made.objects)
    return made


def rewrite_snapshots(
    tx: Connection, pipeline: str, panels: Rewritten, raw: Rewritten, work: Work
) -> tuple[set[int], dict[str, str]]:
    """Keep the manifests anew that refer to panels that were replaced: the runs that have them; old -> new digest."""
    successors, by_run = dict[str, str](), removals.snapshots(tx, pipeline)
    for digest in sorted(set(by_run.values())):
        manifest = load_manifest(work.rooms.lake, digest)
        days = tuple(_panel_day(day, panels, raw) for day in manifest.days)
        if days != manifest.days:
            text = manifest_json(replace(manifest, days=days))
            successors[digest] = work.keep_text(text)
            removals.set_snapshot(tx, pipeline, digest, successors[digest])
    touched = {run for run, digest in by_run.items() if digest in successors}
    work.doomed |= set(successors)
    return touched, successors


def rewrite_results(tx: Connection, pipeline: str, successors: Mapping[str, str]) -> None:
    """In what steps handed on, name the successors of what was replaced: a run that is cleared goes on from there."""
    if not successors:
        return
    old = re.compile("|".join(map(re.escape, successors)))
    for found in removals.results(tx, pipeline):
        text = old.sub(lambda match: successors[match[0]], found["result"])
        if text != found["result"]:
            removals.set_result(tx, {**found, "result": text})


def _panel_day(day: PanelDay, panels: Rewritten, raw: Rewritten) -> PanelDay:
    new = panels.days.get((day.panel_object or "", day.day))
    if new is None:
        return day
    about: dict[str, Any] = {"panel_object": panels.objects[day.panel_object or ""], "panel": new[0], "totals": new[1]}
    return replace(day, content=raw.digests.get(day.content or "", day.content), **about)
