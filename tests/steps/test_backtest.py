"""A backtest on real rows: nothing is written, nothing later is seen, and the numbers are those of nights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from demo.retail_source import bound
from modelling import make_pipeline, random_scene
from nightcast import models, spec
from nightcast.cli.measuring import as_json
from nightcast.errors import NotFound, SpecError, TrainingImpossible
from nightcast.steps import backtest, predict
from nightcast.store import fence, runs
from steps.other_worlds import NIGHTS, Riding
from steps.world import FIRST_DAY, PIPELINE, RECIPE, SMALL, TRAINED_THROUGH, Installation, World

pytestmark = pytest.mark.postgres

ORIGINS = (date(2011, 9, 5), date(2011, 10, 3))
ASKED = backtest.Asked(pipeline=PIPELINE, origins=ORIGINS)


@pytest.fixture
def small(world: World) -> World:
    """An installation of the test's own whose recipe is quickly trained."""
    for old, new in zip(RECIPE, SMALL, strict=True):
        world.edit("pipeline.yaml", old, new)
    world.edit("pipeline.yaml", "max_iter: 150", "max_iter: 5")
    return world


def files(world: Installation) -> set[str]:
    return {str(f) for f in world.lake.rglob("*")}


@contextmanager
def unchanged(world: Installation) -> Iterator[None]:
    before = world.fingerprint(but=()), files(world)
    yield
    assert (world.fingerprint(but=()), files(world)) == before


def test_a_rerun_gives_the_same_bytes_and_writes_nothing(small: World) -> None:
    """In any order of the origins, and whatever has come after the last target day."""
    told: list[str] = []
    with unchanged(small):
        first = backtest.run(ASKED, small.rooms, told.append)
    small.import_days(TRAINED_THROUGH + timedelta(days=1), TRAINED_THROUGH + timedelta(days=2))
    with unchanged(small):
        again = backtest.run(replace(ASKED, origins=ORIGINS[::-1]), small.rooms)
    assert as_json(first) == as_json(again)
    assert first["origins"] == [str(o) for o in ORIGINS]
    assert [line.split(":")[0] for line in told[1:-1]] == [str(o) for o in ORIGINS]
    assert "model " in told[1]
    assert first["checks"]["model"] == {"not_finite": 0, "negative": 0, "crossing": 0}
    assert set(first["methods"]) == {
        "model",
        "seasonal_naive",
        "mean_28",
        "same_weekday_mean_8",
        "own_days_56",
        "adida",
    }
    assert set(first["made_with"]) == {"code", "data", "spec", "other_models", "libraries"}
    assert {"python", "numpy", "scikit-learn", "statsforecast"} <= first["made_with"]["libraries"].keys()


def test_the_model_is_the_one_that_a_training_at_the_origin_makes(small: World) -> None:
    """Its forecast is that of the registered bundle, and its numbers those of a computation from the source's lines."""
    origin = ORIGINS[0]
    found = backtest.run(replace(ASKED, origins=(origin,)), small.rooms)
    made = small.train(origin)
    with small.writing() as tx:
        run = runs.get(tx, made["run_id"])
        bundle = fence.result_of(tx, run.run_id, "evaluate")
    assert bundle is not None
    fitted = models.open_bundle(small.rooms.lake.get(bundle["bundle"]), bundle["bundle"]).fitted
    (table, _), *_ = predict.predicted(
        fitted, spec.load_folder(small.folder / PIPELINE), small.rooms.lake, str(run.manifest_digest), (0, 1)
    )
    frame = table.to_pandas().merge(sales(small, origin), how="left", on=["sku", "target_date"]).fillna({"y": 0})
    assert found["rows"] == len(frame)
    said = found["methods"]["model"]
    sums = frame.groupby("sku")[["y", "mean"]].sum()
    assert said["wape_horizon"] == pytest.approx((sums.y - sums["mean"]).abs().sum() / sums.y.sum(), abs=1e-6)
    assert said["wape_day"] == pytest.approx((frame.y - frame["mean"]).abs().sum() / frame.y.sum(), abs=1e-6)
    assert said["bias"] == pytest.approx(frame["mean"].sum() / frame.y.sum() - 1, abs=1e-6)
    assert said["share_below_q90"] == pytest.approx((frame.y <= frame.q90).mean(), abs=1e-6)
    open_days = frame.target_date.nunique()
    mean_28 = past_mean(small, origin, 28).reindex(sums.index, fill_value=0.0)
    naive = (sums.y - mean_28 * open_days).abs().sum() / sums.y.sum()
    assert found["methods"]["mean_28"]["wape_horizon"] == pytest.approx(naive, abs=1e-6)
    assert said["to_mean_28"] == pytest.approx(said["wape_horizon"] / naive, abs=1e-5)


def sales(world: World, origin: date) -> pd.DataFrame:
    """What was sold in the horizon, from the extract itself."""
    return units(world, origin + timedelta(days=1), origin + timedelta(days=14)).rename(
        columns={"day": "target_date", "units": "y"}
    )


def past_mean(world: World, origin: date, window: int) -> pd.Series:
    found = units(world, origin - timedelta(days=window - 1), origin)
    return found.groupby("sku").units.sum() / found.day.nunique()  # every open day has a line


def units(world: World, first: date, last: date) -> pd.DataFrame:
    extract = bound("extract.sql", first, last + timedelta(days=1)).rstrip().rstrip(";")
    found = world.retail.query(
        f"SELECT sku, sold_at::date, sum(quantity)::int FROM ({extract}) AS e WHERE kind = 'sale' GROUP BY 1, 2"
    )
    return pd.DataFrame(found, columns=["sku", "day", "units"])


def test_what_comes_after_an_origin_changes_the_actuals_alone() -> None:
    cube, calendar = random_scene()
    origin, pipelines = date(2024, 5, 6), {"model": make_pipeline()}
    after = cube.days > np.datetime64(origin)
    other = np.random.default_rng(1).integers(0, 50, cube.values["units"].shape)
    scrambled = replace(
        cube,
        values={name: np.where(after, other, values) for name, values in cube.values.items()},
        totals={name: np.where(after, 7, values) for name, values in cube.totals.items()},
    )
    found, changed = (
        backtest.compared_at(origin, each, calendar, pipelines, lambda _: None, with_adida=True)
        for each in (cube, scrambled)
    )
    assert found.methods.keys() == changed.methods.keys() >= {"model", "seasonal_naive", "mean_28", "adida"}
    for name, scores in found.methods.items():
        assert scores.mean.tobytes() == changed.methods[name].mean.tobytes()
        assert scores.quantiles.tobytes() == changed.methods[name].quantiles.tobytes()
    for name in ("absolute", "squared"):
        assert getattr(found, name).tobytes() == getattr(changed, name).tobytes()
    assert {n: f.tolist() for n, f in found.slices.items()} == {n: f.tolist() for n, f in changed.slices.items()}
    assert found.actual.tolist() != changed.actual.tolist()


def test_what_cannot_be_tested_is_said_before_anything_is_trained(small: World) -> None:
    with pytest.raises(NotFound, match="expected origins up to 2011-10-09"):
        backtest.run(replace(ASKED, origins=(date(2011, 10, 10),)), small.rooms)
    early = replace(ASKED, origins=(FIRST_DAY + timedelta(days=20),))
    with pytest.raises(TrainingImpossible, match="Import a longer history") as told:
        backtest.run(early, small.rooms)
    assert told.value.__notes__ == [f"At origin {early.origins[0]} of the backtest"]
    other = small.folder / "other.yaml"
    other.write_text("model: {cap: 5}\nforecast: {horizon: 3}\n")
    with pytest.raises(SpecError, match=r"other.yaml:1: .*expected the keys model and features only"):
        backtest.run(replace(ASKED, models=(other,)), small.rooms)
    other.write_text("model:\n  family: forest\n")
    with pytest.raises(SpecError, match=r"other.yaml:2: at model.family: found unknown family 'forest'"):
        backtest.run(replace(ASKED, models=(other,)), small.rooms)


def test_a_pipeline_of_another_kind_is_tested_at_its_newest_matured_origins(riding: Riding) -> None:
    """Two keys, no calendar, a horizon of 7 days, other quantiles; what it has published is not touched."""
    with unchanged(riding):
        found = backtest.run(backtest.Asked(pipeline="bike_rides", every=7, count=2), riding.rooms)
    newest = NIGHTS[-1] - timedelta(days=7)
    assert found["origins"] == [str(newest - timedelta(days=7)), str(newest)]
    assert list(found["by_horizon"]) == ["1", "2-7"]
    model = found["methods"]["model"]
    assert {"pinball_q25", "pinball_q50", "pinball_q75", "share_below_q75"} <= model.keys()
    assert 0 < model["wape_horizon"] < found["methods"]["seasonal_naive"]["wape_horizon"]
    assert found["rows"] == sum(part["rows"] for part in found["by_origin"].values()) > 500
