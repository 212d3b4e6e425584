"""A JSON Schema of `pipeline.yaml`, for editors that complete and underline while a team types."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from nightcast.domain.families import FAMILIES
from nightcast.domain.features import FEATURE_KINDS
from nightcast.domain.pipeline import Pipeline
from nightcast.spec.field_comments import comments_of
from nightcast.spec.validation import NAMED_BY_FOLDER, adapter


def json_schema() -> dict[str, Any]:
    """The schema of the file as it is written: features are mappings with one key, and the folder gives the name."""
    schema = adapter().json_schema()
    schema["properties"].pop(NAMED_BY_FOLDER)
    schema["required"].remove(NAMED_BY_FOLDER)
    for kind in set(FEATURE_KINDS.values()):
        definition = schema["$defs"][kind.__name__]
        definition["properties"].pop("feature")
        definition["required"].remove("feature")
    schema["properties"]["features"]["items"] = {
        "type": "object",
        "properties": {n: {"$ref": f"#/$defs/{k.__name__}"} for n, k in sorted(FEATURE_KINDS.items())},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    schema["$defs"]["Model"]["properties"]["family"]["enum"] = sorted(FAMILIES)
    for section, name in (("Schedule", "ready_by"), ("Source", "deadline")):
        moment = schema["$defs"][section]["properties"][name]
        del moment["format"]  # which asks for an offset, where ours is in schedule.timezone
        moment["pattern"] = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
    for kind in _kinds(Pipeline):
        definition = schema if kind is Pipeline else schema["$defs"][kind.__name__]
        for name, says in comments_of(kind).items():
            if says and name in definition["properties"]:
                definition["properties"][name] = {"description": says} | definition["properties"][name]
    return schema


def _kinds(kind: type) -> Iterator[type]:
    """A dataclass and all that its fields hold."""
    yield kind
    for hint in typing.get_type_hints(kind).values():
        yield from (inner for found in _dataclasses(hint) for inner in _kinds(found))


def _dataclasses(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    else:
        for inner in typing.get_args(hint):
            yield from _dataclasses(inner)
