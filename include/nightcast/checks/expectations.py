"""A team's checks as typed values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nightcast.checks.catalogue import COLUMN_ARGUMENTS
from nightcast.checks.parameters import expressions, names
from nightcast.domain.verdict import OnFail

SECTIONS = ("contract", "rows", "signals", "predictions")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One declared check: an expectation type of `catalogue.TYPES` with its arguments.

    `kwargs` may hold `{"$PARAMETER": "expression"}` wherever a value may stand. `when` keeps the rows whose columns
    equal the values, None meaning null.
    """

    id: str
    type: str
    kwargs: Mapping[str, Any]
    on_fail: OnFail
    note: str = ""
    when: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    line: int = field(default=1, compare=False)  # in its file

    @property
    def columns(self) -> list[str]:
        """Columns that it judges, without those of its condition."""
        found: list[str] = []
        for name in COLUMN_ARGUMENTS:
            value = self.kwargs.get(name, [])
            found += value if isinstance(value, list) else [value]
        return found

    @property
    def parameters(self) -> set[str]:
        """Names of the parameters that its arguments use."""
        return {name for value in self.kwargs.values() for text in expressions(value) for name in names(text)}


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """The sections of a file, in the order in which they are judged."""

    contract: tuple[Entry, ...] = ()
    rows: tuple[Entry, ...] = ()
    signals: tuple[Entry, ...] = ()
    predictions: tuple[Entry, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        """All entries, section by section."""
        for section in SECTIONS:
            yield from getattr(self, section)
