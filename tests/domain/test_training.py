"""The training set and the recipe, with the real estimator on small panels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelling import MODEL, MONDAY, make_calendar, make_cube, make_pipeline, random_scene, trained, windowed
from nightcast import models
from nightcast.domain import recipe
from nightcast.domain.calendar_view import CalendarView
from nightcast.domain.forecast import Fitted, check_fits, score
from nightcast.domain.model_spec import Calibration, Training
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Forecast, Universe
from nightcast.domain.rows import buckets
from nightcast.domain.training import Labelled, hash_keys, labelled_rows, training_origins
from nightcast.domain.windows import History
from nightcast.errors import BundleRejected, ForecastImplausible, TrainingImpossible

pytestmark = pytest.mark.unit

THROUGH = date(2024, 5, 20)


def rows_at(origin: str, seed: int = 0) -> Labelled:
    cube, calendar = random_scene(seed)
    found = labelled_rows(History(cube), calendar, np.datetime64(origin), make_pipeline(), hash_keys(cube.keys))
    assert found is not None
    return found


def test_the_newest_training_origin_lies_a_horizon_back() -> None:
    origins = training_origins(THROUGH, make_pipeline())
    assert [str(o) for o in origins[:3]] == ["2024-05-15", "2024-05-08", "2024-05-01"]
    assert len(origins) == 14


def test_labels_are_the_values_of_the_target_day() -> None:
    cube, _ = random_scene()
    part = rows_at("2024-03-05")
    day = (part.rows.target - cube.days[0]).astype(int)
    assert len(part) > 50
    np.testing.assert_array_equal(part.y, cube.values["units"][part.rows.entity, day])


def test_a_missing_target_day_has_no_rows() -> None:
    calendar = make_calendar(MONDAY, 40)
    opened = calendar.open[:30].copy()
    opened[24] = False  # open in the calendar, but its rows never came
    cube = make_cube(np.ones((3, 30), dtype=int), opened)
    part = labelled_rows(History(cube), calendar, cube.days[22], make_pipeline(), hash_keys(cube.keys))
    assert part is not None
    assert sorted({str(d) for d in part.rows.target}) == ["2024-01-24", "2024-01-26", "2024-01-27"]
    late = labelled_rows(History(cube), calendar, cube.days[27], make_pipeline(), hash_keys(cube.keys))
    assert late is not None
    assert {str(d) for d in late.rows.target} == {"2024-01-29", "2024-01-30"}  # later days are not in the cube


def test_an_origin_before_the_history_has_no_rows() -> None:
    cube, calendar = random_scene()
    early = np.datetime64("2023-12-31")
    assert labelled_rows(History(cube), calendar, early, make_pipeline(), hash_keys(cube.keys)) is None


def test_key_hashes_are_blake2b_of_the_joined_key_text() -> None:
    keys = pa.table({"sku": ["85123A", "é"], "shop": [7, 12]})
    texts = [b"85123A\x1f7", b"\xc3\xa9\x1f12"]
    expected = [int(hashlib.blake2b(t, digest_size=8).hexdigest(), 16) for t in texts]
    assert hash_keys(keys).tolist() == expected
    assert (hash_keys(keys) >> np.uint64(56)).tolist() == buckets(keys, ["sku", "shop"]).tolist()


def test_the_sample_is_a_matter_of_the_row_alone() -> None:
    part = rows_at("2024-03-05")
    flipped = replace(part, rows=part.rows.take(np.arange(len(part))[::-1]), y=part.y[::-1], hash=part.hash[::-1])
    one, other = part.sampled(0.3), flipped.sampled(0.3)
    np.testing.assert_array_equal(one.rows.x, other.rows.x[::-1])
    assert set(one.hash) <= set(part.sampled(0.6).hash)
    assert len(part.sampled(1.0)) == len(part)
    assert not set(one.hash) & set(rows_at("2024-03-06").hash)


def test_the_sample_has_the_asked_size_and_no_leaning() -> None:
    keys = hash_keys(pa.table({"sku": [f"k{i}" for i in range(3000)]}))
    cube = make_cube(np.ones((3000, 20), dtype=int), np.ones(20))
    part = labelled_rows(History(cube), make_calendar(MONDAY, 40), cube.days[14], make_pipeline(), keys)
    assert part is not None
    kept = part.sampled(0.25)
    assert abs(len(kept) / len(part) - 0.25) < 4 * (0.25 * 0.75 / len(part)) ** 0.5
    for day in np.unique(part.rows.target):
        n = (part.rows.target == day).sum()
        assert abs((kept.rows.target == day).sum() / n - 0.25) < 4 * (0.25 * 0.75 / n) ** 0.5


def recorded() -> tuple[Callable[..., Any], list[tuple[Any, ...]]]:
    calls: list[tuple[Any, ...]] = []

    def fit(*arguments: Any) -> Any:
        calls.append(arguments)
        return models.fit(*arguments)

    return fit, calls


def bulky_scene() -> tuple[Cube, CalendarView]:
    cube, calendar = random_scene()
    cube.values["units"][0, 20:100:9] = 3000  # bulk orders
    return cube, calendar


def test_labels_are_capped_scaled_and_weighted() -> None:
    fit, calls = recorded()
    recipe.train(*bulky_scene(), make_pipeline(), THROUGH, fit, models.predict)
    (_, _, first_y, first_weight, _), (model, _, y, weight, seed) = calls
    assert (model, seed) == (MODEL, 0)
    assert len(first_y) < len(y)
    assert min(weight.min(), first_weight.min()) >= 0.5
    assert (y <= 5.0 * np.maximum(weight, 1) / weight + 1e-12).all()  # the blend is the weight above its floor


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_kappa_gives_back_a_share_of_what_training_took(share: float) -> None:
    pipeline = make_pipeline(model=replace(MODEL, bias_correction=share))
    cube, calendar = bulky_scene()
    fitted = recipe.train(cube, calendar, pipeline, THROUGH, models.fit, models.predict)
    rows = [p.sampled(0.6) for p in recipe._parts(cube, calendar, pipeline, THROUGH)]
    truth = sum(p.y.sum() for p in rows)
    missing = truth - sum(score(fitted, p.rows.x, p.rows.scale, models.predict).mean.sum() for p in rows)
    taken = truth - sum(score(fitted, p.rows.x, p.rows.scale, models.predict).mean.sum() for p in rows) / fitted.kappa
    assert taken > 0.15 * truth
    assert missing == pytest.approx((1 - share) * taken, abs=1e-9 * truth)


def test_a_share_of_the_bias_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bias_correction is -0\.1; expected a share from 0 to 1"):
        replace(MODEL, bias_correction=-0.1)


def test_calibration_predicts_the_newest_origins_and_leaves_a_gap() -> None:
    cube, calendar = random_scene()
    fit, calls = recorded()
    fitted = recipe.train(cube, calendar, make_pipeline(), THROUGH, fit, models.predict)
    origins = training_origins(THROUGH, make_pipeline())
    parts = [rows_at(str(o)) for o in origins]
    assert len(calls[0][2]) == sum(len(p.sampled(0.6)) for p in parts[4:])
    assert len(calls[1][2]) == sum(len(p.sampled(0.6)) for p in parts) == fitted.metrics["training_rows"]
    assert fitted.metrics["calibration_rows"] == sum(len(p) for p in parts[:3])
    assert parts[4].rows.target.max() <= parts[2].rows.target.min()  # no label of the fit lies among those calibrated


def test_a_column_without_a_value_is_dropped_and_named() -> None:
    cube, calendar = random_scene()
    dead = replace(calendar, columns=dict(calendar.columns) | {"promotion": np.full(len(calendar.days), np.nan)})
    fitted = recipe.train(cube, dead, make_pipeline(), THROUGH, models.fit, models.predict)
    assert fitted.dropped == ("promotion",)
    assert fitted.estimator.model.n_features_in_ == len(fitted.feature_names) - 1
    rows = rows_at("2024-03-05").rows
    assert np.isfinite(score(fitted, rows.x, rows.scale, models.predict).mean).all()


def test_metrics_are_those_of_rows_that_the_first_fit_has_not_seen() -> None:
    metrics = trained().metrics
    assert 0.1 < metrics["calibration_wape"] < 1.0
    assert abs(metrics["calibration_bias"]) < 0.25
    assert metrics["training_origins"] == 14


def test_the_mean_follows_the_entities() -> None:
    fitted, part = trained(), rows_at("2024-05-19")
    found = score(fitted, part.rows.x, part.rows.scale, models.predict)
    assert abs(found.mean.sum() / part.y.sum() - 1) < 0.2
    assert np.corrcoef(found.mean, part.y)[0, 1] > 0.6
    assert (np.diff(found.quantiles, axis=1) >= 0).all()
    assert 0.8 < (part.y <= found.quantiles[:, 2]).mean() <= 1.0


def test_chunks_do_not_change_a_score() -> None:
    fitted, part = trained(), rows_at("2024-05-19")
    whole = score(fitted, part.rows.x, part.rows.scale, models.predict)
    pieces = score(fitted, part.rows.x, part.rows.scale, models.predict, chunk=7)
    np.testing.assert_array_equal(whole.mean, pieces.mean)
    np.testing.assert_array_equal(whole.quantiles, pieces.quantiles)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "not finite"), (np.inf, "not finite"), (1e6, "times their")])
def test_an_implausible_forecast_is_refused(value: float, words: str) -> None:
    part = rows_at("2024-05-19")
    with pytest.raises(ForecastImplausible, match=words):
        score(trained(), part.rows.x, part.rows.scale, lambda _, x: np.full(len(x), value))


@pytest.mark.parametrize("shape", [(1,), (3, 1)])
def test_a_model_that_gives_another_number_of_forecasts_is_refused(shape: tuple[int, ...]) -> None:
    part = rows_at("2024-05-19")
    with pytest.raises(ForecastImplausible, match="expected one for each"):
        score(trained(), part.rows.x, part.rows.scale, lambda *_: np.ones(shape))


def test_a_history_that_is_too_short_is_refused() -> None:
    cube, calendar = random_scene(days=28)
    with pytest.raises(TrainingImpossible, match="expected more than 4"):
        recipe.train(cube, calendar, make_pipeline(), date(2024, 1, 28), models.fit, models.predict)


def test_labels_below_zero_are_refused() -> None:
    cube, calendar = random_scene()
    cube.values["units"][3] -= 5
    with pytest.raises(TrainingImpossible, match="a label of -5"):
        recipe.train(cube, calendar, make_pipeline(), THROUGH, models.fit, models.predict)


def test_without_a_single_value_nothing_is_learned() -> None:
    calendar = make_calendar(MONDAY, 180)
    closed = make_cube(np.ones((4, 150), dtype=int), calendar.open[:150])
    dead = replace(calendar, columns={"promotion": np.full(180, np.nan)})
    only = make_pipeline(
        features=make_pipeline().features[-1:], model=replace(MODEL, calibration=Calibration(origins=3))
    )
    with pytest.raises(TrainingImpossible, match="none of the 1 features"):
        recipe.train(closed, dead, only, THROUGH, models.fit, models.predict)


def test_golden_rows_hold_the_extremes() -> None:
    fitted = trained()
    x, scale = fitted.golden.inputs()
    assert x.shape == (64, len(fitted.feature_names))
    assert x.dtype == np.float32
    parts = recipe._parts(*random_scene(), make_pipeline(), THROUGH)
    scales = np.concatenate([p.sampled(0.6).rows.scale for p in parts])
    assert (scale.min(), scale.max()) == (scales.min(), scales.max())
    assert np.isnan(x).any(axis=1).sum() >= 12
    found = score(fitted, x, scale, models.predict)
    np.testing.assert_array_equal(np.column_stack([found.mean, found.quantiles]), fitted.golden.expected())


def test_a_model_serves_only_what_it_was_trained_for() -> None:
    fitted, pipeline = trained(), make_pipeline()
    check_fits(fitted, pipeline)
    more = make_pipeline(features=(*pipeline.features, windowed("rolling_max", (14,))))
    with pytest.raises(BundleRejected, match="differ in rolling_max_units_14"):
        check_fits(fitted, more)
    farther = make_pipeline(
        forecast=Forecast(target="units", horizon=6, universe=Universe(min_active_days=2, trailing_days=14))
    )
    with pytest.raises(BundleRejected, match="horizon or quantiles otherwise"):
        check_fits(fitted, farther)


def test_a_model_does_not_care_who_pays_for_it() -> None:
    other = make_pipeline(owner="others", model=replace(MODEL, training=Training(origins=20)))
    check_fits(trained(), other)


def test_a_fitted_recipe_is_described_without_the_estimator() -> None:
    plain = trained().plain()
    assert "estimator" not in plain
    assert set(plain) == set(Fitted.__dataclass_fields__) - {"estimator"}
