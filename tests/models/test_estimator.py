"""Fitting and asking an estimator."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from modelling import FAMILIES, LIGHTGBM, MODEL
from nightcast import models
from nightcast.domain.families import OBJECTIVES
from nightcast.domain.model_spec import Model
from nightcast.errors import TrainingImpossible
from nightcast.models.families import Estimator, implementation

pytestmark = pytest.mark.unit
of_each_family = pytest.mark.parametrize("model", FAMILIES.values(), ids=FAMILIES)


def data(rows: int = 3000) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    x[::5, 2] = np.nan
    return x, rng.poisson(np.exp(x[:, 0])).astype(float), rng.random(rows) + 0.5


def kept(estimator: Any) -> bytes:
    """The estimator as its family's file."""
    return implementation(estimator.family, AssertionError).dump(estimator.model)


@of_each_family
def test_the_mean_is_learned(model: Model) -> None:
    x, y, weight = data()
    estimator = models.fit(model, x, y, weight, 0)
    found = models.predict(estimator, x)
    assert found.dtype == np.float64
    assert np.corrcoef(found, np.exp(x[:, 0]))[0, 1] > 0.9
    near = 0.02 if model is MODEL else 0.1  # Poisson deviance keeps the total, Tweedie deviance only nearly
    assert np.average(found, weights=weight) == pytest.approx(np.average(y, weights=weight), rel=near)


@of_each_family
def test_predictions_do_not_depend_on_threads_or_on_the_rows_beside(model: Model) -> None:
    x, y, weight = data(20_000)
    estimator = models.fit(model, x, y, weight, 0)
    one, two = models.predict(estimator, x, threads=1), models.predict(estimator, x, threads=2)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, models.predict(estimator, x))
    shuffled = np.random.default_rng(1).permutation(len(x))[:500]
    np.testing.assert_array_equal(one[shuffled], models.predict(estimator, x[shuffled]))
    assert models.predict(estimator, x[:0]).tolist() == []


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_of_lightgbm_is_fitted_alike_twice_and_after_other_fits(objective: str) -> None:
    """It keeps one text, whatever the process did before, and reads it back to the bit."""
    model = replace(LIGHTGBM, parameters={"objective": objective, "num_iterations": 5, "feature_fraction": 0.5})
    x, y, weight = data()
    first = models.fit(model, x, y, weight, 7)
    models.fit(replace(model, parameters={"num_leaves": 3}), x[:, :2], y + 1, weight, 1)
    with threadpool_limits(2, user_api="openmp"):
        second = models.fit(model, x, y, weight, 7)
    assert kept(first) == kept(second)
    assert kept(first) != kept(models.fit(model, x, y, weight, 8))  # another half of the features for each tree
    opened = Estimator(family="lightgbm", model=implementation("lightgbm", AssertionError).load(kept(first), 4))
    np.testing.assert_array_equal(models.predict(opened, x), models.predict(first, x))


def test_lightgbm_learns_a_constant_where_there_is_nothing_to_split() -> None:
    x, _, weight = data(100)
    estimator = models.fit(LIGHTGBM, x, np.full(100, 3.0), weight, 0)
    opened = implementation("lightgbm", AssertionError).load(kept(estimator), 4)
    assert models.predict(Estimator(family="lightgbm", model=opened), x[:2]) == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize("model", [MODEL, replace(LIGHTGBM, parameters={"objective": "poisson"})])
def test_labels_that_the_library_refuses_are_said(model: Model) -> None:
    x, y, weight = data(100)
    with pytest.raises(TrainingImpossible, match=r"the library refused the fit.*correct model\.parameters"):
        models.fit(model, x, -1 - y, weight, 0)


def test_a_family_whose_library_is_not_there_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nightcast.models.lightgbm_booster", None)
    with pytest.raises(TrainingImpossible, match=r"of family lightgbm .*Install nightcast\[lightgbm\]"):
        models.fit(LIGHTGBM, *data(100), 0)
    assert models.fit(MODEL, *data(100), 0).family == MODEL.family


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "forest"}, "'forest'; expected hist_gradient_boosting or lightgbm"),
        (
            {"parameters": {"early_stopping": True, "max_itr": 3}},
            "unknown parameter 'early_stopping'.*; max_itr: .*mean 'max_iter'",
        ),
        ({"parameters": {"loss": "quantile"}}, 'loss: found "quantile"; expected poisson'),
        ({"parameters": {"learning_rate": -1}}, "learning_rate: found -1; expected a number above 0"),
    ],
)
def test_what_cannot_be_fitted_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingImpossible, match=words):
        models.fit(replace(MODEL, **changes), *data(100), 0)


def test_the_environment_is_plain_text() -> None:
    found = models.environment()
    assert set(found) == {"python", "numpy", "scikit-learn", "skops", "pyarrow", "cpu"}
    assert models.environment("lightgbm") == found | {"lightgbm": version("lightgbm")}
    assert found["numpy"] == np.__version__
    assert all(isinstance(v, str) and v for v in found.values())
