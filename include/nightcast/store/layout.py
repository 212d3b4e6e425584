"""A pipeline's own tables and views: what is missing, making it, and whether a night's spec fits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors as pg
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.pipeline import Pipeline
from nightcast.errors import TablesDoNotFit
from nightcast.store import ddl, migrate, tables
from nightcast.store.queries import Row, as_json, execute, load, lock_pipeline, row, rows
from nightcast.store.schedule import weekdays
from nightcast.store.tables import Tables

_SQL = load("layout")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that `apply` would do: a line for people, and the statement."""

    summary: str
    statement: str
    needed: bool = True  # a night cannot run without it


def plan(tx: Connection, pipeline: Pipeline) -> list[Change]:
    """What `apply` would do for this spec; empty when all is there.

    Raises:
        TablesDoNotFit: the spec breaks the tables there are (key, type or target) and needs the next `version`.
    """
    _require_migrations(tx)
    wanted = tables.of(pipeline)
    stored = row(tx, _SQL["registered"], {"name": pipeline.name})
    _refuse_older(stored, wanted)
    have = _columns(tx, wanted)
    _refuse_breaking(stored, have, wanted)
    shown = _shown_quantiles(have, wanted)
    changes = _table_changes(tx, have, wanted)
    views = [statement.as_string(tx) for statement in ddl.views(wanted, shown)]
    layout = _layout(wanted, hashlib.sha256("\n".join(views).encode()).hexdigest())
    if not stored or stored["layout"] != layout or not _views_are_there(tx, wanted):
        drop = [statement.as_string(tx) for statement in ddl.drop_views(wanted)]
        there = _views_are_there(tx, wanted)
        summary = f"make the views forecast.{pipeline.name}… {'anew' if there else ''}".strip()
        changes.append(Change(summary=summary, statement=";\n".join([*drop, *views]), needed=not there))
    changes += _registration(tx, stored, _facts(pipeline, layout))
    return changes


def apply(tx: Connection, pipeline: Pipeline, analyst_role: str = "analyst") -> list[Change]:
    """Make the tables, views, comments and grants of a spec, as their owner; what was done.

    Additive changes are made in place. Grants are renewed every time, so that a new analyst role gets its rights.

    Raises:
        TablesDoNotFit: the spec breaks the tables there are; or somebody else's view depends on one of ours.
    """
    lock_pipeline(tx, pipeline.name)
    changes = plan(tx, pipeline)
    try:
        for change in changes:
            execute(tx, change.statement)
    except pg.DependentObjectsStillExist as error:
        raise TablesDoNotFit(
            f"the views of {pipeline.name} cannot be replaced, others are built on them: {error.diag.message_detail}. "
            "Drop those, run `nightcast db apply` and make them again"
        ) from error
    for statement in ddl.grants(tables.of(pipeline), analyst_role):
        execute(tx, statement)
    return changes


def fits(tx: Connection, pipeline: Pipeline) -> Tables:
    """The pipeline's tables, if a night of this spec can run on them.

    Raises:
        TablesDoNotFit: it cannot; the message names the command that makes it fit.
    """
    missing = [change.summary for change in plan(tx, pipeline) if change.needed]
    if missing:
        raise TablesDoNotFit(
            f"the database has no fitting tables for {pipeline.name} version {pipeline.version}: "
            f"{'; '.join(missing)}. Run `nightcast db apply` (`nightcast db plan` shows what it would do)"
        )
    return tables.of(pipeline)


def registered(tx: Connection) -> list[Row]:
    """All pipelines that were ever applied, as rows of internal.pipeline."""
    return rows(tx, _SQL["all_registered"])


def _require_migrations(tx: Connection) -> None:
    found = migrate.current(tx)
    if found != migrate.HEAD:
        raise TablesDoNotFit(
            f"the database is at migration {found or '(none)'}, this code expects {migrate.HEAD}. "
            "Run `nightcast db apply` with the same version of the code"
        )


def _refuse_older(stored: Row | None, wanted: Tables) -> None:
    if stored and stored["version"] > wanted.version:
        raise TablesDoNotFit(
            f"{wanted.pipeline} has tables of version {stored['version']}, its spec says {wanted.version}; "
            f"expected version: {stored['version']} or higher in pipeline.yaml"
        )


def _refuse_breaking(stored: Row | None, have: dict[str, str], wanted: Tables) -> None:
    """Another key, type or target under the same version is another table."""
    if not have or not stored or stored["version"] != wanted.version:
        return
    old = stored["layout"]
    broken = [
        f"{what} was {before}, is {after}"
        for what, before, after in (
            ("the key", _spelled(old["keys"]), _spelled(wanted.keys)),
            ("the target", old["target"], wanted.target),
        )
        if before != after
    ]
    if broken:
        raise TablesDoNotFit(
            f"the spec of {wanted.pipeline} no longer fits its tables: {'; '.join(broken)}. "
            f"Set version: {wanted.version + 1} in pipeline.yaml and run `nightcast db apply`: it makes new tables "
            "behind the same views"
        )


def _spelled(keys: Any) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in keys)


def _columns(tx: Connection, wanted: Tables) -> dict[str, str]:
    found = rows(tx, _SQL["columns"], {"relation": f"internal.{wanted.prediction}"})
    return {column["name"]: column["type"] for column in found}


def _shown_quantiles(have: dict[str, str], wanted: Tables) -> tuple[str, ...]:
    """A quantile that left the spec stays in the table and in the views: its past nights have it."""
    fixed = {"run_id", "shard", "origin", "target_date", "horizon", "mean", "source", *wanted.key_names}
    return tuple(sorted(set(wanted.quantiles) | (set(have) - fixed)))


def _table_changes(tx: Connection, have: dict[str, str], wanted: Tables) -> list[Change]:
    if not have:
        statement = ";\n".join(made.as_string(tx) for made in ddl.create(wanted))
        summary = f"create internal.{wanted.prediction} and internal.{wanted.actual}"
        return [Change(summary=summary, statement=statement)]
    return [
        Change(
            summary=f"add column {column} to internal.{wanted.prediction}",
            statement=";\n".join(made.as_string(tx) for made in ddl.add_quantile(wanted, column)),
        )
        for column in wanted.quantiles
        if column not in have
    ]


def _views_are_there(tx: Connection, wanted: Tables) -> bool:
    names = [f"{wanted.pipeline}{view}" for view in tables.VIEWS]
    return len(rows(tx, _SQL["existing_views"], {"names": names})) == len(names)


def _layout(wanted: Tables, views: str) -> dict[str, Any]:
    return {"keys": [list(key) for key in wanted.keys], "target": wanted.target, "views": views}


def _facts(pipeline: Pipeline, layout: dict[str, Any]) -> Row:
    schedule = pipeline.schedule
    return {
        "name": pipeline.name,
        "version": pipeline.version,
        "layout": layout,
        "title": pipeline.title,
        "owner": pipeline.owner,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "fires_on": weekdays(schedule.cron),
        "first_night": schedule.first_night,
        "ready_by": schedule.ready_by,
        "late_arrival": pipeline.source.late_arrival,
    }


def _registration(tx: Connection, stored: Row | None, facts: Row) -> list[Change]:
    differing = [name for name in facts if not stored or stored[name] != facts[name]]
    if not differing:
        return []
    with tx.cursor() as cursor:
        statement = cursor.mogrify(_SQL["register"], facts | {"layout": as_json(facts["layout"])}).decode()
    what = f"update {', '.join(differing)} of" if stored else "register"
    needed = not stored or stored["version"] != facts["version"]
    return [Change(summary=f"{what} {facts['name']} in internal.pipeline", statement=statement, needed=needed)]
