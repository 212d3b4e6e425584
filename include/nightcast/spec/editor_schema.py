"""A JSON Schema of `pipeline.yaml`, for editors that complete and underline while a team types."""

from __future__ import annotations

from typing import Any

from nightcast.domain.families import FAMILIES
from nightcast.domain.features import FEATURE_KINDS
from nightcast.domain.pipeline import Pipeline
from nightcast.spec.field_comments import comments_of
from nightcast.spec.sections import sections
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
    for kind in {kind for _, kind in sections()} | set(FEATURE_KINDS.values()):
        definition = schema if kind is Pipeline else schema["$defs"][kind.__name__]
        for name, says in comments_of(kind).items():
            if says and name in definition["properties"]:
                definition["properties"][name] = {"description": says} | definition["properties"][name]
    return schema
