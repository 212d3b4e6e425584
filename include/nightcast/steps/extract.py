"""Copy the window's rows out of the source: one immutable object per event day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from nightcast import source
from nightcast.domain.contract import Sensitive
from nightcast.domain.night import RunKind, Window
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.sensitive import concealed
from nightcast.errors import SourceMismatch
from nightcast.lake import StoredDay, write_days
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, committing, finish, known_at, night_result, over
from nightcast.steps.taking_in import Extracted
from nightcast.store import intake


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Pull every day of the window; hand on those whose rows are new or differ from the newest revision.

    A trial hands on all of them, because its checks may be others. A run whose snapshot is pinned pulls nothing.
    """
    if done := over(night, rooms):
        return done
    with attempt(night, rooms, "extract") as trial:
        window = trial.run.window
        days: list[Extracted] = []
        pulled: Mapping[date, StoredDay] = {}
        if trial.run.manifest_digest is None and window is not None:
            pulled = pull(trial.folder, window, rooms)
            with rooms.transaction() as tx:
                known = intake.newest(tx, trial.run.pipeline, window.start, window.end, known_at=known_at(trial.run))
            days = news(pulled, {} if trial.run.kind is RunKind.TRY else known)
        counts = {"days_read": len(pulled), "rows_read": sum(d.rows for d in pulled.values()), "days_new": len(days)}
        result = {"days": [asdict(d) | {"day": d.day.isoformat()} for d in days]}
        with committing(trial, rooms) as tx:
            finish(tx, trial, counts=counts, result=result)
        return night_result(trial.run, trial.folder, **counts)


def pull(folder: PipelineFolder, window: Window, rooms: Rooms) -> dict[date, StoredDay]:
    """All rows of a window, in the lake: event day -> object. Days without rows are not in it.

    Raises:
        SourceMismatch: rows of other days came too. Of a day that is cut off, they would pass for its restatement.
    """
    days = write_days(rooms.lake, rows_of(folder, window, rooms), folder.pipeline.source)
    if astray := [day for day in days if not window.start <= day <= window.end]:
        raise SourceMismatch(
            f"the source delivered rows of {len(astray)} days outside {window.start} to {window.end}, the first of "
            f"them {astray[0]}; expected none. Compare the time column with :window_start and :window_end in "
            f"extract.sql, in {folder.pipeline.schedule.timezone}"
        )
    return days


def rows_of(folder: PipelineFolder, window: Window, rooms: Rooms) -> Iterator[pa.RecordBatch]:
    """The rows of a window as the source delivers them: of the team's SQL, or of its files; without what is sensitive.

    Raises:
        SettingMissing: pseudonyms are to be made, and NIGHTCAST_HASH_KEY is not set.
    """
    columns = folder.pipeline.source.columns
    if not any(column.sensitive for column in columns.values()):
        return _delivered(folder, window, rooms)
    hashed = any(column.sensitive is Sensitive.HASH for column in columns.values())
    key = rooms.settings.hash_key if hashed else b""
    return (concealed(batch, columns, key) for batch in _delivered(folder, window, rooms))


def _delivered(folder: PipelineFolder, window: Window, rooms: Rooms) -> Iterator[pa.RecordBatch]:
    declared, end = folder.pipeline.source, window.end + timedelta(days=1)
    url = rooms.settings.source_url(declared.connection)
    if declared.files is not None:
        return source.read_files(url, declared.files, window.start, end, declared.columns)
    values = {"window_start": window.start, "window_end": end}
    zone = folder.pipeline.schedule.timezone
    return source.read(url, str(folder.extract_sql), values, declared.columns, timezone=zone)


def news(pulled: Mapping[date, StoredDay], known: Mapping[date, intake.Revision]) -> list[Extracted]:
    """The days that are not yet known, were not accepted, or have other rows than we know: those are restated."""
    found = []
    for day, stored in sorted(pulled.items()):
        old = known.get(day)
        same = old is not None and old.content_digest == stored.content
        if same and old is not None and old.state is not intake.IntakeState.REJECTED:
            continue
        restated = old is not None and old.content_digest is not None and not same
        found.append(
            Extracted(day=day, content=stored.content, raw_object=stored.object, rows=stored.rows, restated=restated)
        )
    return found
