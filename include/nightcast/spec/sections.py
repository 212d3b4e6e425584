"""The mappings that a `pipeline.yaml` consists of, with the dataclass of each."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from nightcast.domain.pipeline import Pipeline

WHOLE = "pipeline.yaml"
_ENTRIES = "features"  # a list whose entries are declared apart: domain.features


def sections() -> list[tuple[str, type]]:
    """Every mapping of the file with its path, in the order in which it is written; entries of `features` left out."""
    return list(_within(WHOLE, Pipeline))


def _within(path: str, kind: type) -> Iterator[tuple[str, type]]:
    yield path, kind
    hints = get_type_hints(kind, include_extras=True)
    for each in fields(kind):
        if each.name != _ENTRIES:
            for inner, suffix in _dataclasses(hints[each.name]):
                yield from _within(f"{path}.{each.name}{suffix}".removeprefix(f"{WHOLE}."), inner)


def _dataclasses(hint: Any) -> Iterator[tuple[type, str]]:
    """The dataclasses in a type; those that a mapping holds lie below a name of the team's."""
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint, ""
    elif get_origin(hint) in (Union, types.UnionType):
        for inner in get_args(hint):
            yield from _dataclasses(inner)
    elif get_args(hint) and get_origin(hint) is not Annotated:
        for inner, _ in _dataclasses(get_args(hint)[-1]):
            yield inner, ".NAME"
