"""Reading from Postgres and from any other database: one contract, equal digests."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
import sqlalchemy as sa

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.rows import arrow_schema, canonical, content_digest
from nightcast.errors import SettingMissing, SourceMismatch, SourceUnavailable
from nightcast.local import postgres
from nightcast.source import query, read

# ruff: noqa: DTZ001 -- rows carry wall times without a zone
pytestmark = pytest.mark.postgres

COLUMNS = {
    "sku": Column(type=ColumnType.STRING, role=Role.KEY),
    "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
    "note": Column(type=ColumnType.STRING, role=Role.ATTRIBUTE, nullable=True),
    "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE, nullable=True),
    "price": Column(type=ColumnType.DECIMAL, scale=3, role=Role.MEASURE, nullable=True),
    "weight": Column(type=ColumnType.FLOAT, role=Role.MEASURE, nullable=True),
    "gift": Column(type=ColumnType.BOOLEAN, role=Role.ATTRIBUTE, nullable=True),
    "due": Column(type=ColumnType.DATE, role=Role.ATTRIBUTE, nullable=True),
}
NOON = datetime(2011, 10, 31, 12)
AWKWARD: list[tuple[Any, ...]] = [
    ("plain", NOON, "text", 1, "1.5", 0.1, True, date(2011, 11, 1)),
    ("nulls", NOON, None, None, None, None, None, None),
    ("empty", datetime(2011, 10, 31, 0, 0, 0, 1), "", 0, "0", 0.0, False, date(1970, 1, 1)),
    ("", datetime(2011, 10, 31, 23, 59, 59, 999999), " ", -(2**63), "-0.001", -0.0, False, date(1, 1, 1)),
    (
        "quotes",
        NOON,
        "a \"quoted\" 'text', with; commas",
        2**63 - 1,
        "999999999999999.999",
        1e300,
        True,
        date(9999, 12, 31),
    ),
    ("lines", NOON, 'first\nsecond\r\n"third"\n', -1, "-999999999999999.999", 5e-324, None, None),
    ("words", NOON, "NULL", 7, "2.50", float("inf"), None, None),
    ("escape", NOON, "\\N \\. \t\\", 7, "2.5", 1 / 3, None, None),
    ("\\.", NOON, "\\.", 7, "2.500", 0.1 + 0.2, None, None),
    ("ünï ❄ 雪", NOON, "👩‍👩‍👧 é é", 8, "0.010", 123456789.123456789, None, None),
    ("colon", NOON, "12:30 :day ::x %s %(a)s", 9, "1", 2.0**53, None, None),
]
PG_TYPES = (
    "sku text, sold_at timestamp, note text, quantity bigint, price numeric, weight float8, gift boolean, due date, "
    "secret text"
)
LITE_TYPES = (
    "sku text, sold_at text, note text, quantity integer, price text, weight real, gift integer, due text, secret text"
)


@pytest.fixture
def postgres_url(make_database: Callable[[], str]) -> str:
    url = make_database()
    address = sa.make_url(url)
    connection = psycopg2.connect(
        host=address.host, port=address.port, user=address.username, password=address.password, dbname=address.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE line ({PG_TYPES})")
        cursor.executemany(f"INSERT INTO line VALUES ({', '.join(['%s'] * 8)}, 'secret')", AWKWARD)
    connection.close()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    path = tmp_path / "source.db"
    rows = [(s, str(t), n, q, p, w, g, d and str(d)) for s, t, n, q, p, w, g, d in AWKWARD]
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE line ({LITE_TYPES})")
        connection.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'secret')", rows[::-1])
    return f"sqlite:///{path}"


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def table_of(batches: Iterator[pa.RecordBatch], columns: Mapping[str, Column] = COLUMNS) -> pa.Table:
    return pa.Table.from_batches(list(batches), schema=arrow_schema(columns))


def one(url: str, sql: str, column: Column, **values: Any) -> list[Any]:
    return table_of(read(url, sql, values, {"x": column}), {"x": column})["x"].to_pylist()


def test_rows_arrive_exactly(url: str) -> None:
    found = table_of(read(url, "SELECT * FROM line", {}, COLUMNS))
    expected = [(*r[:4], None if r[4] is None else Decimal(r[4]), *r[5:]) for r in AWKWARD]
    assert sorted(map(tuple, (r.values() for r in found.to_pylist())), key=repr) == sorted(
        expected, key=lambda r: repr(tuple(Decimal(f"{v:.3f}") if isinstance(v, Decimal) else v for v in r))
    )


def test_both_ways_give_the_same_digest(postgres_url: str, sqlite_url: str) -> None:
    digests = set()
    for url, size in ((postgres_url, 65_536), (sqlite_url, 65_536), (sqlite_url, 2)):
        found = table_of(read(url, "SELECT * FROM line", {}, COLUMNS, size))
        digests.add(content_digest(canonical(found, COLUMNS, ["sku"]), COLUMNS))
    assert len(digests) == 1


def test_only_declared_columns_in_declared_order(url: str) -> None:
    some = {name: COLUMNS[name] for name in ("note", "sku")}
    found = table_of(read(url, "SELECT * FROM line WHERE sku = 'empty'", {}, some), some)
    assert found.to_pylist() == [{"note": "", "sku": "empty"}]


def test_a_column_alone_tells_null_from_empty(url: str) -> None:
    note = COLUMNS["note"]
    assert one(url, "SELECT note AS x FROM line WHERE sku IN ('nulls', 'empty') ORDER BY sku", note) == ["", None]


def test_no_rows_are_no_batches(url: str) -> None:
    assert list(read(url, "SELECT * FROM line WHERE 1 = 0;\n-- nothing", {}, COLUMNS)) == []


def test_parameters_are_values_not_text(url: str) -> None:
    hostile = "'; DROP TABLE line; -- \\ %s :a"
    note = "'12:30 :day ::x %s %(a)s'"
    sql = f"SELECT CAST(:a AS text) AS x FROM line WHERE sold_at >= :day AND sku <> ':a' AND note = {note}"
    assert one(url, sql, COLUMNS["note"], a=hostile, day=date(2011, 10, 31)) == [hostile]
    assert one(url, sql, COLUMNS["note"], a=None, day=date(2011, 10, 31)) == [None]
    assert one(url, sql, COLUMNS["note"], a=hostile, day=date(2011, 11, 1)) == []


def test_window_of_dates(url: str) -> None:
    sql = "SELECT count(*) AS n FROM line WHERE sold_at >= :window_start AND sold_at < :window_end"
    inside = {"window_start": date(2011, 10, 31), "window_end": date(2011, 11, 1)}
    assert query(url, sql, inside) == [{"n": len(AWKWARD)}]
    assert query(url, sql, {"window_start": date(2011, 10, 30), "window_end": date(2011, 10, 31)}) == [{"n": 0}]


def test_a_missing_or_doubled_column_is_named(url: str) -> None:
    with pytest.raises(
        SourceMismatch, match=r"due is not there\. The SQL delivers sku, sold_at.* expected sku, sold_at"
    ):
        list(read(url, "SELECT sku, sold_at, note, quantity, price, weight, gift FROM line", {}, COLUMNS))
    with pytest.raises(SourceMismatch, match="x is there 2 times"):
        one(url, "SELECT sku AS x, note AS x FROM line", COLUMNS["note"])


def test_an_unknown_parameter_is_named(url: str) -> None:
    with pytest.raises(SourceMismatch, match=r"asks for :window_ends; known are :window_start, :window_end"):
        read(url, "SELECT 1 WHERE 2 > :window_ends", {"window_start": 1, "window_end": 2}, COLUMNS)


def decimal(scale: int) -> Column:
    return Column(type=ColumnType.DECIMAL, scale=scale, role=Role.MEASURE)


def plain(kind: ColumnType) -> Column:
    return Column(type=kind, role=Role.ATTRIBUTE)


@pytest.mark.parametrize(
    ("expression", "column", "found"),
    [
        ("'abc'", plain(ColumnType.INTEGER), "'abc'"),
        ("'1_000'", plain(ColumnType.INTEGER), "'1_000'"),
        ("''", plain(ColumnType.INTEGER), "''"),
        ("'1.5'", plain(ColumnType.INTEGER), "'1.5'"),
        ("'9223372036854775808'", plain(ColumnType.INTEGER), "9223372036854775808"),
        ("'NaN'", decimal(2), "'NaN'"),
        ("'Infinity'", decimal(2), "'Infinity'"),
        ("'1.2345'", decimal(3), "1.2345"),
        ("'1234567890123456.5'", decimal(3), r"'1234567890123456\.5"),
        ("'one'", plain(ColumnType.FLOAT), "'one'"),
        ("'yes'", plain(ColumnType.BOOLEAN), "'yes'"),
        ("2", plain(ColumnType.BOOLEAN), "2"),
        ("'2011-02-30'", plain(ColumnType.DATE), "'2011-02-30'"),
        ("'2011-02-20 00:00:00'", plain(ColumnType.DATE), "'2011-02-20 00:00:00'"),
        ("'20110220'", plain(ColumnType.DATE), "'20110220'"),
        ("'2011-02-20 08:00:00+00:00'", plain(ColumnType.TIMESTAMP), r"'2011-02-20 08:00:00\+00:00'"),
        ("'2011-02-20 08:00:00.1234567'", plain(ColumnType.TIMESTAMP), r"'2011-02-20 08:00:00\.1234567'"),
        ("'infinity'", plain(ColumnType.TIMESTAMP), "'infinity'"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_column(
    url: str, expression: str, column: Column, found: str
) -> None:
    with pytest.raises(SourceMismatch, match=rf"column x: .*{found}.*; expected {column.type}") as caught:
        one(url, f"SELECT {expression} AS x", column)
    assert "Cast or round it in extract.sql" in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "column", "value"),
    [
        ("'1.5000'", decimal(3), Decimal("1.500")),
        ("'1e2'", decimal(3), Decimal("100.000")),
        ("12", decimal(3), Decimal("12.000")),
        ("12", plain(ColumnType.STRING), "12"),
        ("'2011-02-20'", plain(ColumnType.TIMESTAMP), datetime(2011, 2, 20)),
        ("'2011-02-20 08:30:00.5'", plain(ColumnType.TIMESTAMP), datetime(2011, 2, 20, 8, 30, 0, 500000)),
        ("'t'", plain(ColumnType.BOOLEAN), True),
        ("0", plain(ColumnType.BOOLEAN), False),
        ("7", plain(ColumnType.FLOAT), 7.0),
    ],
)
def test_a_value_that_fits_is_taken_from_another_type(url: str, expression: str, column: Column, value: Any) -> None:
    found = one(url, f"SELECT {expression} AS x", column)
    assert found == [value]
    assert type(found[0]) is type(value)


def test_a_time_with_a_zone_is_refused(postgres_url: str) -> None:
    with pytest.raises(SourceMismatch, match=r"column x: .*timestamp without time zone"):
        one(postgres_url, "SELECT timestamptz '2011-10-31 08:00+00' AS x", plain(ColumnType.TIMESTAMP))


@pytest.mark.parametrize(
    "sql", ["SELECT sku FROM no_such_table", "SELECT FROM WHERE", "SELECT no_such_column FROM line"]
)
def test_wrong_sql_is_permanent(url: str, sql: str) -> None:
    with pytest.raises(SourceMismatch, match="refuses the SQL"):
        list(read(url, sql, {}, {"sku": COLUMNS["sku"]}))
    with pytest.raises(SourceMismatch, match="refuses the SQL"):
        query(url, sql, {})


def test_the_source_cannot_be_written(postgres_url: str) -> None:
    with pytest.raises(SourceMismatch, match="read-only transaction"):
        query(postgres_url, "WITH gone AS (DELETE FROM line RETURNING 1) SELECT count(*) FROM gone", {})
    assert query(postgres_url, "SELECT count(*) AS n FROM line", {}) == [{"n": len(AWKWARD)}]


def test_an_error_midway_is_raised_after_the_rows_before_it(postgres_url: str) -> None:
    sql = "SELECT 10 / (200000 - n) AS x FROM generate_series(1, 300000) n"
    with pytest.raises(SourceMismatch, match="division by zero"):
        list(read(postgres_url, sql, {}, {"x": plain(ColumnType.INTEGER)}))


def test_a_row_that_is_too_long_is_refused(postgres_url: str) -> None:
    long = "SELECT repeat('x', 3 << 20) AS x FROM generate_series(1, 2)"
    with pytest.raises(SourceMismatch, match=r"a row of more than 1 MiB.*expected shorter rows"):
        one(postgres_url, long, plain(ColumnType.STRING))


def test_a_reader_may_leave_early(postgres_url: str) -> None:
    endless = read(postgres_url, "SELECT generate_series(1, 1000000000) AS x", {}, {"x": plain(ColumnType.INTEGER)})
    assert next(endless).num_rows > 0
    endless.close()  # type: ignore[attr-defined]
    busy = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'COPY%1000000000%' AND state = 'active'"
    deadline = time.monotonic() + 20
    while query(postgres_url, busy, {}) != [{"n": 0}]:
        assert time.monotonic() < deadline, "the COPY still runs in the server"
        time.sleep(0.05)


def test_a_slow_source_is_given_up(postgres_url: str) -> None:
    slow = "SELECT pg_sleep(60)::text AS x"
    with pytest.raises(SourceUnavailable, match="statement timeout"):
        list(read(postgres_url, slow, {}, {"x": plain(ColumnType.STRING)}, timeout_seconds=1))


def test_a_connection_that_is_cut_is_transient(server: postgres.Server, postgres_url: str) -> None:
    rows = read(postgres_url, "SELECT generate_series(1, 1000000000) AS x", {}, {"x": plain(ColumnType.INTEGER)})
    next(rows)
    mine = "pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()"
    assert len(query(postgres_url, f"SELECT pg_terminate_backend(pid) FROM {mine}", {})) == 1
    with pytest.raises(SourceUnavailable, match="did not answer"):
        list(rows)


def test_no_message_holds_the_password(server: postgres.Server, tmp_path: Path) -> None:
    wrong = sa.make_url(server.url("postgres")).set(password="hunter2")
    nobody = wrong.set(port=1)
    for url in (wrong, nobody):
        with pytest.raises(SourceUnavailable) as caught:
            query(url.render_as_string(hide_password=False), "SELECT 1", {})
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(SettingMissing) as unread:
        query("postgres hunter2", "SELECT 1", {})
    assert "hunter2" not in str(unread.value)
    with pytest.raises(SourceUnavailable, match="the file is not there"):
        query(f"sqlite:///{tmp_path}/none.db", "SELECT 1", {})
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(SettingMissing, match="driver"):
        query("nosuchdatabase://user:hunter2@host/name", "SELECT 1", {})


@pytest.mark.parametrize(
    ("value", "said"), [("cast(x'c328' AS text)", "Could not decode to UTF-8"), ("'a' || char(0)", "a NUL character")]
)
def test_text_that_is_none_is_no_passing_trouble(sqlite_url: str, value: str, said: str) -> None:
    with pytest.raises(SourceMismatch, match=said):
        list(read(sqlite_url, f"SELECT {value} AS sku", {}, {"sku": COLUMNS["sku"]}))


def test_query_gives_rows_as_mappings(url: str) -> None:
    assert query(url, "SELECT sku, quantity AS n FROM line WHERE sku = :sku", {"sku": "plain"}) == [
        {"sku": "plain", "n": 1}
    ]
