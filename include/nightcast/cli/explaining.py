"""`nightcast explain`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from nightcast.cli.text import cell, table
from nightcast.domain.contract import ColumnType
from nightcast.domain.pipeline import Source
from nightcast.errors import NotFound
from nightcast.settings import Settings
from nightcast.steps import explain as explain_step
from nightcast.steps import rooms as rooms_
from nightcast.steps.open_run import folder_of


def explain(settings: Settings, pipeline: str, key: str, target: date, origin: date | None) -> None:
    """Print one prediction and everything behind it."""
    rooms = rooms_.build(settings)
    found = explain_step.run(pipeline, key_of(key, folder_of(pipeline, rooms).pipeline.source), target, rooms, origin)
    run, model = found.run, found.model
    values = ", ".join(f"{k} {cell(v)}" for k, v in found.prediction.items() if isinstance(v, float))
    print(f"{pipeline} {key} on {target}: {values}")
    print(f"made from {run.origin} by run {run.run_id}, revision {found.revision}")
    print(f"\nmodel:     v{model.version}, trained through {model.trained_through}, bundle {model.bundle_digest}")
    print(f"           with {', '.join(f'{k} {v}' for k, v in found.trained_with.items())}")
    print(f"snapshot:  {run.manifest_digest}\nspec:      {run.spec_digest}\ncode:      {run.code_commit}")
    print(f"scale:     {found.scale:g} (level of the key at the origin)")
    print("\nlast days: " + ", ".join(f"{day:%m-%d} {value}" for day, value in found.recent.items()))
    print("\n" + table(["feature", "value"], [[name, value] for name, value in found.features.items()]))


def key_of(text: str, source: Source) -> Mapping[str, str | int]:
    """The values of the key columns: `a=1,b=2`, or of an only one `1`. Values may hold commas and equal signs."""
    names = source.keys
    named = list(re.finditer(rf"(?:^|,)({'|'.join(names)})=", text))
    ends = [*(f.start() for f in named), len(text)][1:]
    parts = {f[1]: text[f.end() : end] for f, end in zip(named, ends, strict=False)}
    if not named and len(names) == 1 and "=" not in text:
        parts = {names[0]: text}
    if set(parts) != set(names) or len(named) > len(names) or (named and named[0].start() > 0):
        raise NotFound(
            f"the key is {text!r}; expected values for {', '.join(names)}, as {','.join(f'{n}=…' for n in names)}"
        )
    return {name: typed(name, parts[name], source.columns[name].type) for name in names}


def typed(name: str, value: str, kind: ColumnType) -> str | int:
    """A value of a column as it is stored."""
    if kind is not ColumnType.INTEGER:
        return value
    if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        raise NotFound(f"the key's {name} is {value!r}; expected an integer, as the column is")
    return int(value)
