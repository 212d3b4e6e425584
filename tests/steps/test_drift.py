"""Faults planted in the real source, and what the recorded drift says of them."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from nightcast.store import scores
from nightcast.store.scores import DriftScore
from steps.world import FIRST_NIGHT, World, changed, scheduled

pytestmark = pytest.mark.postgres

ABROAD = f"sold_at::date = '{FIRST_NIGHT}' AND country <> 'United Kingdom'"


def home_only(world: World) -> AbstractContextManager[None]:
    """The origin without any row from abroad."""
    kept = f"CREATE TABLE abroad AS SELECT * FROM raw_line WHERE {ABROAD}; DELETE FROM raw_line WHERE {ABROAD}"
    return changed(world.retail, kept, "INSERT INTO raw_line SELECT * FROM abroad; DROP TABLE abroad")


def drift(world: World, run_id: int | None = None) -> dict[tuple[str, str, str], DriftScore]:
    """A night's scores against the same weekday, by column, slice and statistic; of the last one by default."""
    with world.writing() as tx:
        found = scores.of_run(tx, run_id or world.last_run().run_id)
    return {(s.column_name, s.slice, s.statistic): s for s in found if s.reference == "same_weekday_8"}


def test_all_foreign_countries_gone_is_seen_and_said(world: World, published: World) -> None:
    (usual,) = published.as_writer(f"SELECT run_id FROM internal.run WHERE kind = 'night' AND origin = '{FIRST_NIGHT}'")
    before = drift(published, usual["run_id"])
    with home_only(world):
        world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
    found = drift(world)
    for statistic in ("l_infinity", "chi_square", "gone_levels"):
        score, was = found["country", "", statistic], before["country", "", statistic]
        assert score.value is not None
        assert was.value is not None
        assert score.rank is not None
        assert was.rank is not None
        assert score.value > was.value
        assert score.rank < was.rank
        assert not score.provisional
    gone = found["country", "", "gone_levels"]
    assert gone.rank is not None
    assert gone.rank < 0.05  # among all nights; at home there is a night in ten without anybody from abroad
    assert str(gone.moved).startswith("gone: EIRE (1.8 %), Germany (1.8 %), France (1.5 %) and 13 more")
    assert found["country", "", "l_infinity"].moved == "level United Kingdom rose from 90.1 % to 100 %"
    ireland = found["country", "country=EIRE", "row_share"]
    assert (ireland.n_current, ireland.moved) == (0, "its share of the rows fell from 1.8 % to 0 %")
    assert gone in scores.most_unusual(found.values(), 5)


def test_a_column_that_vanishes_and_one_that_appears_are_the_most_unusual(world: World) -> None:
    """As a team changes its mind: `free` is no longer profiled, `customer` is from tonight on."""
    world.edit("pipeline.yaml", "free: {type: boolean, role: attribute}", "free: {type: boolean, role: identifier}")
    world.edit(
        "pipeline.yaml", "customer: {type: string, role: identifier,", "customer: {type: string, role: attribute,"
    )
    world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
    found = drift(world)
    gone, appeared = found["free", "", "presence"], found["customer", "", "presence"]
    assert (gone.value, gone.rank, gone.rank_n) == (1, 1 / 311, 310)  # it was there on every day before
    assert gone.moved == f"the column is gone: the reference has {gone.n_reference:,} rows of it"
    assert (appeared.value, appeared.rank, appeared.moved) == (1, None, "the reference has no such column")
    assert {(s.column_name, s.statistic) for s in found.values() if s.column_name in ("free", "customer")} == {
        ("free", "presence"),
        ("customer", "presence"),
    }
    assert [s.column_name for s in scores.most_unusual(found.values(), 2)] == ["customer", "free"]
