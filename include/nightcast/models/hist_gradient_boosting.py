"""Family `hist_gradient_boosting`: scikit-learn's histogram trees, kept as a canonical skops file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from nightcast.errors import BundleRejected
from nightcast.models import guard_skops
from nightcast.models.archive import DO
from nightcast.models.canonical import canonical
from nightcast.models.families import Features, Floats


def fit(parameters: Mapping[str, Any], x: Features, y: Floats, weight: Floats, seed: int) -> Any:
    """A fitted HistGradientBoostingRegressor.

    One thread: the fitted numbers do not depend on it, but the stored thread count would.
    """
    estimator = HistGradientBoostingRegressor(**parameters, early_stopping=False, random_state=seed)
    with threadpool_limits(1, user_api="openmp"):
        estimator.fit(x, y, sample_weight=weight)
    # The binning remembers how many threads it had; it is of no use after the fit and would change the bundle's bytes.
    estimator._bin_mapper.n_threads = 1  # noqa: SLF001
    return estimator


def predict(model: Any, x: Features, threads: int | None) -> Floats:
    """What the model says of each row."""
    limits = nullcontext() if threads is None else threadpool_limits(threads, user_api="openmp")  # takes milliseconds
    with limits:
        return np.asarray(model.predict(x), dtype=np.float64)


def dump(model: Any) -> bytes:
    """The model as a canonical skops file, which plain skops opens."""
    return canonical(skops.io.dumps(model))


def load(data: bytes, features: int) -> Any:
    """The model in a skops file, whose types are checked before it is constructed and whose trees after."""
    guard_skops.check_model_file(data)
    model = _constructed(data)
    guard_skops.check_estimator(model, features)
    return model


def _constructed(data: bytes) -> Any:
    """Construct the estimator; every type in the file has been checked by now, and skops checks them again."""
    try:
        unknown = set(skops.io.get_untrusted_types(data=data)) - {guard_skops.TREE}
        if not unknown:
            return skops.io.loads(data, trusted=[guard_skops.TREE])
    except Exception as error:  # whatever a hostile file provokes in there is a reason to refuse it
        raise BundleRejected(
            f"skops cannot open the model ({type(error).__name__}: {error}); expected a fitted model. {DO}"
        ) from error
    raise BundleRejected(f"model.skops holds {', '.join(sorted(unknown))}; expected only {guard_skops.TREE}. {DO}")
