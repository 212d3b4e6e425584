"""Fitting and asking an estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelling import MODEL
from nightcast import models
from nightcast.errors import TrainingImpossible

pytestmark = pytest.mark.unit


def data(rows: int = 3000) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    x[::5, 2] = np.nan
    return x, rng.poisson(np.exp(x[:, 0])).astype(float), rng.random(rows) + 0.5


def test_the_mean_is_learned() -> None:
    x, y, weight = data()
    estimator = models.fit(MODEL, x, y, weight, 0)
    found = models.predict(estimator, x)
    assert found.dtype == np.float64
    assert np.corrcoef(found, np.exp(x[:, 0]))[0, 1] > 0.9
    assert np.average(found, weights=weight) == pytest.approx(np.average(y, weights=weight), rel=0.02)


def test_predictions_do_not_depend_on_threads_or_on_the_rows_beside() -> None:
    x, y, weight = data(20_000)
    estimator = models.fit(MODEL, x, y, weight, 0)
    one, two = models.predict(estimator, x, threads=1), models.predict(estimator, x, threads=2)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, models.predict(estimator, x))
    shuffled = np.random.default_rng(1).permutation(len(x))[:500]
    np.testing.assert_array_equal(one[shuffled], models.predict(estimator, x[shuffled]))
    assert models.predict(estimator, x[:0]).tolist() == []


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
    assert found["numpy"] == np.__version__
    assert all(isinstance(v, str) and v for v in found.values())
