"""Values and columns that do or do not fit what is declared, and what to say about it."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from nightcast.domain.contract import Column, ColumnType
from nightcast.domain.rows import DECIMAL_DIGITS, arrow_type
from nightcast.errors import SourceMismatch

UNTOLD = "and no more is told, because a column is sensitive: run it by hand to see why"
_BOOLEANS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
_INT64 = range(-(2**63), 2**63)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ISO_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who delivered rows, for messages: what it is called, and where to correct what it delivers."""

    name: str
    place: str
    repair: str


SQL = Sender(name="The SQL", place="extract.sql", repair="Cast or round it in extract.sql")


def check_columns(found: Sequence[str], columns: Mapping[str, Column], sender: Sender = SQL) -> None:
    """`SourceMismatch` unless each declared column is there exactly once."""
    times = Counter(found)
    wrong = [
        f"{name} is not there" if name not in times else f"{name} is there {times[name]} times"
        for name in columns
        if times[name] != 1
    ]
    if wrong:
        raise SourceMismatch(
            f"{'; '.join(wrong)}. {sender.name} delivers {', '.join(found) or 'no column'}; expected "
            f"{', '.join(columns)}. Correct {sender.place} or source.columns"
        )


def check_decimals(batch: pa.RecordBatch, columns: Mapping[str, Column], sender: Sender = SQL) -> None:
    """`SourceMismatch` for a decimal of too many digits: pyarrow checks them before it widens to the scale."""
    for name, column in columns.items():
        if column.type is ColumnType.DECIMAL:
            limit = Decimal(10) ** (DECIMAL_DIGITS - (column.scale or 0))
            for value in pc.min_max(batch[name]).as_py().values():
                if value is not None and abs(value) >= limit:
                    raise misfit_of(name, columns, f"found {str(value)!r}", sender)


def check_texts(batch: pa.RecordBatch, columns: Mapping[str, Column], sender: Sender = SQL) -> None:
    """`SourceMismatch` for text that is not UTF-8 or holds a NUL: Arrow carries both, our Postgres neither."""
    for name, column in columns.items():
        if column.type is ColumnType.STRING:
            try:
                batch[name].validate(full=True)
            except pa.ArrowInvalid:
                raise misfit_of(name, columns, "found bytes that are not UTF-8", sender) from None
            if pc.any(pc.match_substring(batch[name], "\0")).as_py():
                raise misfit_of(name, columns, "found text with a NUL character", sender)


class RoundingNeeded(Exception):  # a question to the reader, not an error for the operator
    """A decimal column holds a value with more digits than its scale; which value is not known."""

    def __init__(self, column: str):
        self.column = column
        super().__init__(column)


def misfit(problem: str, columns: Mapping[str, Column], order: Sequence[str], sender: Sender = SQL) -> Exception:
    """What to raise for a value that pyarrow could not read as its column's type; `problem` is what it said.

    `order` is that of the columns in the text.
    """
    numbered = re.search(r"CSV column #(\d+): (?:Row #\d+: )?(.*)", problem, re.DOTALL)
    if numbered is None:
        said = UNTOLD if holds_sensitive(columns) else problem
        return SourceMismatch(f"what the source sent cannot be read: {said}. Correct {sender.place}")
    name = order[int(numbered[1])]
    if "data loss" in numbered[2]:
        return RoundingNeeded(name)
    quoted = re.findall(r"'([^']*)'", numbered[2])
    return misfit_of(name, columns, f"found {quoted[-1]!r}" if quoted else numbered[2], sender)


def misfit_of(name: str, columns: Mapping[str, Column], found: str, sender: Sender = SQL) -> SourceMismatch:
    """The error for a value that does not fit its column's declared type."""
    column = columns[name]
    found = "found a value that is not told, because the column is sensitive" if column.sensitive else found
    expected = {
        ColumnType.DECIMAL: f"decimal with at most {column.scale} digits after the point, {DECIMAL_DIGITS} in all",
        ColumnType.INTEGER: "integer of 64 bits",
        ColumnType.STRING: "string in UTF-8 without NUL characters",
        ColumnType.TIMESTAMP: "timestamp without time zone, at most microseconds",
    }.get(column.type, column.type.value)
    if column.type is ColumnType.TIMESTAMP and sender is SQL:
        expected += f" (in Postgres `{name}::timestamp` is the wall time in schedule.timezone)"
    return SourceMismatch(f"column {name}: {found}; expected {expected}. {sender.repair}, or declare it otherwise")


def to_arrow(name: str, column: Column, values: Sequence[Any], sender: Sender = SQL) -> pa.Array:
    """Python values of a driver as an Arrow array of the declared type.

    Exact or not at all: text may name a number, a date or a time, but nothing is rounded, cut or shifted.
    """
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= _AS_THEY_ARE[column.type]:
        with contextlib.suppress(pa.ArrowInvalid, OverflowError, UnicodeEncodeError):  # said below, with the value
            return pa.array(values, type=arrow_type(column))
    convert = _CONVERT[column.type]
    converted = [None if v is None else _converted(name, column, v, convert, sender) for v in values]
    return pa.array(converted, type=arrow_type(column))


def from_arrow(name: str, column: Column, values: pa.Array, sender: Sender) -> pa.Array:
    """Arrow values of any type as the declared one, by the rules of `to_arrow`; in bulk where no value can change."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    wanted = arrow_type(column)
    if values.type == wanted:
        return values
    if _IN_BULK[column.type](values.type):
        with contextlib.suppress(pa.ArrowInvalid):  # said below, with the value
            if pa.types.is_decimal(wanted) and pa.types.is_integer(values.type):
                values = values.cast(pa.decimal128(38, column.scale))  # room for all integers
            return values.cast(wanted)
    return to_arrow(name, column, values.to_pylist(), sender)


def holds_sensitive(columns: Mapping[str, Column]) -> bool:
    """Whether what a driver says of rows may quote a sensitive value."""
    return any(column.sensitive for column in columns.values())


def told(error: BaseException, address: sa.URL, columns: Mapping[str, Column]) -> str:
    """The text of a driver's error about an extract's SQL; only its kind where it may quote a sensitive value."""
    if holds_sensitive(columns):
        return f"{type(error).__name__}, {UNTOLD}"
    return without_password(error, address)


def without_password(error: BaseException, address: sa.URL) -> str:
    """The text of a driver's error on one line, without the password of the URL."""
    text = " ".join(str(error).split())
    return text.replace(str(address.password), "***") if address.password else text


def _converted(name: str, column: Column, value: Any, convert: Callable[[Any, Column], Any], sender: Sender) -> Any:
    try:
        return convert(value, column)
    except (ValueError, TypeError, ArithmeticError, LookupError):
        raise misfit_of(name, {name: column}, f"found {value!r} ({type(value).__name__})", sender) from None


def _string(value: Any, _: Column) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value).encode().decode()  # half a surrogate pair is not text


def _integer(value: Any, _: Column) -> int:
    if isinstance(value, bool):
        raise TypeError
    whole = int(_plain(value) if isinstance(value, str) else value)
    if whole not in _INT64 or not (isinstance(value, str) or whole == value):
        raise ValueError
    return whole


def _decimal(value: Any, column: Column) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    number = Decimal(_plain(value) if isinstance(value, str) else repr(value) if isinstance(value, float) else value)
    exact = number.quantize(Decimal(1).scaleb(-(column.scale or 0)))
    if exact != number or len(exact.as_tuple().digits) > DECIMAL_DIGITS:  # NaN equals nothing
        raise ValueError
    return exact


def _float(value: Any, _: Column) -> float:
    if isinstance(value, bool | bytes):
        raise TypeError
    return float(_plain(value) if isinstance(value, str) else value)


def _plain(number: str) -> str:
    """Python reads underscores and digits of other scripts too; other readers do not."""
    if not number.isascii() or "_" in number:
        raise ValueError
    return number


def _boolean(value: Any, _: Column) -> bool:
    if not isinstance(value, str | int):
        raise TypeError
    return _BOOLEANS[str(value).lower()]


def _date(value: Any, _: Column) -> date:
    return value if type(value) is date else date.fromisoformat(_iso(value, _ISO_DATE))


def _timestamp(value: Any, _: Column) -> datetime:
    if not isinstance(value, date):
        return datetime.fromisoformat(_iso(value, _ISO_TIMESTAMP))
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if moment.tzinfo is not None or bool(getattr(moment, "nanosecond", False)):
        raise ValueError
    return moment


def _iso(value: Any, form: re.Pattern[str]) -> str:
    """Python reads more forms than others do, and cuts what is beyond microseconds."""
    if not form.fullmatch(value):
        raise ValueError
    return str(value)


_CONVERT: Mapping[ColumnType, Callable[[Any, Column], Any]] = {
    ColumnType.STRING: _string,
    ColumnType.INTEGER: _integer,
    ColumnType.DECIMAL: _decimal,
    ColumnType.FLOAT: _float,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMP: _timestamp,
}
_IN_BULK: Mapping[ColumnType, Callable[[pa.DataType], bool]] = {  # Arrow types that are cast exactly or not at all
    ColumnType.STRING: lambda kind: pa.types.is_large_string(kind) or pa.types.is_integer(kind),
    ColumnType.INTEGER: pa.types.is_integer,
    ColumnType.DECIMAL: lambda kind: pa.types.is_decimal(kind) or pa.types.is_integer(kind),
    ColumnType.FLOAT: lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
    ColumnType.BOOLEAN: lambda _: False,
    ColumnType.DATE: lambda _: False,
    ColumnType.TIMESTAMP: lambda kind: pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None),
}
_AS_THEY_ARE: Mapping[ColumnType, set[type]] = {  # Python types that need no look at each value
    ColumnType.STRING: {str},
    ColumnType.INTEGER: {int},
    ColumnType.DECIMAL: set(),
    ColumnType.FLOAT: {float},
    ColumnType.BOOLEAN: {bool},
    ColumnType.DATE: {date},
    ColumnType.TIMESTAMP: set(),
}
