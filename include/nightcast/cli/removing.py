"""Commands that remove on purpose: erase, expire."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from nightcast.cli.application import Name, app, clock, explained
from nightcast.cli.deciding import Dry, Who, Why
from nightcast.errors import NotFound
from nightcast.settings import from_environment

if TYPE_CHECKING:
    from nightcast.domain.contract import Column
    from nightcast.domain.pipeline import Source
    from nightcast.steps.erase import Erasure

STDIN = "-"
LEFT = "not looked at: Airflow's logs, backups, and the source: whom it still has comes back with its day"


@app.command()
def erase(
    pipeline: Name,
    reason: Why,
    entity: Annotated[
        str | None, typer.Option(metavar="KEY", help="All of an entity; of several key columns: a=1,b=2.")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="COLUMN=VALUE", help="Rows of whom an identifier names.")] = None,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Erase somebody from lake, tables and messages; a record without a name stays. Cannot be undone.

    A name may be -, and is then read from standard input. The reason must not hold it.
    """
    with explained():
        from nightcast.domain.decision import Asked
        from nightcast.steps import erase as step
        from nightcast.steps import rooms
        from nightcast.steps.open_run import folder_of

        asked = Asked(who=who or getpass.getuser(), reason=reason, dry_run=dry_run)
        built = rooms.build(from_environment(os.environ))
        named = _named(folder_of(pipeline, built).pipeline.source, entity, where)
        _tell(step.run(pipeline, named, asked, built), dry_run=dry_run)


@app.command()
def expire(
    pipelines: Annotated[list[str] | None, typer.Argument(help="Only these (default: all).")] = None,
    who: Who = "",
    dry_run: Dry = False,
) -> None:
    """Delete what is older than the pipelines' `retention`. Cannot be undone."""
    with explained():
        from nightcast.steps import expire as step
        from nightcast.steps import rooms

        built = rooms.build(from_environment(os.environ))
        folders = built.settings.pipelines.iterdir()
        for name in pipelines or sorted(f.name for f in folders if (f / "pipeline.yaml").is_file()):
            found = step.run(name, who or getpass.getuser(), built, clock, dry_run=dry_run)
            before = {"rows": found.rows_before, "predictions": found.predictions_before}
            told = ", ".join(f"{what} before {day}" if day else f"no {what}" for what, day in before.items())
            counts = ", ".join(f"{what} {count:,}" for what, count in found.counts.items() if count) or "nothing"
            print(f"{name}: {'would delete' if dry_run else 'deleted'} {told}: {counts}")


def _tell(found: Erasure, *, dry_run: bool) -> None:
    """Print what was removed, without the name."""
    if found.is_empty:
        print(f"nothing of them is in {found.pipeline}")
        return
    counts = ", ".join(f"{name} {count:,}" for name, count in found.counts.items() if count)
    print(f"{'would be erased' if dry_run else 'erased'} from {found.pipeline}: {counts}{_span(found.days)}")
    if found.runs:
        print(f"runs that can no longer be reproduced: {_few(found.runs)}")
    if found.models:
        print(f"model versions that learned from it: {_few(found.models)}. Train a new one where that matters")
    print(LEFT)


def _named(source: Source, entity: str | None, where: str | None) -> Mapping[str, str | int]:
    from nightcast.cli.explaining import key_of

    if (entity is None) == (where is None):
        raise NotFound("nobody is named, or twice; expected either --entity KEY or --where COLUMN=VALUE")
    return _condition(where or "", source.stored) if entity is None else key_of(_given(entity), source)


def _condition(text: str, stored: Mapping[str, Column]) -> dict[str, str | int]:
    name, equal, value = text.partition("=")
    if not equal:
        raise NotFound(f"found {name!r}; expected COLUMN=VALUE, or COLUMN=- to read the value from standard input")
    from nightcast.cli.explaining import typed

    value = _given(value)
    return {name: typed(name, value, stored[name].type) if name in stored else value}


def _given(value: str) -> str:
    """A name; from standard input where it is not to be in the shell's history and in the list of processes."""
    return sys.stdin.readline().rstrip("\n") if value == STDIN else value


def _span(days: Sequence[date]) -> str:
    return f" ({len(days)} days, {days[0]} to {days[-1]})" if days else ""


def _few(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")
