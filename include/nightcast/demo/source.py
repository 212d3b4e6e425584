"""The demo's source database: the published file in Postgres, as if a shop's own system had written it."""

from __future__ import annotations

import hashlib
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.csv as pacsv
from psycopg2 import sql
from psycopg2.extras import execute_values
from sqlalchemy import make_url

from nightcast.demo.calendar import trading_days
from nightcast.errors import Permanent

CALENDAR_AHEAD = timedelta(days=120)  # the calendar reaches this far past the last line
DAY_SECONDS = 86_400
COPY_BYTES = 1 << 20
COLUMNS = {  # of the published file, in its order, with the type each is read as
    "Invoice": pa.string(),
    "StockCode": pa.string(),
    "Description": pa.string(),
    "Quantity": pa.int32(),
    "InvoiceDate": pa.timestamp("s"),
    "Price": pa.decimal128(12, 3),  # refuses a fourth decimal instead of rounding it
    "Customer ID": pa.float64(),  # written as 13085.0
    "Country": pa.string(),
}
TABLE = (
    "line",
    "delivery",
    "invoice",
    "stock_code",
    "description",
    "quantity",
    "sold_at",
    "price",
    "customer_id",
    "country",
)
CALENDAR = ("day", "open", "note", "day_of_year", "day_of_month", "days_to_24_dec")


@dataclass(frozen=True)
class Loaded:
    """What the source database holds; days are the replayed ones."""

    lines: int
    first_day: date
    last_day: date
    shift_days: int
    file_sha256: str
    repeated: bool = False  # it was there already, nothing was done


def load(
    owner_url: str, reader_role: str, csv_path: Path, shift_days: int, progress: Callable[[str], None] = print
) -> Loaded:
    """Make the source database's tables from the published file, in one transaction.

    A database that already holds this file at this shift is left alone. Anything else that an earlier call made is
    replaced.

    Args:
        owner_url: SQLAlchemy URL of the database as the role that is to own the tables.
        reader_role: existing role that may read `sales_line` and `trading_calendar`, and nothing else.
        csv_path: the published file or an excerpt of it, xz-compressed.
        shift_days: days to add to every date; a multiple of 7, so that weekdays stay. 0 keeps the original dates.
        progress: is told what is going on.

    Raises:
        Permanent: the file is not the published table, or `shift_days` is not whole weeks.
    """
    if shift_days % 7:
        raise Permanent(f"shift_days is {shift_days}; expected a multiple of 7, so that weekdays stay")
    digest = hashlib.sha256(csv_path.read_bytes()).hexdigest()
    with closing(_connect(owner_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('nightcast.demo.source'))")
        there = _loaded(cursor)
        if there and (there.file_sha256, there.shift_days) == (digest, shift_days):
            progress(f"source: {there.lines:,} lines are there")
            return Loaded(**{**vars(there), "repeated": True})
        progress(f"source: loading {csv_path.name}")
        cursor.execute(_statements("schema.sql"))
        _copy_lines(cursor, csv_path, shift_days)
        _fill_calendar(cursor, shift_days)
        cursor.execute(_statements("indexes.sql"))
        cursor.execute(
            "INSERT INTO replay (shift_days, file_sha256, lines) SELECT %s, %s, count(*) FROM raw_line",
            (shift_days, digest),
        )
        cursor.execute(
            sql.SQL("GRANT SELECT ON sales_line, trading_calendar TO {}").format(sql.Identifier(reader_role))
        )
        made = cast(Loaded, _loaded(cursor))
        progress(f"source: {made.lines:,} lines, {made.first_day} to {made.last_day}")
        return made


def loaded(owner_url: str) -> Loaded | None:
    """What an earlier `load` left in the database, or None."""
    with closing(_connect(owner_url)) as connection, connection.cursor() as cursor:
        return _loaded(cursor)


def set_now(owner_url: str, now: datetime | None) -> None:
    """Let the shop's clock stand at `now` (its wall time), or run again with None. For tests and drills."""
    with closing(_connect(owner_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE replay SET now_override = %s", (now,))


def _connect(url: str) -> Any:
    return psycopg2.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


def _statements(name: str) -> str:
    return resources.files("nightcast.demo").joinpath("sql", name).read_text()


def _loaded(cursor: Any) -> Loaded | None:
    cursor.execute("SELECT to_regclass('public.replay') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return None
    cursor.execute(
        "SELECT lines, (SELECT min(sold_at)::date FROM raw_line), (SELECT max(sold_at)::date FROM raw_line), "
        "shift_days, file_sha256 FROM replay"
    )
    row = cursor.fetchone()
    return Loaded(*row) if row else None


def _copy_lines(cursor: Any, path: Path, shift_days: int) -> None:
    rows = _Bytes(_csv_chunks(path, shift_days))
    try:
        cursor.copy_expert(
            sql.SQL("COPY raw_line ({}) FROM STDIN WITH (FORMAT csv, FREEZE)").format(_names(TABLE)),
            io.BufferedReader(rows, COPY_BYTES),
            COPY_BYTES,
        )
    except psycopg2.Error:
        if rows.refused:  # psycopg2 reports what it was told to read as an error of the COPY
            raise rows.refused from None
        raise


def _fill_calendar(cursor: Any, shift_days: int) -> None:
    shift = timedelta(days=shift_days)
    cursor.execute("SELECT min(sold_at)::date, max(sold_at)::date FROM raw_line")
    first, last = cursor.fetchone()
    days = trading_days(first - shift, last - shift + CALENDAR_AHEAD)
    rows = [(d.day + shift, *astuple(d)[1:]) for d in days]
    into = sql.SQL("INSERT INTO trading_calendar ({}) VALUES %s").format(_names(CALENDAR))
    execute_values(cursor, into, rows, page_size=1000)


def _names(columns: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _csv_chunks(path: Path, shift_days: int) -> Iterator[bytes]:
    """The file's lines as CSV rows of `raw_line`, in chunks of a few MB."""
    with lzma.open(path) as raw:
        try:
            reader = pacsv.open_csv(
                raw,
                read_options=pacsv.ReadOptions(block_size=4 << 20),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(
                    column_types=COLUMNS,
                    timestamp_parsers=["%m/%d/%Y %H:%M"],
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            if reader.schema.names != list(COLUMNS):
                raise Permanent(f"{path} has the columns {reader.schema.names}; expected {list(COLUMNS)}")
            line, delivery, latest = 1, 1, None
            for batch in reader:
                times = batch.column("InvoiceDate").cast(pa.int64()).to_numpy(zero_copy_only=False)
                deliveries = _deliveries(times, delivery, latest)
                yield _csv_rows(batch, line, deliveries, shift_days)
                line, delivery, latest = line + len(times), int(deliveries[-1]), int(times[-1])
        except (pa.ArrowInvalid, lzma.LZMAError) as error:
            raise Permanent(f"{path} is not the published table of lines, xz-compressed: {error}") from error


def _deliveries(times: np.ndarray, delivery: int, latest: int | None) -> np.ndarray:
    """The delivery of each line, given the one and the time (seconds) of the line before.

    A sheet runs forward in time. Where time goes back by more than a day, the next sheet begins.
    """
    steps = np.diff(times, prepend=times[0] if latest is None else latest)
    return delivery + np.cumsum(steps < -DAY_SECONDS)


def _csv_rows(batch: pa.RecordBatch, line: int, deliveries: np.ndarray, shift_days: int) -> bytes:
    column = {name: batch.column(name) for name in COLUMNS}
    moved = column["InvoiceDate"].cast(pa.int64()).to_numpy(zero_copy_only=False) + shift_days * DAY_SECONDS
    rows = {
        "line": pa.array(np.arange(line, line + batch.num_rows)),
        "delivery": pa.array(deliveries),
        "invoice": column["Invoice"],
        "stock_code": column["StockCode"],
        "description": column["Description"],
        "quantity": column["Quantity"],
        "sold_at": pa.array(moved, pa.int64()).cast(pa.timestamp("s")),
        "price": column["Price"],
        "customer_id": column["Customer ID"].cast(pa.int32()),
        "country": column["Country"],
    }
    sink = pa.BufferOutputStream()
    pacsv.write_csv(pa.RecordBatch.from_pydict(rows), sink, pacsv.WriteOptions(include_header=False))
    return cast(bytes, sink.getvalue().to_pybytes())


class _Bytes(io.RawIOBase):
    """Chunks of bytes as a readable file."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks, self._left = chunks, b""
        self.refused: Permanent | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            try:
                self._left = next(self._chunks)
            except StopIteration:
                return 0
            except Permanent as error:
                self.refused = error
                raise
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
