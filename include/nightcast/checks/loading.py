"""`expectations.yaml` into `Expectations`, strictly: Great Expectations itself drops what it does not know.

Nothing here imports it; `engine.verify` goes deeper and lets it construct each entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from nightcast.checks.catalogue import TYPES, ExpectationType, Shape
from nightcast.checks.expectations import SECTIONS, Entry, Expectations
from nightcast.checks.parameters import expressions, names
from nightcast.domain.gates import SIGNAL_PARAMETERS
from nightcast.domain.team_file import Path, TeamFile, from_node, one_of, shown, unknown
from nightcast.domain.verdict import OnFail
from nightcast.errors import SpecError

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # resolves nothing: `team_file` says what a word is
_KEYS = {"id": True, "type": True, "kwargs": True, "on_fail": True, "note": False, "when": False}  # key -> required
_ON_FAIL = {
    "contract": (OnFail.STOP,),
    "rows": tuple(OnFail),
    "signals": (OnFail.STOP, OnFail.WARN),
    "predictions": (OnFail.STOP, OnFail.WARN),
}
_PARAMETERS: Mapping[str, Sequence[str]] = {"signals": SIGNAL_PARAMETERS}
_ID = re.compile(r"[a-z][a-z0-9_]{0,59}")
RESERVED_IDS = ("duplicates",)

_Problem = Callable[[Path, str], None]


def load(text: str, name: str = "expectations.yaml", pipeline: str = "") -> Expectations:
    """The checks of a file. `name` and `pipeline` are for messages.

    Raises:
        SpecError: unknown sections, keys, types, arguments, parameters or ways to fail; ids written twice; arguments
            that cannot work. A line for each, with its place.
    """
    read, problems = _read(text, name)
    if not problems:
        found = _Loading(read, problems).expectations()
        if not problems:
            return found
    raise SpecError(pipeline or name, problems)


def _read(text: str, name: str) -> tuple[TeamFile, list[str]]:
    try:
        return from_node(yaml.compose(text, Loader=_LOADER), name)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        found = getattr(error, "problem", None) or str(error).partition("\n")[0]
        return from_node(None, name)[0], [
            f"{name}:{mark.line + 1 if mark else 1}: is not YAML: {found}; expected correct YAML"
        ]


class _Loading:
    """One walk over a file; collects problems instead of stopping at the first."""

    def __init__(self, read: TeamFile, problems: list[str]):
        self.read, self.problems = read, problems
        self.first: dict[str, int] = {}

    def wrong(self, path: Path, message: str) -> None:
        self.problems.append(self.read.problem(path, message))

    def expectations(self) -> Expectations:
        tree = self.read.value
        if not isinstance(tree, dict):
            self.wrong((), f"found {shown(tree)}; expected the sections {', '.join(SECTIONS)}")
            return Expectations()
        for name in tree:
            if name not in SECTIONS:
                self.wrong((name,), unknown(name, SECTIONS, "section"))
        return Expectations(**{name: self.section(name, tree.get(name)) for name in SECTIONS})

    def section(self, name: str, entries: Any) -> tuple[Entry, ...]:
        if name not in self.read.value:
            self.wrong((), f"found no section {name}; expected it, with [] where there is nothing to check")
            return ()
        if not isinstance(entries, list):
            self.wrong((name,), f"found {shown(entries)}; expected a list of checks, [] for none")
            return ()
        found = [self.entry(name, (name, at), value) for at, value in enumerate(entries)]
        return tuple(e for e in found if e is not None)

    def entry(self, section: str, path: Path, value: Any) -> Entry | None:
        before = len(self.problems)
        if not isinstance(value, dict):
            self.wrong(path, f"found {shown(value)}; expected a mapping with the keys {one_of(list(_KEYS))}")
            return None
        for key in value:
            if key not in _KEYS:
                self.wrong((*path, key), unknown(key, _KEYS))
        for key, required in _KEYS.items():
            if required and key not in value:
                self.wrong(path, f"found no key {key}; expected it")
        if len(self.problems) == before:
            self.identity(path, value)
            self.kind(section, path, value)
        if len(self.problems) > before:
            return None
        return Entry(
            id=value["id"],
            type=value["type"],
            kwargs=value["kwargs"],
            on_fail=OnFail(value["on_fail"]),
            note=value.get("note") or "",
            when=value.get("when") or {},
            line=self.read.line(path),
        )

    def identity(self, path: Path, value: Mapping[str, Any]) -> None:
        name = value["id"]
        if not isinstance(name, str) or not _ID.fullmatch(name):
            self.wrong(
                (*path, "id"), f"found {shown(name)}; expected a lower-case word of at most 60 letters, digits, _"
            )
        elif name in RESERVED_IDS:
            self.wrong((*path, "id"), f"found {name!r}; expected another word, the engine has a check of that name")
        elif name in self.first:
            self.wrong((*path, "id"), f"found {name!r} again, first on line {self.first[name]}; expected each id once")
        else:
            self.first[name] = self.read.line((*path, "id"))
        if not isinstance(value.get("note", ""), str | None):
            self.wrong((*path, "note"), f"found {shown(value['note'])}; expected text")

    def kind(self, section: str, path: Path, value: Mapping[str, Any]) -> None:
        kind, kwargs = value["type"], value["kwargs"]
        if not isinstance(kind, str) or kind not in TYPES:
            self.wrong((*path, "type"), unknown(str(kind), TYPES, "expectation type"))
            return
        declared = TYPES[kind]
        self.on_fail(section, path, value["on_fail"], declared)
        if not isinstance(kwargs, dict):
            self.wrong((*path, "kwargs"), f"found {shown(kwargs)}; expected a mapping of arguments")
            return
        self.arguments((*path, "kwargs"), kwargs, declared)
        for key, message in _wrong_arguments(kwargs, quarantines=value["on_fail"] == OnFail.QUARANTINE):
            self.wrong((*path, "kwargs", key), message)
        self.parameters((*path, "kwargs"), kwargs, _PARAMETERS.get(section, ()))
        self.when((*path, "when"), value.get("when"), declared)

    def on_fail(self, section: str, path: Path, value: Any, declared: ExpectationType) -> None:
        allowed = [str(o) for o in _ON_FAIL[section]]
        if value not in allowed:
            self.wrong((*path, "on_fail"), f"{unknown(str(value), allowed, 'value')} in section {section}")
        elif value == OnFail.QUARANTINE and declared.shape is not Shape.ROWS:
            self.wrong(
                (*path, "on_fail"), "found quarantine; expected stop or warn, this type does not judge single rows"
            )

    def arguments(self, path: Path, kwargs: Mapping[str, Any], declared: ExpectationType) -> None:
        for key in kwargs:
            if key not in declared.arguments:
                self.wrong((*path, key), unknown(key, declared.arguments, "argument"))
        for key in declared.required:
            if key not in kwargs:
                self.wrong(path, f"found no argument {key}; expected it")
        if "min_value" in declared.arguments and not {"min_value", "max_value"} & kwargs.keys():
            self.wrong(path, "found neither min_value nor max_value; expected at least one, else everything passes")

    def parameters(self, path: Path, kwargs: Mapping[str, Any], known: Sequence[str]) -> None:
        for key, value in kwargs.items():
            for expression in expressions(value):
                try:
                    missing = sorted(names(expression) - set(known))
                except ValueError as error:
                    self.wrong((*path, key), f"found {error}")
                    continue
                for name in missing:
                    self.wrong((*path, key), unknown(name, known, "parameter") + " in this section")

    def when(self, path: Path, value: Any, declared: ExpectationType) -> None:
        if value is None:
            return
        if not isinstance(value, dict) or any(isinstance(v, dict | list) for v in value.values()):
            self.wrong(path, f"found {shown(value)}; expected a mapping of columns to the values that rows must have")
        elif declared.shape is Shape.TABLE:
            self.wrong(path, "found a condition; expected none, this type judges the whole table")


def _wrong_arguments(kwargs: Mapping[str, Any], *, quarantines: bool) -> list[tuple[str, str]]:
    """Arguments whose values cannot work: (name, message)."""
    found = []
    for key, value in kwargs.items():
        if key in ("column", "column_A", "column_B") and not isinstance(value, str):
            found.append((key, f"found {shown(value)}; expected the name of a column"))
        if key == "column_list" and not (isinstance(value, list) and len(value) > 1 and _all_text(value)):
            found.append((key, f"found {shown(value)}; expected a list of two or more columns"))
        if key in ("value_set", "regex_list") and not (_is_expression(value) or (isinstance(value, list) and value)):
            found.append((key, f"found {shown(value)}; expected a list with at least one value"))
        if key in ("regex", "regex_list"):
            found += [(key, message) for message in _wrong_patterns(value if isinstance(value, list) else [value])]
        if key == "mostly":
            found += [(key, message) for message in _wrong_mostly(value, quarantines=quarantines)]
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None and _is_number(low) and _is_number(high) and low > high:
        found.append(("min_value", f"found {low} above max_value {high}; expected at most that"))
    return found


def _wrong_patterns(patterns: Sequence[Any]) -> list[str]:
    found = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            found.append(f"found {shown(pattern)}, which is not a pattern ({error}); expected a regular expression")
    return found


def _wrong_mostly(value: Any, *, quarantines: bool) -> list[str]:
    if quarantines:
        return ["found mostly; expected none, a quarantine sets aside each row that fails"]
    if _is_expression(value) or (_is_number(value) and 0 < value <= 1):
        return []
    return [f"found {shown(value)}; expected a share above 0, up to 1"]


def _is_expression(value: Any) -> bool:
    return isinstance(value, dict) and any(True for _ in expressions(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all_text(values: Sequence[Any]) -> bool:
    return all(isinstance(v, str) for v in values)
