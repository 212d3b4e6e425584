"""`nightcast lint`: the pipelines' folders, as CI judges them."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from nightcast import checks, source, spec
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import NightcastError
from nightcast.settings import Settings

PARAMETERS = {"window_start", "window_end"}


def lint(settings: Settings, pipelines: Sequence[str]) -> None:
    """Print every problem; exit 1 where there is one."""
    good, bad = spec.load_all(settings.pipelines)
    wanted = pipelines or sorted([*good, *bad])
    problems = 0
    for name in wanted:
        found = [str(bad[name])] if name in bad else _problems(good[name]) if name in good else [f"no folder {name}"]
        problems += len(found)
        print(f"{name}: {'ok' if not found else ''}")
        for problem in found:
            print(f"  {problem}")
    if problems:
        raise typer.Exit(1)


def _problems(folder: PipelineFolder) -> list[str]:
    found: list[str] = []
    for name, text in folder.files.items():
        if name.endswith(".sql"):
            found += _sql_problems(name, text)
    try:
        checks.verify(checks.verify_columns(checks.load(folder.expectations), folder.pipeline))
    except NightcastError as error:
        found.append(str(error))
    return found


def _sql_problems(name: str, text: str) -> list[str]:
    try:
        asked = set(source.parameter_names(text))
    except NightcastError as error:
        return [f"{name}: {error}"]
    unknown, unused = asked - PARAMETERS, PARAMETERS - asked
    found = [f"{name}: asks for :{n}; known are :window_start and :window_end" for n in sorted(unknown)]
    if unused:  # a file that ignores the window would read everything every night
        found.append(f"{name}: does not use :{', :'.join(sorted(unused))}; expected both")
    return found
