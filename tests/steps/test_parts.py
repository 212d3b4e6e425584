"""A night that is scored in parts, because its entities do not fit into memory, is the same to the byte."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nightcast import models
from nightcast.domain.forecast import Fitted
from nightcast.domain.profile import Kind, profile_table, to_json
from nightcast.errors import LakeObjectCorrupt
from nightcast.lake import Kept
from nightcast.steps import predict, running, snapshot
from nightcast.store import fence, predictions
from nightcast.store import models as registry
from steps.world import World

pytestmark = pytest.mark.postgres
PARTS = [(1 << 19, 10_000), (4 << 20, 5_000_000), (1 << 40, 1_000)]  # bytes of a part, rows held


def pinned_model(world: World) -> Fitted:
    run = world.last_run()
    with world.writing() as tx:
        bundle = registry.get(tx, run.pipeline, run.model_version or 0).bundle_digest
    return models.open_bundle(world.rooms.lake.get(bundle), bundle).fitted


@pytest.mark.parametrize(("budget", "held"), PARTS)
def test_parts_of_any_size_give_the_same_rows_and_profiles(
    published: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, budget: int, held: int
) -> None:
    run = published.last_run()
    with published.writing() as tx:
        told = fence.results_of(tx, run.run_id, "predict")[0]
    lake, folder = published.rooms.lake, running.pinned_folder(run, published.rooms)
    fitted = pinned_model(published)
    monkeypatch.setattr(predict, "cubes", partial(snapshot.cubes, budget=budget, held=held))
    forecasts = Kept(tmp_path / "forecasts.arrow")
    scored = predict.predicted(fitted, folder, lake, str(run.manifest_digest), (0, 1))
    entities, profiles = predict.keep(scored, forecasts, folder.pipeline)
    table = pa.concat_tables(forecasts)
    assert predictions.digest_of_table(folder.pipeline, run.origin, table) == run.row_digest
    assert lake.put_json(profiles) == told["profile"]
    assert entities == len(table["sku"].unique())


def test_profiles_are_those_of_every_row(published: World, tmp_path: Path) -> None:
    run = published.last_run()
    lake, folder = published.rooms.lake, running.pinned_folder(run, published.rooms)
    fitted = pinned_model(published)
    scored = list(predict.predicted(fitted, folder, lake, str(run.manifest_digest), (0, 1)))
    _, profiles = predict.keep(iter(scored), Kept(tmp_path / "forecasts.arrow"), folder.pipeline)
    x = np.concatenate([rows.x for _, rows in scored])
    columns = {name: (Kind.NUMBER, x[:, at]) for at, name in enumerate(fitted.feature_names)}
    assert profiles["feature"] == {name: to_json(found) for name, found in profile_table(columns).items()}


def test_small_parts_are_many_and_hold_each_entity_once(published: World) -> None:
    run = published.last_run()
    rooms = published.rooms
    manifest, folder = (
        snapshot.load_manifest(rooms.lake, str(run.manifest_digest)),
        running.pinned_folder(run, rooms),
    )
    (whole,) = snapshot.cubes(rooms.lake, manifest, folder, (0, 1), budget=1 << 40)
    parts = list(snapshot.cubes(rooms.lake, manifest, folder, (0, 1), budget=1 << 20, held=50_000))
    assert len(parts) > 5
    assert pa.concat_tables([p.keys for p in parts]).equals(whole.keys)


def test_a_panel_that_is_not_the_manifests_is_refused_in_parts_too(published: World) -> None:
    run = published.last_run()
    rooms = published.rooms
    manifest = snapshot.load_manifest(rooms.lake, str(run.manifest_digest))
    last = manifest.days[-1]
    wrong = replace(last, totals={name: n + 1 for name, n in (last.totals or {}).items()})
    changed = replace(manifest, days=(*manifest.days[:-1], wrong))
    with pytest.raises(LakeObjectCorrupt, match="expected"):
        list(snapshot.cubes(rooms.lake, changed, running.pinned_folder(run, rooms), (0, 1), budget=1 << 20))
