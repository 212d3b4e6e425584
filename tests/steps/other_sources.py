"""Sources of the pipelines in tests/pipelines: rides in Postgres, meters in Parquet files. The same rows every time."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from demo.retail_source import connect

START, END = date(2023, 9, 18), date(2024, 6, 30)  # of the rides; the last day that a source will ever have
METERED = date(2024, 2, 26)  # the first day of the meters
STATIONS, HOURS = 30, (6, 8, 12, 17, 20)
METERS, READINGS = 24, 4
OPENED, CLOSED = (30, date(2024, 6, 1)), (29, date(2024, 5, 1))  # a station's number, and the day

SCHEMA = """
CREATE TABLE hourly_count (
    station_id int, direction text, hour timestamp, trips int, electric int, minutes numeric(9, 1)
);
CREATE INDEX ON hourly_count (hour);
"""


@dataclass(frozen=True)
class Rides:
    """The rows of `bike_rides`' source, and where they are: `owner` may change them, `reader` is what nights get."""

    rows: pa.Table
    owner: str
    reader: str


def rides() -> pa.Table:
    """Trips per station, direction and hour: busy on working days, in the morning out, in the evening in."""
    rng = np.random.default_rng(20240616)
    days = np.arange(np.datetime64(START), np.datetime64(END) + 1)
    level = rng.gamma(2.0, 3.0, STATIONS) + 1.0
    week = np.where((days.astype(np.int64) + 3) % 7 < 5, 1.2, 0.5)
    season = 1 + 0.3 * np.sin((days - days[0]).astype(np.int64) / 365 * 2 * np.pi)
    hours = np.array([[0.6, 1.5, 0.9, 0.8, 0.4], [0.3, 0.7, 0.9, 1.6, 0.8]])  # out, in
    rate = np.einsum("s,d,rh->sdrh", level, week * season, hours)
    station, day, direction, hour = np.indices(rate.shape)
    number, at = station + 1, days[day]
    there = ((number != OPENED[0]) | (at >= np.datetime64(OPENED[1]))) & (
        (number != CLOSED[0]) | (at < np.datetime64(CLOSED[1]))
    )
    trips = rng.poisson(rate) * there
    some = trips > 0
    minutes = np.round(rng.gamma(4.0, 3.0, rate.shape) * trips, 1)
    known = rng.random(rate.shape) < 0.97
    return pa.table(
        {
            "station_id": number[some],
            "direction": np.array(["out", "in"])[direction[some]],
            "hour": at[some].astype("datetime64[s]") + np.array(HOURS)[hour[some]] * np.timedelta64(3600, "s"),
            "trips": trips[some],
            "electric": rng.binomial(trips[some], 0.4),
            "minutes": pa.array(minutes[some], mask=~known[some]),
        }
    )


def load_rides(owner: str, reader: str) -> Rides:
    """The rows in a database of their own."""
    made = Rides(rides(), owner, reader)
    with closing(connect(owner)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA + f"GRANT SELECT ON hourly_count TO {reader.split('//')[1].split(':')[0]}")
        text = io.BytesIO()
        pyarrow.csv.write_csv(made.rows, text, pyarrow.csv.WriteOptions(include_header=False, quoting_style="none"))
        text.seek(0)
        cursor.copy_expert("COPY hourly_count FROM STDIN (FORMAT csv)", text)
    return made


def meters() -> pa.Table:
    """Watt-hours per meter and quarter of a day: most in the evening, less at weekends, more in winter."""
    rng = np.random.default_rng(20240617)
    days = np.arange(np.datetime64(METERED), np.datetime64(END) + 1)
    level = rng.gamma(3.0, 500.0, METERS) + 200.0
    week = np.where((days.astype(np.int64) + 3) % 7 < 5, 1.0, 0.8)
    season = 1 + 0.25 * np.cos((days - np.datetime64("2024-01-15")).astype(np.int64) / 365 * 2 * np.pi)
    rate = np.einsum("m,d,q->mdq", level, week * season, np.array([0.5, 1.0, 0.9, 1.6]))
    meter, day, quarter = np.indices(rate.shape)
    return pa.table(
        {
            "meter": [f"GB-{n:04d}" for n in meter.ravel()],
            "read_at": pa.array(
                (days[day].astype("datetime64[s]") + (quarter * 6 + 5) * np.timedelta64(3600, "s")).ravel(),
                type=pa.timestamp("ns"),
            ),
            "watt_hours": np.round(rate * rng.gamma(50.0, 1 / 50.0, rate.shape)).astype(np.int32).ravel(),
            "feeder": pa.array(np.array(["north", "south"])[(meter % 2).ravel()]).dictionary_encode(),
        }
    )


def write_meters(url: str, first: date = METERED, last: date = END, later: timedelta = timedelta()) -> None:
    """A folder per day with two files, as two feeders would write them; all of it by some days later, or earlier."""
    files, root = fsspec.core.url_to_fs(url)
    rows = meters()
    rows = rows.set_column(1, "read_at", pc.add(rows["read_at"], pa.scalar(later)))
    day_of = rows["read_at"].to_numpy().astype("datetime64[D]")
    north = np.array(rows["feeder"].to_pylist()) == "north"
    for n in range((last - first).days + 1):
        day = first + later + timedelta(days=n)
        for name, feeder in (("north", north), ("south", ~north)):
            part = rows.filter(pa.array((day_of == np.datetime64(day)) & feeder))
            sink = io.BytesIO()
            pq.write_table(part, sink)
            path = f"{root}/readings/day={day}/{name}.parquet"
            files.makedirs(path.rpartition("/")[0], exist_ok=True)
            files.pipe_file(path, sink.getvalue())


def sums(rows: pa.Table, time: str, keys: list[str], value: str) -> dict[tuple[Any, ...], int]:
    """Total of a column per key and day, computed by pandas rather than by the engine."""
    frame = rows.to_pandas()
    frame["day"] = frame[time].dt.date
    found = frame.groupby([*keys, "day"], observed=True)[value].sum()
    return {key: int(total) for key, total in found.items()}
