"""Pages of `docs/reference/` that are made from the code: `nightcast docs` writes them, a test compares them.

A page is a function without arguments that returns Markdown; to add one, add it to PAGES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nightcast.cli.references import accuracy, dags, features, pipeline_yaml, tables

PAGES: Mapping[str, Callable[[], str]] = {
    "features.md": features.page,
    "pipeline.md": pipeline_yaml.page,
    "dags.md": dags.page,
    "tables.md": tables.page,
    "accuracy.md": accuracy.page,
}


def stale(folder: Path) -> dict[str, str]:
    """The pages that are not in the folder as the code makes them, with their text."""
    made = {name: page() for name, page in PAGES.items()}
    return {name: text for name, text in made.items() if _found(folder / name) != text}


def write(folder: Path) -> dict[str, bool]:
    """Write all pages into the folder: for each, whether it changed."""
    changed = stale(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in changed.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: name in changed for name in PAGES}


def _found(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None
