"""`nightcast db`: what would be changed, and changing it, as the tables' owner."""

from __future__ import annotations

from collections.abc import Sequence

from nightcast import spec
from nightcast.domain.pipeline import PipelineFolder
from nightcast.settings import Settings
from nightcast.store import connect, layout, migrate


def plan(settings: Settings, pipeline: str | None) -> None:
    """Print what `apply` would do; changes nothing."""
    with connect.transaction(settings.owner_url) as tx:
        found = migrate.current(tx)
        if found != migrate.HEAD:
            print(f"migrations: would go from {found or 'nothing'} to {migrate.HEAD}; the pipelines' tables come after")
            return
        for folder in _folders(settings, pipeline):
            _print(folder.pipeline.name, layout.plan(tx, folder.pipeline), "would")


def apply(settings: Settings, pipeline: str | None) -> None:
    """Migrate, then make or extend each pipeline's tables."""
    migrate.upgrade(settings.owner_url, settings.analyst_role)
    for folder in _folders(settings, pipeline):
        with connect.transaction(settings.owner_url) as tx:
            _print(folder.pipeline.name, layout.apply(tx, folder.pipeline, settings.analyst_role), "did")


def _folders(settings: Settings, pipeline: str | None) -> list[PipelineFolder]:
    if pipeline:
        return [spec.load_folder(settings.pipelines / pipeline)]
    good, bad = spec.load_all(settings.pipelines)
    for error in bad.values():
        print(f"skipped: {error}")
    return list(good.values())


def _print(name: str, changes: Sequence[layout.Change], verb: str) -> None:
    if not changes:
        print(f"{name}: nothing to do")
    for change in changes:
        print(f"{name}: {verb} {change.summary}")
