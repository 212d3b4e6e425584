"""Estimators: how a family of models is fitted and asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from nightcast.domain.model_spec import FAMILIES, Model
from nightcast.errors import TrainingImpossible

Floats = npt.NDArray[np.float64]

LOSSES = ("poisson", "squared_error", "gamma", "absolute_error")
FAMILY = "hist_gradient_boosting"
PARAMETERS = FAMILIES[FAMILY]


def fit(model: Model, x: npt.NDArray[np.float32], y: Floats, weight: Floats, seed: int) -> Any:
    """An estimator of `model.family` on features (rows, columns), labels and sample weights.

    One thread: the fitted numbers do not depend on it, but the stored thread count would. `TrainingImpossible` where
    the family or a parameter is unknown, or scikit-learn refuses a value.
    """
    if model.family != FAMILY:
        raise TrainingImpossible(f"model.family is {model.family!r}; expected {FAMILY}. Correct pipeline.yaml")
    unknown = sorted(set(model.parameters) - set(PARAMETERS))
    if unknown:
        raise TrainingImpossible(
            f"model.parameters has {', '.join(unknown)}; expected some of {', '.join(PARAMETERS)}. Correct it"
        )
    if model.parameters.get("loss", LOSSES[1]) not in LOSSES:
        raise TrainingImpossible(
            f"model.parameters.loss is {model.parameters['loss']!r}; expected {', '.join(LOSSES)}. Correct it"
        )
    estimator = HistGradientBoostingRegressor(**model.parameters, early_stopping=False, random_state=seed)
    try:
        with threadpool_limits(1, user_api="openmp"):
            estimator.fit(x, y, sample_weight=weight)
    except ValueError as error:
        raise TrainingImpossible(
            f"scikit-learn refused the fit: {error}. Expected parameters and labels that {model.family} accepts; "
            "correct model.parameters"
        ) from error
    # The binning remembers how many threads it had; it is of no use after the fit and would change the bundle's bytes.
    estimator._bin_mapper.n_threads = 1  # noqa: SLF001
    return estimator


def predict(estimator: Any, x: npt.NDArray[np.float32], threads: int | None = None) -> Floats:
    """What the estimator says of each row, float64; the same to the bit with any number of threads."""
    if not len(x):
        return np.empty(0)
    with threadpool_limits(threads, user_api="openmp"):
        return np.asarray(estimator.predict(x), dtype=np.float64)
