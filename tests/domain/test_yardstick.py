"""The yardstick of a night: its columns, known answers, and no look ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from modelling import MONDAY, make_cube, make_pipeline, random_scene
from nightcast.domain import metrics
from nightcast.domain.monitoring import AccuracySlices, LevelSlices, Monitoring
from nightcast.domain.windows import History
from nightcast.domain.yardstick import SCALES, fits, naive_of, taken, yardstick

pytestmark = pytest.mark.unit

ORIGIN = MONDAY + timedelta(days=41)  # a Sunday; six weeks are known
PIPELINE = make_pipeline(monitoring=Monitoring(accuracy_slices=AccuracySlices(level=LevelSlices(window=14))))


def history(changed_after: int | None = None) -> History:
    units = np.stack([np.arange(60), np.tile([0, 0, 0, 0, 0, 1], 10), np.zeros(60)])
    if changed_after is not None:
        units[:, changed_after:] = 777
    return History(make_cube(units, np.ones(60, bool), keys=["rising", "rare", "never"]))


def test_known_answers() -> None:
    found = yardstick(history(), ORIGIN, PIPELINE)
    assert found["sku"].to_pylist() == ["rising", "rare"]  # the universe of the night
    assert [found[f"naive_{d}"].to_pylist()[0] for d in range(7)] == list(range(35, 42))
    assert found["scale_absolute"].to_pylist() == pytest.approx([1.0, 12 / 36])  # from the first day above zero on
    assert found["scale_squared"].to_pylist() == found["scale_absolute"].to_pylist()
    assert found["active_share_91"].to_pylist() == [41 / 42, 7 / 42]
    assert found["level_14"].to_pylist() == [34.5, 3 / 14]


def test_nothing_after_the_origin_is_looked_at() -> None:
    assert yardstick(history(42), ORIGIN, PIPELINE) == yardstick(history(), ORIGIN, PIPELINE)
    assert yardstick(history(41), ORIGIN, PIPELINE) != yardstick(history(), ORIGIN, PIPELINE)


def test_a_weekday_that_was_never_open_has_no_naive_forecast() -> None:
    cube, _ = random_scene()  # Sundays are closed
    found = yardstick(History(cube), date(2024, 5, 20), make_pipeline())
    assert found["naive_6"].null_count == found.num_rows > 10
    assert found["naive_0"].null_count == 0
    rows, targets = np.array([0, 1, -1]), np.array(["2024-05-26", "2024-05-27", "2024-05-27"], "datetime64[D]")
    naive = naive_of(found, rows, targets)  # a Sunday, a Monday, and an entity that the night did not know
    assert np.isnan(naive).tolist() == [True, False, True]
    assert naive[1] == found["naive_0"].to_pylist()[1]


def test_scales_are_those_of_the_cube_at_the_origin() -> None:
    cube, _ = random_scene()
    found = yardstick(History(cube), date(2024, 5, 20), make_pipeline())
    end = int(np.flatnonzero(cube.days == np.datetime64("2024-05-20"))[0]) + 1
    absolute, squared = metrics.difference_scales(cube.values["units"][:, :end], cube.open[:end])
    by_key = dict(zip(cube.keys["sku"].to_pylist(), zip(absolute, squared, strict=True), strict=True))
    kept = zip(found["sku"].to_pylist(), *(found[name].to_pylist() for name in SCALES), strict=True)
    for sku, mean, square in kept:
        assert (mean, square) == pytest.approx(by_key[sku], nan_ok=True)


def test_other_slices_need_another_yardstick() -> None:
    found = yardstick(history(), ORIGIN, PIPELINE)
    assert fits(found, PIPELINE)
    assert fits(found, make_pipeline())
    other = Monitoring(accuracy_slices=AccuracySlices(level=LevelSlices(window=28)))
    assert not fits(found, replace(PIPELINE, monitoring=other))


def test_what_is_not_there_is_nan() -> None:
    assert taken(np.array([1, 2]), np.array([1, -1, 0])).tolist()[::2] == [2.0, 1.0]
    assert np.isnan(taken(np.zeros(0), np.array([-1, -1]))).all()
    empty = pa.table({f"naive_{d}": pa.array([], pa.int64()) for d in range(7)})
    assert np.isnan(naive_of(empty, np.array([-1]), np.array(["2024-05-27"], "datetime64[D]"))).all()
