"""The contract between a source and the engine: which columns, of which type, playing which part; and which files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from string import Formatter

FORBID_UNKNOWN = {"extra": "forbid"}  # read by pydantic in the spec room; plain data here


class ColumnType(StrEnum):
    """Types that every source can deliver with the same meaning, and with the same digest."""

    STRING = "string"  # UTF-8
    INTEGER = "integer"  # int64
    DECIMAL = "decimal"  # exact, `scale` digits after the point; decimal128(18, scale)
    FLOAT = "float"  # float64
    BOOLEAN = "boolean"
    DATE = "date"  # date32
    TIMESTAMP = "timestamp"  # microseconds, without zone: wall time in the pipeline's time zone


class Role(StrEnum):
    """The part a column plays."""

    KEY = "key"  # names the entity; a forecast is made per distinct key
    TIME = "time"  # exactly one; its date is the event day
    MEASURE = "measure"  # a number that measures are made of; profiled
    ATTRIBUTE = "attribute"  # a category; profiled
    IDENTIFIER = "identifier"  # names a row or a group of rows; kept, not profiled


class Sensitive(StrEnum):
    """What becomes of the values of a column that name a person, before anything of them is stored."""

    DROP = "drop"  # read and held against its type, then left out; nothing later can name it
    HASH = "hash"  # replaced by pseudonyms, which only the key NIGHTCAST_HASH_KEY makes


@dataclass(frozen=True, kw_only=True)
class Column:
    """One declared column of the source. Columns that are not declared never leave it."""

    __pydantic_config__ = FORBID_UNKNOWN

    type: ColumnType  # the same for every source
    role: Role  # the part it plays
    nullable: bool = False  # a null elsewhere breaks the contract
    scale: int | None = None  # for decimal: digits after the point, 0..9
    sensitive: Sensitive | None = None  # drop | hash: what becomes of personal data before anything is stored

    def __post_init__(self) -> None:
        if self.sensitive and (wrong := _not_sensitive(self)):
            raise ValueError(f"sensitive is {self.sensitive}, the role {self.role}, the type {self.type}; {wrong}")
        if (self.type is ColumnType.DECIMAL) != (self.scale is not None):
            raise ValueError("scale goes with type decimal, and decimal needs it (digits after the point, 0 to 9)")
        if self.scale is not None and not 0 <= self.scale <= 9:
            raise ValueError(f"scale is {self.scale}; expected 0 to 9 digits after the point")
        if self.role in (Role.KEY, Role.TIME) and self.nullable:
            raise ValueError(f"a {self.role} column cannot be nullable")
        if self.role is Role.TIME and self.type not in (ColumnType.DATE, ColumnType.TIMESTAMP):
            raise ValueError(f"the time column is a {self.type}; expected date or timestamp")
        if self.role is Role.KEY and self.type not in (ColumnType.STRING, ColumnType.INTEGER):
            raise ValueError(f"a key column is a {self.type}; expected string or integer")


def _not_sensitive(column: Column) -> str | None:
    """Why a column cannot be treated so; None where it can."""
    if column.sensitive is Sensitive.DROP and column.role not in (Role.ATTRIBUTE, Role.IDENTIFIER):
        return "expected an attribute or identifier: the other roles are needed"
    if column.sensitive is Sensitive.HASH and column.role in (Role.TIME, Role.MEASURE):
        return "expected a key, attribute or identifier: times and measures are calculated with"
    if column.sensitive is Sensitive.HASH and column.type is not ColumnType.STRING:
        return "expected a string, as pseudonyms are: cast it in extract.sql"
    return None


class FileFormat(StrEnum):
    """Forms of files that can be read."""

    PARQUET = "parquet"
    CSV = "csv"  # UTF-8 with a header line, commas; nothing between two commas is null, "" is the empty text


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files in the place of `extract.sql`: those below the connection's URL whose path fits `path`.

    `*` stands for any part of a name and `**` for any folders; `{day}` stands for the event day (2011-10-24) and
    `{day:%Y/%m/%d}` for it in another form, so that only the window's files are looked for. Without `{day}` all files
    are one data set, of which the rows of the window are taken by the time column. What a folder is called
    (`station=12`) is a column for files that have none of that name. Names that begin with `_` or `.` are passed over.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    path: str  # below the connection's URL
    format: FileFormat = FileFormat.PARQUET  # of all of them

    def __post_init__(self) -> None:
        if wrong := _wrong_path(self.path):
            raise ValueError(f"path is {self.path!r}: {wrong}; expected one such as readings/day={{day}}/*.parquet")

    @property
    def is_by_day(self) -> bool:
        """Whether the path of a file says to which days its rows belong."""
        return "{" in self.path

    def pattern(self, day: date) -> str:
        """The path of the files of an event day."""
        return self.path.format(day=day)


def _wrong_path(path: str) -> str | None:
    """What is wrong with a path of files; None where nothing is."""
    if not path.strip("/ ") or path.startswith("/") or ".." in path.split("/") or "://" in path:
        return "it must lie below the connection's URL"
    try:
        fields = [(name, form, as_) for _, name, form, as_ in Formatter().parse(path) if name is not None]
    except ValueError:
        return "its braces do not close"
    if path.count("{") != len(fields) or any(
        name != "day" or as_ or not _DAY_FORM.fullmatch(form or "") for name, form, as_ in fields
    ):
        return "its braces may hold day, or day with a form of %Y, %m, %d, %j, %G and %V"
    return None


_DAY_FORM = re.compile(r"(?:%[YmdjGV]|[^%{}])*")
