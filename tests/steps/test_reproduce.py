"""A published run scored again, to the byte."""

from __future__ import annotations

import pytest

from nightcast.errors import NotFound
from nightcast.steps import reproduce
from nightcast.store import connect
from nightcast.store.queries import execute
from steps.world import FIRST_NIGHT, NIGHTS, World, scheduled

pytestmark = pytest.mark.postgres


def night_runs(world: World) -> list[int]:
    found = world.as_writer("SELECT run_id FROM internal.run WHERE kind = 'night' ORDER BY run_id")
    return [r["run_id"] for r in found]


def test_any_number_of_threads_and_shards_gives_the_same_bytes_and_writes_nothing(published: World) -> None:
    before, run_id = published.fingerprint(but=()), night_runs(published)[-1]
    for threads, shards in ((None, None), (1, 1), (2, 1), (1, 3), (2, 3)):
        found = reproduce.run(run_id, published.rooms, threads=threads, shards=shards)
        assert found.identical, (threads, shards)
        assert (found.rows, found.shards) == (published.run(run_id).predictions, shards or 1)
        assert found.differences == ()
    assert published.fingerprint(but=()) == before


def test_every_published_night_is_reproduced(published: World) -> None:
    assert all(reproduce.run(run_id, published.rooms).identical for run_id in night_runs(published))


def test_a_night_of_three_shards_publishes_what_one_shard_publishes(world: World, published: World) -> None:
    world.edit("pipeline.yaml", "shards: 1", "shards: 3")
    night = world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
    run, other = world.run(night["run_id"]), published.run(night_runs(published)[0])
    assert other.origin == FIRST_NIGHT == NIGHTS[0]
    assert (run.row_digest, run.manifest_digest) == (other.row_digest, other.manifest_digest)
    assert run.input_digest != other.input_digest  # the spec is another
    written = world.as_writer(
        f"SELECT shard, count(*)::int AS n FROM internal.prediction_daily_demand WHERE run_id = {run.run_id} GROUP BY 1"
    )
    assert {w["shard"] for w in written} == {0, 1, 2}
    assert sum(w["n"] for w in written) == run.predictions
    assert drift(world, run.run_id) == drift(published, other.run_id)


def drift(world: World, run_id: int) -> dict[str, float | None]:
    """Of predictions against training: the shards' profiles are merged."""
    found = world.as_writer(
        f"SELECT column_name || ' ' || statistic AS name, value FROM internal.drift_score WHERE run_id = {run_id}"
        " AND kind = 'prediction' AND reference = 'training' AND n_current > 0"
    )
    return {r["name"]: r["value"] for r in found}


def test_a_difference_is_told_with_what_is_not_as_then(served: World) -> None:
    run_id = night_runs(served)[0]
    with connect.transaction(served.url("nightcast_owner")) as tx:
        execute(
            tx,
            "UPDATE internal.run SET row_digest = %(digest)s,"
            ' environment = environment || \'{"scikit-learn": "0.1"}\' WHERE run_id = %(run_id)s',
            {"digest": "0" * 64, "run_id": run_id},
        )
    found = reproduce.run(run_id, served.rooms)
    assert not found.identical
    assert found.published == "0" * 64
    (difference,) = found.differences
    assert difference.startswith("scikit-learn: 0.1 then, ")


def test_a_run_without_predictions_cannot_be_reproduced(published: World, doubled: World) -> None:
    with pytest.raises(NotFound, match="is stopped and has no audited predictions"):
        reproduce.run(doubled.last_run().run_id, doubled.rooms)
    with pytest.raises(NotFound, match="there is no run 4711"):
        reproduce.run(4711, published.rooms)
