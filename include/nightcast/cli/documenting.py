"""`nightcast docs`: the reference pages, made from the code."""

from __future__ import annotations

from pathlib import Path

import typer

from nightcast.cli import references


def docs(folder: Path, *, check: bool) -> None:
    """Write the pages; or, to check, say which are out of date and exit 1."""
    if check:
        old = references.stale(folder)
        for name in old:
            print(f"{folder / name}: is out of date; run `nightcast docs {folder}`")
        if old:
            raise typer.Exit(1)
        print(f"{folder}: {len(references.PAGES)} up to date")
        return
    for name, changed in references.write(folder).items():
        print(f"{folder / name}: {'written' if changed else 'unchanged'}")
