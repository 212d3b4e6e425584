"""The contract between a source and the engine: which columns, of which type, playing which part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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


@dataclass(frozen=True, kw_only=True)
class Column:
    """One declared column of `extract.sql`. Columns that are not declared never leave the source."""

    __pydantic_config__ = FORBID_UNKNOWN

    type: ColumnType
    role: Role
    nullable: bool = False
    scale: int | None = None  # for decimal: digits after the point, 0..9

    def __post_init__(self) -> None:
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
