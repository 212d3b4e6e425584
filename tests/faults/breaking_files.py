"""Files: the lake's objects, the model's bundle, the pipeline's folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from faults import hostile
from faults.breaking_postgres import mount
from faults.scene import Scene
from nightcast.lake import Lake

WHERE = {  # an object -> the query that names it
    "bundle": "SELECT bundle_digest AS digest FROM internal.model_version WHERE state = 'live'",
    "panel": "SELECT panel_object AS digest FROM internal.intake WHERE event_day = '{yesterday}'",
    "spec": "SELECT spec_digest AS digest FROM internal.run WHERE run_id = {run}",
    "manifest": "SELECT manifest_digest AS digest FROM internal.run WHERE run_id = {run}",
    "raw": "SELECT result -> 'days' -> -1 ->> 'raw_object' AS digest FROM internal.run_step "
    "WHERE run_id = {run} AND step = 'extract'",
}


@contextmanager
def object_(scene: Scene, what: Mapping[str, str]) -> Iterator[None]:
    """An object of the lake is gone, truncated, another one, or has one bit flipped; healed from a backup."""
    path = _file(scene, _digest(scene, what["which"]))
    good = path.read_bytes()
    bad = bytearray(good)
    bad[len(good) // 2] ^= 1
    if what["how"] == "gone":
        path.unlink()
    elif what["how"] == "swapped":
        path.write_bytes(_file(scene, _digest(scene, "panel" if what["which"] != "panel" else "bundle")).read_bytes())
    else:
        path.write_bytes(good[:-9] if what["how"] == "truncated" else bytes(bad))
    yield
    path.write_bytes(good)


@contextmanager
def bundle(scene: Scene, how: str) -> Iterator[None]:
    """The registered file is hostile, and so is the ledger: its digest fits. Healed by registering the old one."""
    good = _digest(scene, "bundle")
    lake = Lake(str(scene.world.lake))
    bad = lake.put(hostile.CHANGES[how](lake.get(good)))
    register = "UPDATE internal.model_version SET bundle_digest = '{}' WHERE bundle_digest = '{}'"
    scene.as_superuser(register.format(bad, good))
    yield
    scene.as_superuser(register.format(good, bad))


@contextmanager
def lake_away(scene: Scene, _: Any) -> Iterator[None]:
    """Its folder is not there: a disk that was not mounted. What was written beside it meanwhile is brought over."""
    elsewhere = scene.world.lake.with_name("elsewhere")
    scene.world.lake.rename(elsewhere)
    yield
    if scene.world.lake.exists():
        shutil.copytree(scene.world.lake, elsewhere, dirs_exist_ok=True)
        shutil.rmtree(scene.world.lake)
    elsewhere.rename(scene.world.lake)


@contextmanager
def lake_read_only(scene: Scene, _: Any) -> Iterator[None]:
    """It can be read, and not written."""
    lake = str(scene.world.lake)
    mount("--bind", lake, lake)
    mount("-o", "remount,ro,bind", lake)
    yield
    subprocess.run(["umount", lake], check=True)


@contextmanager
def lake_full(scene: Scene, _: Any) -> Iterator[None]:
    """Its disk has no room for another object; healed by a larger one."""
    lake = scene.world.lake
    elsewhere = lake.with_name("elsewhere")
    lake.rename(elsewhere)
    lake.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "none", str(lake))
    scene.aside.callback(subprocess.run, ["umount", str(lake)], check=True)
    shutil.copytree(elsewhere, lake, dirs_exist_ok=True)
    mount("-o", f"remount,size={shutil.disk_usage(lake).used}", str(lake))
    yield
    mount("-o", "remount,size=64m", str(lake))


@contextmanager
def folder(scene: Scene, how: Any) -> Iterator[None]:
    """The team edits, removes or renames the pipeline's folder."""
    path = scene.world.folder / scene.world.name
    kept = scene.place / "kept"
    shutil.copytree(path, kept)
    if how == "removed":
        shutil.rmtree(path)
    elif how == "renamed":
        path.rename(path.with_name("other_name"))
    else:
        scene.world.edit("pipeline.yaml", *how)
    yield
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(kept, path)


def _digest(scene: Scene, which: str) -> str:
    words = {"yesterday": scene.stage.tonight - timedelta(days=1), "run": scene.run_id if scene.course.night else 0}
    return str(scene.looked_up(WHERE[which].format(**words))["digest"])


def _file(scene: Scene, digest: str) -> Path:
    path: Path = scene.world.lake / "objects" / digest[:2] / digest
    return path


CONDITIONS = {
    "object": object_,
    "bundle": bundle,
    "lake away": lake_away,
    "lake read only": lake_read_only,
    "lake full": lake_full,
    "folder": folder,
}
