"""The reference of `pipeline.yaml`, from its dataclasses: fields, types, defaults, and what beside them is said."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, time
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from nightcast import spec
from nightcast.domain.families import FAMILIES
from nightcast.domain.pipeline import Pipeline

_HEAD = """# pipeline.yaml

Generated from the code by `make docs`; edit there. What a team decides about a forecast. Unknown keys are errors, with
file and line; so is what the types allow and the rules do not (`nightcast lint`). The folder's name is the pipeline's.
Editors complete and check the file by `pipeline.schema.json` beside the folders (`nightcast schema` prints it).

Beside it in the folder: `extract.sql` (unless `source.files` is given), `expectations.yaml`, `README.md`, and where
needed `calendar.sql` (day, open, known-future columns) and `freshness.sql` (is the day there?).
"""
_NOT_WRITTEN = {"name"}  # the folder's name
_ELSEWHERE = {"features": "list of features: [features.md](features.md)"}
_TYPES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    date: "date",
    time: "time of day",
    Any: "value",
}


def page() -> str:
    """The page in Markdown."""
    lines = [line for title, kind in spec.sections() for line in _section(title, kind)]
    return "\n".join([_HEAD, *lines, *_parameters()]) + "\n"


def _section(title: str, kind: type) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    yield f"\n## {title}"
    for paragraph in (inspect.getdoc(kind) or "").split("\n\n"):
        yield f"\n{' '.join(paragraph.split())}"
    yield "\n| key | type | meaning | default |\n|---|---|---|---|"
    for each in fields(kind):
        if each.name not in _NOT_WRITTEN or kind is not Pipeline:
            meaning = spec.comments_of(kind).get(each.name, "")
            shape = _ELSEWHERE.get(each.name) if kind is Pipeline else None
            yield f"| `{each.name}` | {shape or _shape(hints[each.name])} | {meaning} | {_default(each)} |"


def _parameters() -> Iterator[str]:
    """What `model.parameters` may hold, by family."""
    for family, known in FAMILIES.items():
        yield f"\n## model.parameters of {family}\n\n| parameter | value |\n|---|---|"
        yield from (f"| `{name}` | {allowed} |" for name, allowed in known.items())


def _shape(hint: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _shape(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_shape(i) for i in inner if i is not type(None))
    if origin is tuple:
        return f"list of {_shape(inner[0])}" if inner[-1] is Ellipsis else f"[{', '.join(map(_shape, inner))}]"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(f"`{word}`" for word in hint)
    if is_dataclass(hint):
        return "mapping, below"
    if origin is not None and issubclass(origin, Mapping):
        return f"mapping of {_shape(inner[0])} to {_shape(inner[1])}"
    return _TYPES[hint]


def _default(each: Field[Any]) -> str:
    if each.default is MISSING and each.default_factory is MISSING:
        return "required"
    make = each.default_factory
    value = make() if make is not MISSING else each.default
    if value is None or value in ((), {}):
        return "none"
    if is_dataclass(value):
        return "its defaults"
    if isinstance(value, time):
        return f'`"{value:%H:%M}"`'
    return f"`{list(value) if isinstance(value, tuple) else value}`"
