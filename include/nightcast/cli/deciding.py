"""Commands with which a person decides: what is printed is what was done, and the ledger keeps who and why."""

from __future__ import annotations

import getpass
import importlib
import os
from datetime import date
from typing import Annotated, Any

import typer

from nightcast.cli.application import Name, Run, app, clock, day, explained, quarantine
from nightcast.settings import from_environment

Why = Annotated[str, typer.Option(metavar="TEXT", help="Why; the ledger keeps it.")]
Who = Annotated[
    str, typer.Option(metavar="NAME", envvar="NIGHTCAST_WHO", help="Who decides (default: the user of this machine).")
]
First = Annotated[date, typer.Option(metavar="DATE", parser=day, help="First event day, YYYY-MM-DD.")]
Last = Annotated[
    date | None, typer.Option(metavar="DATE", parser=day, help="Last event day (default: the first one alone).")
]
Check = Annotated[str | None, typer.Option(metavar="CHECK", help="Only rows that failed this check.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")]


@app.command()
def waive(
    run: Run,
    check: Annotated[
        str, typer.Argument(metavar="CHECK", help="Id of the check that stops it, from `nightcast show`.")
    ],
    reason: Why,
    day_: Annotated[
        date | None,
        typer.Option(
            "--day", metavar="DATE", parser=day, help="An earlier day that the run judged (default: its own)."
        ),
    ] = None,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Let a stopped night go on past one check, in this run only."""
    _decide("waive", reason, who, run_id=run, check_id=check, day=day_, dry_run=dry_run)


@app.command()
def withdraw(
    run: Run,
    reason: Why,
    restore_previous: Annotated[
        bool, typer.Option("--restore-previous", help="Show the night's revision before again.")
    ] = False,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Take a published night from readers, at once; its rows stay, and `…_as_of` tells what readers saw."""
    _decide("withdraw", reason, who, run_id=run, restore_previous=restore_previous, dry_run=dry_run)


@app.command("accept-level")
def accept_level(
    pipeline: Name,
    since: Annotated[date, typer.Option(metavar="DATE", parser=day, help="First day of the new level, YYYY-MM-DD.")],
    reason: Why,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Make a true change of level the new normal: trailing checks compare with days from then on only."""
    _decide("accept_level", reason, who, pipeline=pipeline, since=since, dry_run=dry_run)


@quarantine.command("list")
def list_(
    pipeline: Name,
    first: Annotated[date | None, typer.Option(metavar="DATE", parser=day, help="From this event day on.")] = None,
    last: Annotated[date | None, typer.Option(metavar="DATE", parser=day, help="Up to this event day.")] = None,
    run: Annotated[int | None, typer.Option(metavar="RUN", help="Only what this run set aside.")] = None,
    check: Check = None,
    rows: Annotated[int, typer.Option(min=0, help="How many rows to print, after the counts.")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="Also rows that were discarded.")] = False,
) -> None:
    """Count the rows that are set aside, by check and by day; and print some of them."""
    with explained():
        from nightcast.cli import inspecting
        from nightcast.store.quarantine import Wanted

        wanted = Wanted(pipeline=pipeline, first=first, last=last, run_id=run, check_id=check, discarded=all_)
        inspecting.quarantine(from_environment(os.environ), wanted, rows)


@quarantine.command()
def replay(
    pipeline: Name,
    first: First,
    reason: Why,
    last: Last = None,
    check: Check = None,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Judge kept rows by the rules as the folder has them now; later nights use what comes out."""
    _decide("replay", reason, who, pipeline=pipeline, first=first, last=last, check_id=check, dry_run=dry_run)


@quarantine.command()
def discard(
    pipeline: Name,
    first: First,
    reason: Why,
    last: Last = None,
    check: Check = None,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Mark rows that are set aside as dealt with: somebody looked, and they are not wanted."""
    _decide("discard", reason, who, pipeline=pipeline, first=first, last=last, check_id=check, dry_run=dry_run)


@app.command()
def undo(
    decision: Annotated[int, typer.Argument(metavar="DECISION", help="Its number, from `nightcast decisions`.")],
    reason: Why,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Take back an earlier decision; the ledger keeps both."""
    _decide("undo", reason, who, decision_id=decision, dry_run=dry_run)


@app.command()
def decisions(
    pipeline: Name,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
) -> None:
    """List what people decided about a pipeline's nights: what, who, when, why, and what was undone."""
    with explained():
        from nightcast.cli import inspecting

        inspecting.decisions(from_environment(os.environ), pipeline, limit)


def _decide(step: str, reason: str, who: str, *, dry_run: bool, **about: Any) -> None:
    with explained():
        from nightcast.domain.decision import Asked
        from nightcast.steps import rooms

        asked = Asked(who=who or getpass.getuser(), reason=reason, dry_run=dry_run)
        built = rooms.build(from_environment(os.environ))
        outcome = importlib.import_module(f"nightcast.steps.{step}").run(asked, built, clock, **about)
        print(outcome.text)
        if outcome.decision is not None and not dry_run:
            print(f"decision {outcome.decision}, by {asked.who}")
