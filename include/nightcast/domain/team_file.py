"""A YAML file that a team wrote: its plain values, and the line that each was written on.

Works on the nodes that a YAML library composed, so that the rooms that read YAML share one strict meaning of it:
plain `06:00`, `yes` and `on` are text, numbers are decimal, a key is written once, and there are no tags and no merges.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]  # keys of mappings as text, places in lists as numbers

MOST_VALUES = 20_000  # what anchors may expand to
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_MERGE = "<<"


@dataclass(frozen=True, kw_only=True)
class TeamFile:
    """The values of a file as JSON knows them, and where they are written."""

    name: str
    value: Any
    _lines: Mapping[tuple[str, ...], int] = field(repr=False)

    def line(self, path: Path) -> int:
        """The line, from 1, of the value at a path, or of the nearest one around it."""
        keys = tuple(str(p) for p in path)
        return next((self._lines[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in self._lines), 1)

    def has(self, path: Path) -> bool:
        """Whether something is written at a path."""
        return tuple(str(p) for p in path) in self._lines

    def problem(self, path: Path, message: str) -> str:
        """One line: file:line, the path, and what is wrong there."""
        at = f"at {dotted(path)}: " if path else ""
        return f"{self.name}:{self.line(path)}: {at}{message}"


def from_node(root: Any, name: str) -> tuple[TeamFile, list[str]]:
    """The file that a composed YAML node (None: an empty file) stands for, and a line for each mistake in its form.

    The node must come from a loader that resolves no scalars, such as PyYAML's BaseLoader.
    """
    reading = _Reading(name)
    value = reading.value(root, ()) if root is not None else None
    return TeamFile(name=name, value=value, _lines=reading.lines), reading.problems


def dotted(path: Path) -> str:
    """A path as people write it: features[3].rolling_mean.windows."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def shown(value: Any) -> str:
    """A value as it would be written, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def unknown(found: str, known: Iterable[str], kind: str = "key") -> str:
    """The message for a word that is not among those known, with the one that was probably meant."""
    words = sorted(known)
    near = difflib.get_close_matches(found, words, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"found unknown {kind} {found!r}; {guess}expected {one_of(words)}"


def one_of(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    if not words:
        return "none"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


class _Reading:
    """One walk over the nodes of a file."""

    def __init__(self, name: str):
        self.name = name
        self.lines: dict[tuple[str, ...], int] = {}
        self.problems: list[str] = []
        self._open: list[Any] = []
        self._values = 0

    def value(self, node: Any, path: Path, line: int | None = None) -> Any:
        line = line or node.start_mark.line + 1
        self.lines[tuple(str(p) for p in path)] = line
        self._values += 1
        if self._values > MOST_VALUES:
            return self._wrong(
                line, path, f"found more than {MOST_VALUES} values; expected a file that people can read"
            )
        if any(node is outer for outer in self._open):
            return self._wrong(line, path, "found an alias of what it lies in; expected a value that ends")
        if node.tag not in _PLAIN_TAGS:
            return self._wrong(line, path, f"found the tag {node.tag}; expected a plain value")
        if node.id == "scalar":
            return _scalar(node)
        self._open.append(node)
        found = self._list(node, path) if node.id == "sequence" else self._mapping(node, path)
        self._open.pop()
        return found

    def _list(self, node: Any, path: Path) -> list[Any]:
        return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar":
                self._wrong(line, path, "found a list or mapping as a key; expected a word or a number")
            elif key.value == _MERGE and not key.style:
                self._wrong(line, path, "found the merge key <<; expected the keys written out")
            elif key.value in found:
                self._wrong(line, (*path, key.value), f"found again, first on line {first[key.value]}; expected once")
            else:
                first[key.value] = line
                found[key.value] = self.value(item, (*path, key.value), line)
        return found

    def _wrong(self, line: int, path: Path, message: str) -> None:
        at = f"at {dotted(path)}: " if path else ""
        self.problems.append(f"{self.name}:{line}: {at}{message}")


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.style:  # quoted or a block: text, whatever it looks like
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text
