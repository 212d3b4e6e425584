"""`nightcast explain`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from nightcast.cli.text import cell, table
from nightcast.errors import NotFound
from nightcast.settings import Settings
from nightcast.steps import explain as explain_step
from nightcast.steps import rooms as rooms_
from nightcast.steps.open_run import folder_of


def explain(settings: Settings, pipeline: str, key: str, target: date, origin: date | None) -> None:
    """Print one prediction and everything behind it."""
    rooms = rooms_.build(settings)
    found = explain_step.run(
        pipeline, _key(key, folder_of(pipeline, rooms).pipeline.source.keys), target, rooms, origin
    )
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


def _key(text: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    parts = dict(part.split("=", 1) for part in text.split(",")) if "=" in text else {names[0]: text}
    if set(parts) != set(names):
        raise NotFound(
            f"the key is {text!r}; expected values for {', '.join(names)}, as {','.join(f'{n}=…' for n in names)}"
        )
    return parts
