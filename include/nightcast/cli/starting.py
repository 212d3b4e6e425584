"""`nightcast new` and `nightcast schema`: what a team begins with."""

from __future__ import annotations

from nightcast import spec
from nightcast.settings import Settings


def new(settings: Settings, name: str) -> None:
    """Make a pipeline's folder, and say what comes next."""
    folder = spec.new_folder(settings.pipelines, name)
    print(
        f"made {folder}: {', '.join(sorted(f.name for f in folder.iterdir()))}\n"
        f"  1. change what is marked CHANGE\n"
        f"  2. nightcast lint {name}\n"
        f"  3. nightcast db apply {name}      its tables and views; its DAGs are there with the next parse\n"
        f"  4. nightcast import {name} --first DATE --last DATE, then nightcast train {name}\n"
        f"  5. nightcast try {name} --origin DATE, then unpause {name}_inference in Airflow"
    )


def schema() -> None:
    """Print the schema for editors."""
    print(spec.schema_text(), end="")
