"""A backfill equals the nights run live, a few nights of it; `make backfill-equals-live` does thirty from nothing."""

from __future__ import annotations

from typing import Any

import pytest

from steps.backfill_equals_live import compared, main, run_backfill, run_live
from steps.world import LATE, NIGHTS, NOT_LATE, RESTATED, World, changed

pytestmark = pytest.mark.postgres


def test_a_backfill_equals_the_nights_run_live(imported: World, copy: Any) -> None:
    live, backfill = copy(imported), copy(imported, lake=True)
    run_live(live, NIGHTS)
    run_backfill(backfill, NIGHTS)
    found = compared(live, backfill, NIGHTS)
    assert found.different == []
    assert len({made.rows for made in found.live}) == len(NIGHTS)
    assert {made.mode for made in found.backfill} == {"known_then"}
    assert str(found).splitlines()[-1] == "nights=3 equal=3 different=0"


def test_where_the_source_changed_meanwhile_a_new_database_cannot_know_it(published: World, world: World) -> None:
    """What no night has taken in is read from the source as it is; and the comparison tells."""
    with changed(world.retail, LATE, NOT_LATE):
        run_backfill(world, NIGHTS)
    found = compared(published, world, NIGHTS)
    assert found.different == [night for night in NIGHTS if night >= RESTATED]
    assert str(found).splitlines()[-1] == "nights=3 equal=1 different=2"


def test_a_number_of_nights_that_the_data_do_not_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--nights", "48"])
    assert "expected 1 to 47" in capsys.readouterr().err
