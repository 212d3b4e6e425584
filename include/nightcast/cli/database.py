"""`nightcast db`: what would be changed, and changing it, as the tables' owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nightcast import spec
from nightcast.domain.pipeline import Pipeline
from nightcast.settings import Settings
from nightcast.store import connect, layout, migrate


def plan(settings: Settings, pipeline: str | None) -> None:
    """Print what `apply` would do; changes nothing."""
    with connect.transaction(settings.owner_url) as tx:
        found = migrate.current(tx)
        if found != migrate.HEAD:
            print(f"migrations: would go from {found or 'nothing'} to {migrate.HEAD}; the pipelines' tables come after")
            return
        for declared in _pipelines(settings, pipeline):
            _print(declared.name, layout.plan(tx, declared), "would")


def apply(settings: Settings, pipeline: str | None) -> None:
    """Migrate, then make or extend each pipeline's tables."""
    migrate.upgrade(settings.owner_url, settings.analyst_role)
    for declared in _pipelines(settings, pipeline):
        with connect.transaction(settings.owner_url) as tx:
            _print(declared.name, layout.apply(tx, declared, settings.analyst_role), "did")


def _pipelines(settings: Settings, pipeline: str | None) -> list[Pipeline]:
    """What is declared, with the first night that the environment may put in the place of the declared one."""
    good, bad = spec.load_all(settings.pipelines) if pipeline is None else ({}, {})
    if pipeline:
        good = {pipeline: spec.load_folder(settings.pipelines / pipeline)}
    for error in bad.values():
        print(f"skipped: {error}")
    return [_with_first_night(folder.pipeline, settings) for folder in good.values()]


def _with_first_night(pipeline: Pipeline, settings: Settings) -> Pipeline:
    replaced = settings.first_night(pipeline.name)
    if not replaced:
        return pipeline
    return replace(pipeline, schedule=replace(pipeline.schedule, first_night=replaced))


def _print(name: str, changes: Sequence[layout.Change], verb: str) -> None:
    if not changes:
        print(f"{name}: nothing to do")
    for change in changes:
        print(f"{name}: {verb} {change.summary}")
