"""Days are days of the pipeline's time zone: over clock changes, far from UTC, and whatever the server's zone is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg2
import pytest

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.errors import SourceMismatch
from nightcast.source import query, read

pytestmark = pytest.mark.postgres

COLUMNS = {
    "sku": Column(type=ColumnType.STRING, role=Role.KEY),
    "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
    "line": Column(type=ColumnType.INTEGER, role=Role.IDENTIFIER),
}
AWARE = """SELECT 'a' AS sku, sold_at::timestamp AS sold_at, line FROM moment
    WHERE sold_at >= :window_start AND sold_at < :window_end"""
NAIVE = "SELECT 'a' AS sku, wall AS sold_at, line FROM {table} WHERE wall >= :window_start AND wall < :window_end"
CHANGES = [  # zone, day of the change, hours that it has
    ("Europe/London", date(2010, 3, 28), 23),
    ("Europe/London", date(2010, 10, 31), 25),
    ("Europe/London", date(2011, 3, 27), 23),
    ("Europe/London", date(2011, 10, 30), 25),
    ("America/New_York", date(2011, 3, 13), 23),
    ("Pacific/Auckland", date(2011, 4, 3), 25),
    ("America/Sao_Paulo", date(2010, 10, 17), 23),  # at midnight: the day begins at one o'clock
    ("Europe/London", date(2012, 2, 29), 24),
    ("Europe/London", date(2011, 12, 31), 24),
]


@pytest.fixture(scope="module")
def moments(server) -> Callable[[str], str]:
    """A function that gives a database with a line every half hour of the three years, whose own zone is another."""
    url = server.url("zones")
    with psycopg2.connect(server.url().replace("+psycopg2", "")) as maker:
        maker.autocommit = True
    maker.cursor().execute("CREATE DATABASE zones")
    maker.cursor().execute("ALTER DATABASE zones SET timezone TO 'Asia/Tokyo'")
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE moment AS SELECT row_number() OVER (ORDER BY at) AS line, at AS sold_at "
            "FROM generate_series('2010-03-01Z'::timestamptz, '2012-03-31Z', '30 minutes') AS at"
        )
        for zone in {zone for zone, _, _ in CHANGES}:
            cursor.execute(
                f"CREATE TABLE {table_of(zone)} AS SELECT line, sold_at AT TIME ZONE %s AS wall FROM moment", (zone,)
            )
    connection.close()
    yield url
    maker.cursor().execute("DROP DATABASE zones WITH (FORCE)")
    maker.close()


def table_of(zone: str) -> str:
    return "wall_" + zone.lower().replace("/", "_")


def rows(url: str, sql: str, first: date, last: date, zone: str) -> dict[int, datetime]:
    """Line -> wall time of the event days from `first` to `last`."""
    values = {"window_start": first, "window_end": last + timedelta(days=1)}
    found = [row for batch in read(url, sql, values, COLUMNS, timezone=zone) for row in batch.to_pylist()]
    assert len({row["line"] for row in found}) == len(found)
    return {row["line"]: row["sold_at"] for row in found}


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
def test_each_day_has_the_rows_of_its_own_hours_and_no_row_is_in_two(
    moments: str, zone: str, day: date, hours: int
) -> None:
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    for sql in (AWARE, NAIVE.format(table=table_of(zone))):
        single = [rows(moments, sql, each, each, zone) for each in days]
        assert [len(found) for found in single] == [48, 2 * hours, 48]
        for each, found in zip(days, single, strict=True):
            assert {at.date() for at in found.values()} == {each}
        assert rows(moments, sql, days[0], days[-1], zone) == {k: v for found in single for k, v in found.items()}
        wall = {line: at.replace(tzinfo=None) for line, at in expected(zone, days).items()}
        assert {k: v for found in single for k, v in found.items()} == wall


def expected(zone: str, days: list[date]) -> dict[int, datetime]:
    """The same from Python's own time zones."""
    begin, found = datetime(2010, 3, 1, tzinfo=UTC), {}
    for line in range(1, 40_000):
        at = (begin + timedelta(minutes=30 * (line - 1))).astimezone(ZoneInfo(zone))
        if at.date() in days:
            found[line] = at
    return found


def test_an_hour_that_comes_twice_is_kept_twice(moments: str) -> None:
    found = Counter(rows(moments, AWARE, date(2010, 10, 31), date(2010, 10, 31), "Europe/London").values())
    twice = sorted(at for at, times in found.items() if times == 2)
    assert [f"{at:%H:%M}" for at in twice] == ["01:00", "01:30"]


def test_a_small_query_has_the_zone_too(moments: str) -> None:
    asked = "SELECT current_setting('timezone') AS zone, :day::timestamptz AS midnight"
    (found,) = query(moments, asked, {"day": date(2011, 7, 1)}, timezone="Pacific/Auckland")
    assert found["zone"] == "Pacific/Auckland"
    assert found["midnight"].astimezone(UTC) == datetime(2011, 6, 30, 12, tzinfo=UTC)


def test_a_time_with_a_zone_is_refused_with_the_cast_that_is_meant(moments: str) -> None:
    bare = AWARE.replace("::timestamp", "")
    with pytest.raises(SourceMismatch, match=r"`sold_at::timestamp` is the wall time in schedule\.timezone"):
        rows(moments, bare, date(2010, 6, 1), date(2010, 6, 1), "Europe/London")
