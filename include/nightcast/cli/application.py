"""What the commands of the command line share: the application, arguments, and how an error is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from nightcast.errors import NightcastError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Nightcast: what ran, why it stopped, and the same steps by hand.",
)
db = typer.Typer(no_args_is_help=True, help="The tables of Nightcast and of its pipelines.")
app.add_typer(db, name="db")
quarantine = typer.Typer(no_args_is_help=True, help="Rows that were set aside: look at them, and deal with them.")
app.add_typer(quarantine, name="quarantine")


def day(text: str) -> date:
    """A day that was typed; for the `parser` of an option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; expected YYYY-MM-DD") from None


Name = Annotated[str, typer.Argument(metavar="PIPELINE", help="Name of the pipeline's folder.")]
Run = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run, from `nightcast runs`.")]


@contextmanager
def explained() -> Iterator[None]:
    """An error of ours is one message and its runbook; anything else is a defect and keeps its traceback."""
    try:
        yield
    except NightcastError as error:
        told = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        print("\n".join([*told, f"Runbook: docs/runbooks/{error.runbook}"]), file=sys.stderr)
        raise typer.Exit(1) from error


def clock() -> datetime:
    """The clock that steps are given: aware, in UTC."""
    return datetime.now(UTC)
