from __future__ import annotations

import csv
import lzma
from collections import Counter
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg2
import pytest

from demo.retail_source import EXCERPT, Retail, bound, connect, load, make_roles_and_database, wall_time
from nightcast.demo import source
from nightcast.errors import Permanent
from nightcast.local import postgres

pytestmark = pytest.mark.postgres
HEADER = ",".join(source.COLUMNS) + "\n"


def written(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_bytes(lzma.compress((header + "".join(f"{line}\n" for line in lines)).encode()))
    return path


def test_every_line_of_the_file_arrives_unchanged(retail: Retail) -> None:
    with lzma.open(EXCERPT, "rt", newline="") as file:
        expected = [
            (
                *(r["Invoice"], r["StockCode"], r["Description"] or None, int(r["Quantity"])),
                *(wall_time(r["InvoiceDate"]), Decimal(r["Price"])),
                *(int(float(r["Customer ID"])) if r["Customer ID"] else None, r["Country"]),
            )
            for r in csv.DictReader(file)
        ]
    found = retail.query(
        "SELECT invoice, stock_code, description, quantity, sold_at, price, customer_id, country "
        "FROM sales_line ORDER BY line"
    )
    assert found == expected
    assert retail.loaded.lines == len(expected) == 70_942
    assert (retail.loaded.first_day, retail.loaded.last_day) == (date(2009, 12, 1), date(2011, 12, 9))


def test_deliveries_are_the_two_sheets(retail: Retail) -> None:
    by_delivery = retail.query(
        "SELECT delivery, min(sold_at)::date, max(sold_at)::date, min(line), max(line) FROM sales_line "
        "GROUP BY 1 ORDER BY 1"
    )
    assert by_delivery == [
        (1, date(2009, 12, 1), date(2010, 12, 9), 1, 36_045),
        (2, date(2010, 12, 1), date(2011, 12, 9), 36_046, 70_942),
    ]
    lines = retail.query(
        "SELECT delivery, invoice, stock_code, quantity, sold_at, price FROM sales_line "
        "WHERE sold_at >= '2010-12-01' AND sold_at < '2010-12-10'"
    )
    first, second = (Counter(line[1:] for line in lines if line[0] == n) for n in (1, 2))
    assert first == second
    assert first.total() == 1548


@pytest.mark.parametrize("cuts", [[], [1], [2], [3], [1, 2, 3, 4]])
def test_deliveries_do_not_depend_on_chunks(cuts: list[int]) -> None:
    day = source.DAY_SECONDS
    times = np.array([10 * day, 12 * day, 11 * day, 9 * day, 30 * day])  # a day back is noise, two are a sheet
    found: list[int] = []
    delivery, latest = 1, None
    for part in np.split(times, cuts):
        found += source._deliveries(part, delivery, latest).tolist()
        delivery, latest = found[-1], int(part[-1])
    assert found == [1, 1, 1, 2, 2]


def test_dates_move_by_whole_weeks_and_the_season_stays(server: postgres.Server, tmp_path: Path) -> None:
    path = written(tmp_path / "f.xz", '1,85048,"A ""B"", C",12,12/24/2009 7:45,6.95,13085.0,United Kingdom')
    with make_roles_and_database(server) as (owner, reader):
        loaded = load(owner, reader, path, 7 * 850)
        moved = date(2009, 12, 24) + timedelta(days=7 * 850)
        assert (loaded.first_day, loaded.last_day, loaded.shift_days) == (moved, moved, 7 * 850)
        with closing(connect(owner)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT sold_at, description FROM raw_line")
            assert cursor.fetchall() == [(wall_time(f"{moved:%m/%d/%Y} 7:45"), 'A "B", C')]
            cursor.execute("SELECT * FROM trading_calendar ORDER BY day LIMIT 1")
            assert cursor.fetchone() == (moved, False, "Christmas break", 358, 24, 0)
            cursor.execute("SELECT max(day) - min(day), count(*) FROM trading_calendar")
            assert cursor.fetchone() == (120, 121)


def test_a_shift_that_is_not_whole_weeks_is_refused() -> None:
    with pytest.raises(Permanent, match="expected a multiple of 7"):
        source.load("postgresql://unused", "unused", EXCERPT, 8)


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        ("Invoice,StockCode\n", "1,2", "expected \\['Invoice'"),
        (HEADER, "1,2,3,4,12/1/2009 7:45,1.2345,13085.0,UK", "not the published table"),  # a price is never rounded
        (HEADER, "1,2,3,many,12/1/2009 7:45,1,13085.0,UK", "not the published table"),
        (HEADER, "1,2,3,4,2009-12-01 07:45,1,13085.0,UK", "not the published table"),
    ],
)
def test_another_table_is_refused_and_leaves_nothing(
    server: postgres.Server, tmp_path: Path, header: str, line: str, said: str
) -> None:
    path = written(tmp_path / "f.xz", line, header=header)
    with make_roles_and_database(server) as (owner, reader):
        with pytest.raises(Permanent, match=said):
            load(owner, reader, path, 0)
        assert source.loaded(owner) is None


def test_loading_again_changes_nothing_and_another_shift_replaces(server: postgres.Server, tmp_path: Path) -> None:
    path = written(tmp_path / "f.xz", "1,2,3,4,12/1/2009 7:45,1,13085.0,UK")
    with make_roles_and_database(server) as (owner, reader):

        def oid() -> int:
            with closing(connect(owner)) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 'raw_line'::regclass::oid::int")
                return int(cursor.fetchone()[0])

        assert not load(owner, reader, path, 0).repeated
        before = oid()
        assert load(owner, reader, path, 0).repeated
        assert oid() == before
        moved = load(owner, reader, path, 7)
        assert not moved.repeated
        assert (moved.first_day, moved.shift_days) == (date(2009, 12, 8), 7)
        assert source.loaded(owner) == moved


def test_only_lines_up_to_now_are_seen(retail: Retail) -> None:
    noon = wall_time("11/1/2011 12:00")
    before = retail.query("SELECT count(*) FROM sales_line")
    source.set_now(retail.owner, noon)
    try:
        seen, latest = retail.query("SELECT count(*), max(sold_at) FROM sales_line")[0]
        all_until, of_day = retail.query(
            "SELECT count(*) FILTER (WHERE sold_at <= '2011-11-01 12:00'), "
            "count(*) FILTER (WHERE sold_at > '2011-11-01 12:00' AND sold_at < '2011-11-02') FROM raw_line",
            retail.owner,
        )[0]
        assert seen == all_until
        assert of_day > 0
        assert wall_time("11/1/2011 0:00") < latest <= noon
    finally:
        source.set_now(retail.owner, None)
    assert retail.query("SELECT count(*) FROM sales_line") == before


def test_now_is_london_wall_time(server: postgres.Server, tmp_path: Path) -> None:
    """A line half an hour ahead of London's clock is not there, one that is half an hour old is."""
    path = written(tmp_path / "f.xz", "1,2,3,4,12/1/2009 7:45,1,,UK", "2,2,3,4,12/1/2009 7:46,1,,UK")
    with make_roles_and_database(server) as (owner, reader):
        load(owner, reader, path, 0)
        with closing(connect(owner)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("SET timezone = 'Pacific/Kiritimati'")
            cursor.execute(
                "UPDATE raw_line SET sold_at = (now() AT TIME ZONE 'Europe/London') "
                "+ CASE line WHEN 1 THEN -1 ELSE 1 END * interval '30 minutes'"
            )
            cursor.execute("SELECT invoice FROM sales_line")
            assert cursor.fetchall() == [("1",)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM raw_line",
        "SELECT 1 FROM replay",
        "UPDATE replay SET now_override = NULL",
        "INSERT INTO trading_calendar SELECT * FROM trading_calendar",
        "DELETE FROM sales_line",
        "CREATE TABLE mine (n int)",
    ],
)
def test_the_reader_may_not(retail: Retail, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        retail.query(statement)


def test_everything_has_a_comment(retail: Retail) -> None:
    bare = retail.query(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND NOT a.attisdropped "
        "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)"
    )
    assert bare == []


def test_a_window_is_served_by_the_index(retail: Retail) -> None:
    plan = retail.query("EXPLAIN " + bound("extract.sql", date(2011, 12, 5), date(2011, 12, 6)))
    assert any("raw_line_sold_at" in row[0] for row in plan)
