"""Removing on purpose, as the tables' owner: somebody's rows, or rows whose time is over; and what is left to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.pipeline import Pipeline
from nightcast.errors import NightRefused
from nightcast.store.queries import Row, as_json, execute, load, lock, lock_pipeline, rows, the_row
from nightcast.store.tables import internal

_SQL = load("removals")
_HANDED_ON = ("extract", "validate", "build_training_set")  # steps whose results name objects and snapshots

Values = Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Removal:
    """A recorded removal. `subject` is a keyed digest: it names nobody."""

    removal_id: int
    pipeline: str
    kind: str
    subject: str | None
    columns: list[str]
    who: str
    why: str
    removed_at: datetime
    first_day: date | None
    last_day: date | None
    counts: Mapping[str, int]
    runs: list[int]
    objects: list[str]
    done_at: datetime | None

    @property
    def said(self) -> str:
        """What was done, by whom and why, in the middle of a sentence."""
        return f"{self.kind} on {self.removed_at:%Y-%m-%d} by {self.who} ({self.why})"


def begin(tx: Connection, pipeline: str) -> None:
    """Wait for whoever publishes or takes in days of a pipeline, and keep others waiting until the end.

    Raises:
        NightRefused: a run of the pipeline is at work: it may hold in memory what is about to be removed.
    """
    execute(tx, _SQL["unhurried"])
    lock_pipeline(tx, pipeline)
    lock(tx, "intake", pipeline)
    at_work = [str(found["run_id"]) for found in rows(tx, _SQL["at_work"], {"pipeline": pipeline})]
    if at_work:
        raise NightRefused(
            f"run {', '.join(at_work)} of {pipeline} is at work; expected none, it may hold what is to go. Wait "
            "until it has ended (`nightcast runs --all`)"
        )


def revisions(tx: Connection, pipeline: str) -> list[Row]:
    """event_day, revision, raw_object, content_digest, panel_object and panel_digest of every revision of a day."""
    return rows(tx, _SQL["revisions"], {"pipeline": pipeline})


def extracted(tx: Connection, pipeline: str) -> list[Row]:
    """event_day and raw_object of every day that a run has read, also where it was never taken in."""
    return rows(tx, _SQL["extracted"], {"pipeline": pipeline})


def set_raw(tx: Connection, pipeline: str, old: str, raw_object: str, content: str) -> None:
    """Another object with the rows of a day."""
    execute(tx, _SQL["set_raw"], {"pipeline": pipeline, "old": old, "raw_object": raw_object, "content": content})


def set_panel(
    tx: Connection, pipeline: str, day: date, old: str, panel_object: str, panel: str, totals: Mapping[str, int]
) -> None:
    """Another panel of a day, wherever the one of object `old` is referred to."""
    what = {"pipeline": pipeline, "event_day": day, "old": old, "panel_object": panel_object, "panel": panel}
    execute(tx, _SQL["set_panel"], {**what, "totals": as_json(totals)})


def set_recorded(tx: Connection, pipeline: str, day: date, old: str, panel: str) -> None:
    """The actuals of a day are those of the panel that replaces `old`."""
    execute(tx, _SQL["set_recorded"], {"pipeline": pipeline, "event_day": day, "old": old, "panel": panel})


def results(tx: Connection, pipeline: str) -> list[Row]:
    """What steps handed on that names objects: run_id, step, shard, attempt, and `result` as JSON text."""
    return rows(tx, _SQL["results"], {"pipeline": pipeline, "steps": list(_HANDED_ON)})


def set_result(tx: Connection, step: Mapping[str, Any]) -> None:
    """Another result of a step; `step` is a row of `results`."""
    execute(tx, _SQL["set_result"], step)


def snapshots(tx: Connection, pipeline: str) -> dict[int, str]:
    """Run -> digest of its manifest."""
    return {f["run_id"]: f["manifest_digest"] for f in rows(tx, _SQL["snapshots"], {"pipeline": pipeline})}


def set_snapshot(tx: Connection, pipeline: str, old: str, new: str) -> None:
    """Another manifest, for runs and for what was trained on it."""
    for query in ("set_snapshot", "set_training"):
        execute(tx, _SQL[query], {"pipeline": pipeline, "old": old, "new": new})


def delete_forecasts(tx: Connection, pipeline: Pipeline, keys: Values) -> tuple[dict[int, int], int]:
    """Delete an entity's predictions and actuals: rows per run, and actuals."""
    its = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Literal(value)) for name, value in keys.items()
    )
    tables = _tables(tx, pipeline, "actual")
    actuals = sum(execute(tx, sql.SQL(_SQL["delete_actuals"]).format(table=t, its=its)) for t in tables)
    return _delete_predictions(tx, pipeline, its), actuals


def expire_predictions(tx: Connection, pipeline: Pipeline, before: date) -> dict[int, int]:
    """Delete the predictions of origins before a day: rows per run."""
    its = sql.SQL("{} < {}").format(sql.Identifier("t", "origin"), sql.Literal(before))
    return _delete_predictions(tx, pipeline, its)


def _delete_predictions(tx: Connection, pipeline: Pipeline, its: sql.Composable) -> dict[int, int]:
    gone: dict[int, int] = {}
    for table in _tables(tx, pipeline, "prediction"):
        deleted = rows(tx, sql.SQL(_SQL["delete_predictions"]).format(table=table, its=its))
        gone |= {each["run_id"]: each["rows"] for each in deleted}
    for run_id, count in gone.items():
        execute(tx, _SQL["fewer_predictions"], {"run_id": run_id, "rows": count})
    return gone


def _tables(tx: Connection, pipeline: Pipeline, stem: str) -> list[sql.Identifier]:
    """The tables of every version that the pipeline has had."""
    versions = range(1, pipeline.version + 1)
    names = [f"{stem}_{pipeline.name}" + (f"_v{number}" if number > 1 else "") for number in versions]
    return [internal(found["name"]) for found in rows(tx, _SQL["tables"], {"names": names})]


def models_of(tx: Connection, pipeline: str, runs: Sequence[int]) -> list[int]:
    """Model versions that were trained on the snapshot of one of these runs."""
    found = rows(tx, _SQL["models_of"], {"pipeline": pipeline, "runs": list(runs)})
    return [each["version"] for each in found]


def expire_rows(tx: Connection, pipeline: str, before: date) -> tuple[list[str], dict[str, int]]:
    """Forget where the rows of event days before a day lie, and delete what was set aside: objects, and counts."""
    what = {"pipeline": pipeline, "before": before}
    objects = [found["raw_object"] for found in rows(tx, _SQL["expire_raw"], what)]
    quarantined = execute(tx, _SQL["expire_quarantined"], what)
    samples = execute(tx, _SQL["expire_samples"], what)
    return objects, {"days": len(objects), "quarantined": quarantined, "samples": samples}


def yardsticks(tx: Connection, pipeline: str) -> list[str]:
    """Every yardstick that nights are measured by."""
    return [found["yardstick"] for found in rows(tx, _SQL["yardsticks"], {"pipeline": pipeline})]


def set_yardstick(tx: Connection, pipeline: str, old: str, new: str) -> None:
    """Another yardstick in the place of `old`."""
    execute(tx, _SQL["set_yardstick"], {"pipeline": pipeline, "old": old, "new": new})


def delete_slices(tx: Connection, pipeline: str, slices: Sequence[str]) -> int:
    """Delete scores of slices that are somebody's alone."""
    return execute(tx, _SQL["delete_slices"], {"pipeline": pipeline, "slices": list(slices)})


def delete_quarantined(tx: Connection, pipeline: str, values: Values) -> int:
    """Delete rows that were set aside."""
    return execute(tx, _SQL["delete_quarantined"], {"pipeline": pipeline, "subject": as_json(values)})


def clean_texts(tx: Connection, pipeline: str, values: Values, texts: Sequence[str], pattern: str | None) -> None:
    """Take somebody out of the samples and messages of checks and errors: `pattern` finds a name in a text."""
    what = {"pipeline": pipeline, "subject": as_json(values), "texts": list(texts), "pattern": pattern}
    execute(tx, _SQL["clean_samples"], what)
    for query in ("clean_checks", "clean_steps", "clean_runs", "clean_decisions") if pattern else ():
        execute(tx, _SQL[query], what)


def record(tx: Connection, **found: Any) -> Removal:
    """Write down a removal: the columns of internal.removal that are not given by the table itself."""
    given = found | {"counts": as_json(found["counts"])}
    return Removal(**cast(Any, the_row(tx, _SQL["record"], given)))


def undone(tx: Connection) -> list[Removal]:
    """Removals some of whose objects may still be in the lake."""
    return [Removal(**found) for found in rows(tx, _SQL["undone"])]


def still_wanted(tx: Connection, objects: Sequence[str]) -> set[str]:
    """Those of some objects that something still refers to: equal bytes are one object."""
    return {found["object"] for found in rows(tx, _SQL["still_wanted"], {"objects": list(objects)})}


def mentioned(tx: Connection, objects: Sequence[str]) -> set[str]:
    """Those of some objects that a step of any pipeline hands on, or that are a model."""
    return {found["object"] for found in rows(tx, _SQL["mentioned"], {"objects": list(objects)})} if objects else set()


def done(tx: Connection, removal_id: int) -> None:
    """The objects of a removal are deleted."""
    execute(tx, _SQL["done"], {"removal_id": removal_id})


def of_run(tx: Connection, run_id: int) -> list[Removal]:
    """Removals that took something of a run, oldest first."""
    return [Removal(**found) for found in rows(tx, _SQL["of_run"], {"run_id": run_id})]
