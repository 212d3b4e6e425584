"""Named parameters in SQL texts: `:name`, wherever SQL itself does not mean something else by a colon.

One small scanner knows casts (`a::date`), strings ('…', E'…', $tag$…$tag$), quoted identifiers, line comments, nested
block comments, array slices (`a[1:n]`) and `:=`. It serves the readers of sources and the checks of a spec.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from nightcast.errors import SourceMismatch

_NAME = r"[A-Za-z_][A-Za-z_0-9]*"
_TOKEN = re.compile(
    rf"""
      (?P<line_comment> --[^\n]* )
    | (?P<block_comment> /\* )
    | (?P<escaped> (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string> '(?:[^']|'')*' )
    | (?P<identifier> "(?:[^"]|"")*" )
    | (?P<dollar> (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ )
    | (?P<colons> ::|:= )
    | (?P<parameter> (?<![\w$\])"':\\]):(?P<name>{_NAME}) )
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Kind(Enum):
    """What a piece of SQL is to the readers of a source."""

    TEXT = auto()  # anything else, strings included
    COMMENT = auto()
    PARAMETER = auto()
    END = auto()  # a semicolon


@dataclass(frozen=True)
class Piece:
    """A piece of SQL; for a parameter `text` is its name without the colon."""

    kind: Kind
    text: str


def pieces(sql: str) -> Iterator[Piece]:
    """The pieces of a text in order; joined, with a colon before parameters, they are the text again."""
    start = position = 0
    while found := _TOKEN.search(sql, position):
        kind, end = _judge(sql, found)
        if kind is Kind.TEXT:
            position = end
            continue
        if found.start() > start:
            yield Piece(Kind.TEXT, sql[start : found.start()])
        yield Piece(kind, found["name"] if kind is Kind.PARAMETER else sql[found.start() : end])
        start = position = end
    if start < len(sql):
        yield Piece(Kind.TEXT, sql[start:])


def parameter_names(sql: str) -> tuple[str, ...]:
    """Names of the parameters of a text, each once, in order of first use."""
    return tuple(dict.fromkeys(p.text for p in pieces(sql) if p.kind is Kind.PARAMETER))


def single_select(sql: str) -> list[Piece]:
    """The pieces of a text that is one SELECT (or WITH … SELECT), without the semicolon and comments that close it.

    `SourceMismatch` where the text is anything else.
    """
    found = list(pieces(sql))
    while found and (found[-1].kind in (Kind.END, Kind.COMMENT) or not found[-1].text.strip()):
        found.pop()
    if any(p.kind is Kind.END for p in found):
        raise SourceMismatch("the SQL has several statements; expected one SELECT")
    first = re.match(r"[\s(]*(\w*)", " ".join(p.text for p in found if p.kind is not Kind.COMMENT))
    word = first[1] if first else ""
    if word.lower() not in ("select", "with", "values"):
        raise SourceMismatch(f"the SQL starts with {word or 'nothing'!r}; expected one SELECT (or WITH … SELECT)")
    return found


def render(found: list[Piece], parameter: Callable[[str], str], text: Callable[[str], str] = str) -> str:
    """The pieces as one text, with each parameter and every other text replaced by what the functions return."""
    return "".join(parameter(p.text) if p.kind is Kind.PARAMETER else text(p.text) for p in found)


def _judge(sql: str, found: re.Match[str]) -> tuple[Kind, int]:
    """What a token is, and where it ends."""
    if found.lastgroup == "block_comment":
        return Kind.COMMENT, _end_of_comment(sql, found.start())
    kinds = {"line_comment": Kind.COMMENT, "parameter": Kind.PARAMETER, "end": Kind.END}
    return kinds.get(str(found.lastgroup), Kind.TEXT), found.end()


def _end_of_comment(sql: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
