"""Predictions into Postgres, visible to readers: the night's own way, beside `DataFrame.to_sql`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Cost, Line, Progress, flatness, in_words, measure, side_by_side
from benchmarks.place import Installation, Place, install

ORIGIN = date(2024, 6, 30)
HORIZON = 14
PIECE = 4096 * HORIZON  # rows; predict hands over such pieces
LONGEST = 300.0  # seconds that a way may be expected to take, or it is measured at the smallest size only


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """Costs at each size, and what the largest takes more than the smallest."""
    found: dict[int, dict[str, Cost]] = {}
    for rows in sizes:
        with_to_sql = rows == sizes[0] or found[sizes[0]]["to_sql"].wall * rows / sizes[0] <= LONGEST
        found[rows] = _at(place, rows, runs if rows == sizes[0] else 1, progress, with_to_sql=with_to_sql)
    made = []
    for rows in sizes:
        made += _compared(rows, found[rows], found[sizes[0]], sizes[0], runs if rows == sizes[0] else 1)
    return made + flatness("publish", found)


def _at(place: Place, rows: int, runs: int, progress: Progress, *, with_to_sql: bool) -> dict[str, Cost]:
    progress(f"publish: {in_words(rows)} predictions, {runs} × each way")
    made = install(place)
    ways: dict[str, Any] = {"ours": lambda: measure(ours, environment=dict(made.environment), rows=rows)}
    if with_to_sql:
        ways["to_sql"] = lambda: measure(to_sql, url=place.database(), rows=rows)
    ways["floor"] = lambda: measure(copy_in, url=place.database(), rows=rows)
    return side_by_side(runs, **ways)


def _compared(rows: int, costs: dict[str, Cost], smallest: dict[str, Cost], of: int, runs: int) -> list[Line]:
    mine, theirs, floor, size = costs["ours"], costs.get("to_sql"), costs["floor"], in_words(rows)
    note, times = "", 1.0
    if theirs is None:
        theirs, times = smallest["to_sql"], rows / of
        note = f"to_sql was measured at {in_words(of)} and multiplied: it would take more than {LONGEST:g} s"
    common: dict[str, Any] = {"subject": "publish", "runs": runs}
    return [
        Line(name=f"publish {size} predictions: CPU", unit="CPU-s", ours=mine.cpu, other=theirs.cpu * times,
             against="DataFrame.to_sql", goal=0.125, note=note, **common),
        Line(name=f"publish {size} predictions: memory", unit="MiB", ours=mine.memory,
             other=None if note else theirs.memory, against="DataFrame.to_sql", **common),
        Line(name=f"publish {size} predictions: CPU", unit="CPU-s", ours=mine.cpu, other=floor.cpu,
             against="COPY of ready bytes", **common),
        Line(name=f"publish {size} predictions: time", unit="s", ours=mine.wall, other=theirs.wall * times,
             against="DataFrame.to_sql", note=note, **common),
    ]  # fmt: skip


def forecasts(rows: int) -> Iterator[pa.Table]:
    """Predictions in pieces as `predict` hands them over: every article on every day of the horizon."""
    for start in range(0, rows, PIECE):
        n = np.arange(start, min(start + PIECE, rows))
        ahead = (n % HORIZON + 1).astype(np.int16)
        mean = (n * 2654435761 % 4294967296) / 2**28
        yield pa.table(
            {
                "sku": pa.array(np.char.mod("SKU%07d", n // HORIZON), pa.string()),
                "target_date": pa.array(np.datetime64(ORIGIN) + ahead, pa.date32()),
                "horizon": ahead,
                "mean": mean,
                "q10": mean * 0.3,
                "q50": mean * 0.9,
                "q90": mean * 1.7,
            }
        )


def kept(rows: int) -> str:
    """The pieces in a file, from which a task reads them: making them is not what is measured."""
    import tempfile

    path = tempfile.mkstemp(prefix="nightcast-bench-", suffix=".arrow")[1]
    pieces = forecasts(rows)
    first = next(pieces)
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)
    return path


def read(path: str) -> Iterator[pa.Table]:
    with pa.OSFile(path) as held, pa.ipc.open_stream(held) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def ours(environment: dict[str, str], rows: int) -> Iterator[None]:
    """Encode, COPY under a run, move the pointer: readers see all of it from one instant on."""
    from pathlib import Path

    from nightcast.store import predictions, publication

    made = Installation(environment)
    pipeline, run_id = made.folder.pipeline, _scored_run(made, rows)
    path = kept(rows)
    yield
    with made.rooms.transaction() as tx:
        predictions.replace_shard(tx, pipeline, run_id, 0, read(path))
    with made.rooms.transaction() as tx:
        published = publication.publish(tx, run_id)
    Path(path).unlink()
    return type(published).__name__


def _scored_run(made: Installation, rows: int) -> int:
    """A night whose predictions alone are missing. Each has inputs of its own, so that each is published."""
    import hashlib

    from nightcast.domain.night import RunKind
    from nightcast.store import models, predictions, runs

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    pipeline, day = made.folder.pipeline, ORIGIN - timedelta(days=1)
    with made.rooms.transaction() as tx:
        if not models.versions(tx, pipeline.name):
            said = {"who": "benchmark", "why": "a night needs a model"}
            models.register(tx, pipeline.name, bundle_digest=digest("bundle"), trained_through=day,
                            training_digest=digest("training"), spec_digest=digest("spec"), **said)  # fmt: skip
            models.promote(tx, pipeline.name, 1, effective_from=day, **said)
        run = runs.open_run(tx, pipeline.name, ORIGIN, RunKind.NIGHT)
        predictions.ensure_partition(tx, pipeline, ORIGIN)
        runs.pin(tx, run.run_id, spec_digest=digest("spec"), model_version=1, manifest_digest=digest("manifest"),
                 input_digest=digest(f"inputs {run.run_id}"), row_digest=digest("rows"))  # fmt: skip
        counts = {"pulled": 0, "accepted": 0, "quarantined": 0, "duplicates": 0}
        runs.count(tx, run.run_id, **counts, expected=rows, predictions=rows)
    return run.run_id


def to_sql(url: str, rows: int) -> Iterator[None]:
    """Into a table without keys, which shows rows while they arrive."""
    import pandas as pd
    import sqlalchemy as sa

    frame = pd.concat([piece.to_pandas() for piece in forecasts(rows)], ignore_index=True)
    frame = frame.assign(run_id=1, shard=0, origin=ORIGIN)
    engine = sa.create_engine(url)
    frame.head(0).to_sql("prediction", engine, index=False)
    yield
    frame.to_sql("prediction", engine, if_exists="append", index=False, chunksize=10_000)
    return len(frame)


def copy_in(url: str, rows: int) -> Iterator[None]:
    """COPY of a file that is there already: nothing that enters Postgres costs its client less."""
    import tempfile
    from pathlib import Path

    from nightcast.store import connect
    from nightcast.store.copying import encode
    from nightcast.store.queries import execute

    path = Path(tempfile.mkstemp(prefix="nightcast-bench-")[1])
    with path.open("wb") as sink:
        for piece in encode(forecasts(rows)):
            sink.write(piece)
    columns = "sku text, target_date date, horizon int2, mean float8, q10 float8, q50 float8, q90 float8"
    connection = connect.connect(url)
    execute(connection, f"CREATE TABLE prediction ({columns})")
    yield
    with connection.cursor() as cursor, path.open("rb") as source:
        cursor.copy_expert("COPY prediction FROM STDIN (FORMAT binary)", source, size=1 << 20)
        copied = cursor.rowcount
    connection.commit()
    path.unlink()
    return copied
