"""The command line. Every command is a thin door to a step or to the store, and imports only what it needs."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from nightcast.cli import deciding, removing
from nightcast.cli.application import Name, Run, app, clock, day, db, explained
from nightcast.domain.night import RunMode
from nightcast.settings import from_environment

__all__ = ["app", "deciding", "removing"]  # commands register where they are written


@app.command()
def runs(
    pipeline: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    all_kinds: Annotated[bool, typer.Option("--all", help="Imports, trainings and trials too.")] = False,
) -> None:
    """List nights: state, counts, model version."""
    with explained():
        from nightcast.cli import inspecting

        inspecting.runs(from_environment(os.environ), pipeline, limit, all_kinds=all_kinds)


@app.command()
def show(run: Run) -> None:
    """One run in one screen: what happened, what readers see, pins, counts, checks, timings."""
    with explained():
        from nightcast.cli import inspecting

        inspecting.show(from_environment(os.environ), run)


@app.command()
def explain(
    pipeline: Name,
    key: Annotated[str, typer.Argument(help="The key; of several columns: a=1,b=2.")],
    target_date: Annotated[date, typer.Argument(metavar="TARGET_DATE", parser=day, help="YYYY-MM-DD")],
    origin: Annotated[
        date | None, typer.Option(metavar="DATE", parser=day, help="The forecast made then (default: the newest).")
    ] = None,
) -> None:
    """From one published prediction to its features, model, snapshot and code."""
    with explained():
        from nightcast.cli import explaining

        explaining.explain(from_environment(os.environ), pipeline, key, target_date, origin)


@app.command()
def reproduce(
    run: Run,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the model (default: all).")] = None,
    shards: Annotated[int | None, typer.Option(min=1, max=256, help="Shards (default: as declared).")] = None,
) -> None:
    """Score a run again from its snapshot and its bundle, and compare every byte."""
    with explained():
        from nightcast.cli import working

        working.reproduce(from_environment(os.environ), run, threads, shards)


@app.command("try")
def try_(
    pipeline: Name,
    origin: Annotated[date, typer.Option(metavar="DATE", parser=day, help="The night to try, YYYY-MM-DD.")],
) -> None:
    """A night with the folder as it is now that publishes nothing: checks, sample, difference to what is published."""
    with explained():
        from nightcast.cli import working

        working.try_(from_environment(os.environ), pipeline, origin, clock)


@app.command()
def night(
    pipeline: Name,
    origin: Annotated[date, typer.Option(metavar="DATE", parser=day, help="The night, YYYY-MM-DD.")],
    mode: Annotated[
        RunMode,
        typer.Option(help="known_then: as known that night, a published one ends unchanged; known_now: look anew."),
    ] = RunMode.KNOWN_THEN,
) -> None:
    """Run and publish one night in this process, without Airflow."""
    with explained():
        from nightcast.cli import working

        working.night(from_environment(os.environ), pipeline, origin, mode, clock)


@app.command()
def restate(
    pipeline: Name,
    since: Annotated[date, typer.Option(metavar="DATE", parser=day, help="First night, YYYY-MM-DD.")],
    until: Annotated[
        date | None, typer.Option(metavar="DATE", parser=day, help="Last night (default: the newest published).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the nights and what is otherwise.")] = False,
) -> None:
    """Publish nights anew whose data are others by now: restated days, days that came late, the calendar.

    Each gets a new revision as known now, with the cause; the earlier one stays queryable. Nights whose data are the
    same are left alone, also where the model or the folder is another one since: `night --mode known_now` is for those.
    """
    with explained():
        from nightcast.cli import restating

        restating.restate(from_environment(os.environ), pipeline, since, until, clock, dry_run=dry_run)


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="Name of the step, as in the DAG.")],
    run: Annotated[int, typer.Option(help="The run to work on.")],
    shard: Annotated[int, typer.Option(min=0, help="For predict.")] = 0,
) -> None:
    """Run one step of an open, stopped or failed run in this process."""
    with explained():
        from nightcast.cli import working

        working.step(from_environment(os.environ), name, run, shard, clock)


@app.command()
def seconds(run: Run) -> None:
    """Where the seconds of a night went: our steps, and Airflow beside them."""
    with explained():
        from nightcast.cli import timing

        timing.seconds(from_environment(os.environ), run, os.environ)


@app.command("import")
def import_(
    pipeline: Name,
    first: Annotated[date, typer.Option(metavar="DATE", parser=day, help="First event day, YYYY-MM-DD.")],
    last: Annotated[date, typer.Option(metavar="DATE", parser=day, help="Last event day, YYYY-MM-DD.")],
) -> None:
    """Take in the history before the first night; limits warn instead of stopping."""
    with explained():
        from nightcast.cli import working

        working.import_(from_environment(os.environ), pipeline, first, last, clock)


@app.command()
def train(
    pipeline: Name,
    through: Annotated[
        date | None,
        typer.Option(metavar="DATE", parser=day, help="Last day the model may know (default: newest accepted)."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Goes into the ledger.")] = "",
) -> None:
    """Make and register a model version in this process, without Airflow."""
    with explained():
        from nightcast.cli import working

        working.train(from_environment(os.environ), pipeline, through, reason, clock)


@app.command()
def backtest(
    pipeline: Name,
    origins: Annotated[
        str | None,
        typer.Option(metavar="DATE,DATE…", help="Origins to test at (default: the newest that have matured)."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Days between the default origins.")] = 28,
    last: Annotated[int, typer.Option(min=1, help="How many default origins.")] = 6,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Compare the `model:` of this file, which says how it differs from the folder's. Repeatable.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole report there.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the tables into the folder's README.md, and backtest.json beside it.")
    ] = False,
) -> None:
    """Measure the pipeline's recipe on its own past, beside methods that need no model.

    At each origin a model is trained on the days up to it alone and asked for the horizon; what then came is known.
    Nothing is registered or published. About half a minute per origin and model for 2,500 entities.
    """
    with explained():
        from nightcast.cli import measuring
        from nightcast.cli.text import timed
        from nightcast.steps.backtest import Asked

        days = tuple(day(text.strip()) for text in origins.split(",")) if origins else ()
        asked = Asked(pipeline=pipeline, origins=days, every=every, count=last, models=tuple(model or ()))
        measuring.backtest(from_environment(os.environ), asked, json, timed(), write=write)


@app.command()
def lint(
    pipelines: Annotated[list[str] | None, typer.Argument(help="Only these (default: all).")] = None,
) -> None:
    """Check the pipelines' folders as CI does: spec, SQL parameters, expectations."""
    with explained():
        from nightcast.cli import linting

        linting.lint(from_environment(os.environ), pipelines or [])


@app.command()
def new(name: Annotated[str, typer.Argument(metavar="NAME", help="A lower-case word: names tables and DAGs.")]) -> None:
    """Make the folder of a new pipeline, to be changed."""
    with explained():
        from nightcast.cli import starting

        starting.new(from_environment(os.environ), name)


@app.command()
def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors."""
    with explained():
        from nightcast.cli import starting

        starting.schema()


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where the pages lie, such as docs/reference.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where a page is out of date.")] = False,
) -> None:
    """Generate the reference pages from the code."""
    with explained():
        from nightcast.cli import documenting

        documenting.docs(folder, check=check)


@db.command()
def plan(pipeline: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None) -> None:
    """Show what `db apply` would do."""
    with explained():
        from nightcast.cli import database

        database.plan(from_environment(os.environ), pipeline)


@db.command()
def apply(pipeline: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None) -> None:
    """Make or extend the tables, views, comments and grants, as their owner."""
    with explained():
        from nightcast.cli import database

        database.apply(from_environment(os.environ), pipeline)
