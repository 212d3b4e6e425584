"""`pipeline.yaml` into a `Pipeline`: pydantic checks types, this module says where and what was expected."""

from __future__ import annotations

import functools
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from nightcast.domain.features import FEATURE_KINDS, FeatureSpec
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.team_file import Path, TeamFile, one_of, shown, unknown
from nightcast.errors import SpecError
from nightcast.spec.reading import read_yaml

NAMED_BY_FOLDER = "name"
_EXPECTED = {  # pydantic's error type -> what was expected, in our words
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "date_type": "a date such as 2011-10-24",
    "date_parsing": "a date such as 2011-10-24",
    "date_from_datetime_parsing": "a date such as 2011-10-24",
    "time_type": 'a time of day such as "06:00"',
    "time_parsing": 'a time of day such as "06:00"',
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "too_long": "fewer values",
}


@functools.cache
def adapter() -> TypeAdapter[Pipeline]:
    """Validates a pipeline; made once per process."""
    return TypeAdapter(Pipeline)


def validate(name: str, read: TeamFile) -> tuple[Pipeline | None, list[str]]:
    """The pipeline `name`, or a line for each mistake."""
    if not isinstance(read.value, dict):
        return None, [read.problem((), f"found {shown(read.value)}; expected the keys of a pipeline")]
    tree = dict(read.value)
    problems = []
    if NAMED_BY_FOLDER in tree:
        del tree[NAMED_BY_FOLDER]
        problems.append(
            read.problem((NAMED_BY_FOLDER,), "found the key name; expected none, the folder names a pipeline")
        )
    if "features" in tree:
        tree["features"], mistakes = _features(tree["features"], read)
        problems += mistakes
    if problems:
        return None, problems
    try:
        return adapter().validate_json(json.dumps(tree | {NAMED_BY_FOLDER: name}), strict=True), []
    except ValidationError as error:
        return None, _problems(error.errors(include_url=False), read, tree.get("features", []))


def read_feature(text: str) -> FeatureSpec:
    """One entry of `features:` from its YAML text, such as `rolling_mean: {of: units, windows: [7]}`.

    Raises:
        SpecError: it is not an entry.
    """
    read, problems = read_yaml(f"features: [{{{text}}}]", "feature")
    entries, mistakes = _features(read.value["features"], read) if not problems else ([], problems)
    if mistakes:
        raise SpecError("feature", mistakes)
    try:
        return _feature_adapter().validate_json(json.dumps(entries[0]), strict=True)
    except ValidationError as error:
        errors = [{**e, "loc": ("features", 0, *e["loc"])} for e in error.errors(include_url=False)]
        raise SpecError("feature", _problems(typing.cast(list[ErrorDetails], errors), read, entries)) from error


@functools.cache
def _feature_adapter() -> TypeAdapter[FeatureSpec]:
    return TypeAdapter(FeatureSpec)


def _features(found: Any, read: TeamFile) -> tuple[list[dict[str, Any]], list[str]]:
    """`{rolling_mean: {…}}` -> `{feature: rolling_mean, …}`, and what is wrong with the form of the entries."""
    if not isinstance(found, list):
        return [], [read.problem(("features",), f"found {shown(found)}; expected a list of features")]
    entries, problems = [], []
    for at, entry in enumerate(found):
        path: Path = ("features", at)
        if not isinstance(entry, dict) or len(entry) != 1:
            expected = "a mapping with one key, the feature's name, such as {rolling_mean: {of: units, windows: [7]}}"
            problems.append(read.problem(path, f"found {shown(entry)}; expected {expected}"))
            continue
        ((name, values),) = entry.items()
        if name not in FEATURE_KINDS:
            problems.append(read.problem((*path, name), unknown(name, FEATURE_KINDS, "feature")))
        elif not isinstance(values, dict):
            keys = one_of([f.name for f in fields(FEATURE_KINDS[name]) if f.name != "feature"])
            problems.append(
                read.problem((*path, name), f"found {shown(values)}; expected a mapping with the keys {keys}")
            )
        elif "feature" in values:
            problems.append(
                read.problem((*path, name, "feature"), "found unknown key 'feature'; expected none of that name")
            )
        else:
            entries.append({"feature": name, **values})
    return entries, problems


def _problems(errors: Sequence[ErrorDetails], read: TeamFile, features: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per place, in the order of lines. Of a feature, only the errors of its own kind count."""
    found: dict[Path, str] = {}
    for error in errors:
        place = _place(error["loc"], features)
        if place is None:
            continue
        path, kind = place
        if error["type"] == "value_error":
            message = error["msg"].removeprefix("Value error, ")
            path = _named(path, message, read)
            found.setdefault(path, message)
        elif error["type"] == "missing" and isinstance(path[-1], int):  # a pair with one value
            found.setdefault(path[:-1], f"found {shown(error['input'])}; expected more values")
        elif error["type"] == "missing":
            found.setdefault(path, f"found nothing; {_meant(path, read, kind)}")
        else:
            found.setdefault(path, _message(error, path, kind))
    return [read.problem(path, found[path]) for path in sorted(found, key=read.line)]


def _place(loc: tuple[int | str, ...], features: Sequence[Mapping[str, Any]]) -> tuple[Path, type] | None:
    """The location that pydantic gives as a path in the file, and the dataclass in which its last key lies.

    None for an error of a kind of feature that this one is not.
    """
    path: Path = loc
    if not loc:
        return (), Pipeline
    if loc[0] == "features" and len(loc) > 2:
        at, kind, *rest = loc[1:]
        name = features[typing.cast(int, at)]["feature"]
        if kind != FEATURE_KINDS[name].__name__:
            return None
        path = ("features", at, name, *rest)
    path = tuple(p for p in path if p != "[key]")
    if path[-1] in ("str", "int", "bool") and "where" in path:  # the members of a union of plain types
        path = path[:-1]
    return path, _owner(path)


def _owner(path: Path) -> type:
    """The dataclass that has, or should have, the last key of a path."""
    hint: Any = Pipeline
    owner: Any = hint
    for key in path[:-1]:
        if key in FEATURE_KINDS:
            hint = FEATURE_KINDS[str(key)]
        elif is_dataclass(hint):
            hint = _without_none(_hints(typing.cast(type, hint)).get(str(key)))
        else:  # of a list or a mapping: what its values are
            values = [a for a in typing.get_args(hint) if a is not Ellipsis]
            hint = _without_none(values[-1]) if values else None
        owner = hint if is_dataclass(hint) else owner
    return typing.cast(type, owner)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint):
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def _message(error: ErrorDetails, path: Path, owner: type) -> str:
    kind, value = error["type"], error.get("input")
    if kind == "unexpected_keyword_argument":
        return unknown(str(path[-1]), [f.name for f in fields(owner) if f.name not in ("feature", NAMED_BY_FOLDER)])
    if kind in ("enum", "literal_error") and isinstance(value, str):
        allowed = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return unknown(value, allowed, "value")
    if "where" in path:
        return f"found {shown(value)}; expected text, a whole number, or true or false"
    expected = _EXPECTED.get(kind) or error["msg"].removeprefix("Input should be ")
    return f"found {shown(value)}; expected {expected}"


def _meant(path: Path, read: TeamFile, owner: type) -> str:
    required = [f.name for f in fields(owner) if f.default is MISSING and f.default_factory is MISSING]
    there = [n for n in required if read.has((*path[:-1], n))]
    return f"expected the key {path[-1]}" + (f" beside {', '.join(there)}" if there else "")


def _named(path: Path, message: str, read: TeamFile) -> Path:
    """Where the value lies that a dataclass complained of: its messages begin with the name of what is wrong.

    Understood are `horizon is …`, `model.cap is …` and `measure units reads …`.
    """
    first, second, *_ = [*message.replace(",", "").split(), "", ""]
    inner = (*path, *first.split("."))
    if read.has(inner):
        return inner
    plural = (*path, f"{first}s")
    if read.has((*plural, second)):
        return (*plural, second)
    return plural if read.has(plural) else path
