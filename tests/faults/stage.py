"""The installations that faults are played on: prepared once, then copied as they stand before each task of tonight."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from demo.retail_source import Retail, connect
from faults.nights import TASKS, Course, Scheduler
from nightcast.domain.night import RunState
from nightcast.local import postgres
from nightcast.store.queries import rows
from steps.other_sources import METERS, READINGS
from steps.other_worlds import NIGHTS as METERS_NIGHTS
from steps.other_worlds import metered
from steps.world import EARLY, Installation, World, copied, drop, scheduled

TONIGHT = date(2010, 12, 15)  # a Wednesday; what the source has twice, from 1 to 9 December, an import only warns of
BEFORE = (timedelta(days=-2), timedelta(days=-1))  # nights that are published: readers have something to lose
METERS_TONIGHT = METERS_NIGHTS[2]


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """What tonight comes to when nothing goes wrong."""

    digest: str
    checks: frozenset[tuple[str, str]]  # check and state


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Installations before each task of tonight, with what the tasks before it have handed on."""

    tonight: date
    retail: Retail | None  # the source as it is, which nobody changes; None where it is a folder of files
    cluster: Path | None  # of the server, where it is ours to kill
    before: Mapping[str, tuple[Installation, Course]]
    undisturbed: Undisturbed

    @contextmanager
    def at(self, task: str, place: Path, *, source: bool) -> Iterator[tuple[Any, Course]]:
        """A copy as it stands before a task; with `source`, of the source too."""
        world, course = self.before[task]
        with ExitStack() as held:
            made = held.enter_context(copied(world, place, lake=True))
            if source and isinstance(made, World) and self.retail:
                retail = held.enter_context(source_copy(self.retail, made.server))
                made = replace(made, retail=retail, sources={"retail": retail.reader})
            elif source:
                ((name, url),) = made.sources.items()
                shutil.copytree(url.removeprefix("file://"), place / "files")
                made = replace(made, sources={name: f"file://{place / 'files'}"})
            yield made, replace(course, tasks=dict(course.tasks), acted=[])


@contextmanager
def retail_stage(early: World, place: Path, cluster: Path | None = None, tonight: date = TONIGHT) -> Iterator[Stage]:
    """The excerpt's installation after some nights."""
    nights = [tonight + before for before in BEFORE]
    with copied(early, place / "ready", lake=True) as ready:
        ready.import_days(EARLY + timedelta(days=1), nights[0] - timedelta(days=1))
        for origin in nights:
            ready.night(origin, **scheduled(origin))
        ((there,),) = early.retail.query(f"SELECT count(*) FROM sales_line WHERE sold_at::date = '{tonight}'")
        with staged(ready, tonight, place, cluster, there) as made:
            yield made


@contextmanager
def meters_stage(
    server: postgres.Server, place: Path, cluster: Path | None = None, tonight: date = METERS_TONIGHT
) -> Iterator[Stage]:
    """The installation that reads Parquet files, after two nights; moved so that tonight is another day."""
    with (
        metered(server, place, tonight - METERS_TONIGHT) as ready,
        staged(ready, tonight, place, cluster, METERS * READINGS) as made,
    ):
        yield made


@contextmanager
def staged(ready: Installation, tonight: date, place: Path, cluster: Path | None, there: int) -> Iterator[Stage]:
    """Run tonight on a copy, and keep a copy of it before each task. The source has `there` rows of tonight."""
    with ExitStack() as held:
        world = held.enter_context(copied(ready, place / "undisturbed", lake=True))
        scheduler, before = Scheduler(world=world, log=place / "undisturbed.log"), {}
        course = scheduler.begin(tonight)
        for task in TASKS:
            kept = held.enter_context(copied(world, place / f"before_{task}", lake=True))
            before[task] = kept, replace(course, tasks=dict(course.tasks))
            course.tasks[task] = scheduler.task(course, task)
            assert course.tasks[task].state == "success", f"{task} of an undisturbed night: {course.tasks[task]}"
        yield Stage(
            tonight=tonight,
            retail=ready.retail if isinstance(ready, World) else None,
            cluster=cluster,
            before=before,
            undisturbed=_undisturbed(world, course, there),
        )


def _undisturbed(world: Installation, course: Course, there: int) -> Undisturbed:
    run = world.run(dict(course.night or {})["run_id"])
    assert run.state is RunState.PUBLISHED, run
    assert run.pulled == there, f"an undisturbed night pulled {run.pulled} rows; the source has {there} of its day"
    return Undisturbed(digest=str(run.row_digest), checks=frozenset(checks_of(world, run.run_id)))


def checks_of(world: Installation, run_id: int) -> set[tuple[str, str]]:
    """The checks that a run did not pass, with their states."""
    with world.writing() as tx:
        found = rows(tx, f"SELECT check_id, state FROM internal.check_result WHERE run_id = {run_id}")
    return {(r["check_id"], r["state"]) for r in found if r["state"] != "pass"}


@contextmanager
def source_copy(retail: Retail, server: Any) -> Iterator[Retail]:
    """The source in a database of its own, to be changed at will."""
    name = f"retail_{secrets.token_hex(4)}"
    owner, reader = (
        make_url(url).set(database=name).render_as_string(hide_password=False) for url in (retail.owner, retail.reader)
    )
    made = replace(retail, owner=owner, reader=reader)
    fill_source(made, retail, server)
    try:
        yield made
    finally:
        drop(server, name)


def fill_source(made: Retail, retail: Retail, server: Any) -> None:
    """Make the database of a copy of the source anew."""
    name, old = make_url(made.owner).database, make_url(retail.owner)
    with closing(connect(server.url())) as maker:
        maker.autocommit = True
        maker.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        maker.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {old.database} OWNER {old.username}")
