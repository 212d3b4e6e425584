"""`nightcast restate`: which published nights have other data by now, and their new revisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import typer

from nightcast.cli.text import table, timed
from nightcast.settings import Settings
from nightcast.steps import restate as restate_step
from nightcast.steps import rooms as rooms_
from nightcast.steps.restate import Restated
from nightcast.steps.rooms import Clock


def restate(settings: Settings, pipeline: str, since: date, until: date | None, clock: Clock, *, dry_run: bool) -> None:
    """Print the nights that are affected and, unless it is a dry run, how each ended; exit 1 where one was stopped."""
    rooms = rooms_.build(settings)
    found = restate_step.plan(pipeline, since, until, rooms)
    affected = [each for each in found if each.changes.data]
    print(_nights(affected))
    many = f"{len(affected)} of {len(found)} published nights from {since} to {until or 'the newest'}"
    print(f"{many} have other data now" + ("; nothing was changed" if dry_run and affected else ""))
    if dry_run or not affected:
        return
    ended = list(restate_step.run(affected, rooms, clock, timed()))
    rows = [[e["origin"], e["state"], e.get("revision"), e.get("why") or e.get("reason")] for e in ended]
    print("\n" + table(["night", "state", "revision", "because"], rows))
    if any(e["state"] == "stopped" for e in ended):
        raise typer.Exit(1)


def _nights(affected: Sequence[Restated]) -> str:
    rows = [[a.shown.origin, str(a.shown.run_id), a.shown.revision, a.changes.words] for a in affected]
    return table(["night", "run", "revision", "what is otherwise now"], rows)
