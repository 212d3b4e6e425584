"""Objects that are not what was registered: nothing of them is opened, and the night is not published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nightcast import models as models_room
from nightcast.domain.night import RunState
from nightcast.errors import BundleRejected, LakeObjectCorrupt, LakeObjectMissing, NightcastError
from nightcast.steps import reproduce
from nightcast.store import intake, models
from steps.world import NEXT, NIGHTS, PIPELINE, World, scheduled

pytestmark = pytest.mark.postgres


@pytest.fixture
def own(published: World, copy: Any) -> World:
    """Three nights are published; the lake is the test's own."""
    made: World = copy(published, lake=True)
    return made


def file_of(world: World, digest: str) -> Path:
    return world.lake / "objects" / digest[:2] / digest


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def bundle(world: World) -> str:
    with world.writing() as tx:
        live = models.live(tx, PIPELINE)
    assert live is not None
    return live.bundle_digest


def refused(world: World, error: type[NightcastError], message: str) -> None:
    """The next night fails with this error, and readers keep what they have."""
    shown = world.shown()
    with pytest.raises(error, match=message):
        world.night(NEXT, **scheduled(NEXT))
    run = world.last_run()
    assert (run.origin, run.state, run.row_digest) == (NEXT, RunState.FAILED, None)
    assert f"{error.__name__}: " in str(run.reason)
    assert not world.as_writer(f"SELECT 1 FROM internal.prediction_{PIPELINE} WHERE run_id = {run.run_id}")
    assert world.shown() == shown


def test_a_flipped_bit_in_the_bundle(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(own, bundle(own))
    good = path.read_bytes()
    flip(path, len(good) // 2)
    opened: list[str] = []
    real = models_room.open_bundle
    monkeypatch.setattr(models_room, "open_bundle", lambda data, digest: opened.append(digest) or real(data, digest))
    refused(own, LakeObjectCorrupt, bundle(own))
    assert not opened
    path.write_bytes(good)
    assert own.night(NEXT, **scheduled(NEXT))["state"] == RunState.PUBLISHED  # restored, and cleared


def test_the_cause_is_told_first_when_the_monitors_fail_on_it_too(own: World) -> None:
    flip(file_of(own, bundle(own)), 1000)
    with pytest.raises(LakeObjectCorrupt) as caught:
        own.night(NEXT, **scheduled(NEXT))
    assert str(own.last_run().reason).startswith("predict: LakeObjectCorrupt")
    assert [note.split(":")[0] for note in caught.value.__notes__] == ["then a monitor failed too"]


def test_a_registered_file_that_is_no_bundle(own: World) -> None:
    digest = own.rooms.lake.put(b"PK\x03\x04 not a model")
    with own.writing() as tx:
        made = models.register(
            tx,
            PIPELINE,
            bundle_digest=digest,
            trained_through=NIGHTS[-1],
            training_digest=digest,
            spec_digest=digest,
            who="test",
            why="a stranger's file",
        )
    own.promote(made.version, NIGHTS[-1])
    refused(own, BundleRejected, "zip")


def test_a_bundle_for_other_features(own: World) -> None:
    own.edit("pipeline.yaml", "  - days_since_active: {of: units}\n", "")
    refused(own, BundleRejected, "differ in days_since_active")


def test_a_truncated_panel(own: World) -> None:
    with own.writing() as tx:
        day = intake.newest(tx, PIPELINE, NIGHTS[0], NIGHTS[0])[NIGHTS[0]]
    path = file_of(own, str(day.panel_object))
    path.write_bytes(path.read_bytes()[:-9])
    refused(own, LakeObjectCorrupt, str(day.panel_object))


def test_a_panel_that_is_gone(own: World) -> None:
    with own.writing() as tx:
        day = intake.newest(tx, PIPELINE, NIGHTS[0], NIGHTS[0])[NIGHTS[0]]
    file_of(own, str(day.panel_object)).unlink()
    refused(own, LakeObjectMissing, str(day.panel_object))


def test_a_pinned_spec_that_was_changed(own: World) -> None:
    run = own.last_run()
    path = file_of(own, str(run.spec_digest))
    path.write_bytes(path.read_bytes().replace(b"horizon: 14", b"horizon: 15"))
    with pytest.raises(LakeObjectCorrupt):
        reproduce.run(run.run_id, own.rooms)
