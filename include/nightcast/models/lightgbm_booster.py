"""Family `lightgbm`: LightGBM's boosted trees, kept as the trees of its own text format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np

from nightcast.errors import BundleRejected
from nightcast.models import guard_lightgbm
from nightcast.models.archive import DO
from nightcast.models.families import Features, Floats

# A fit depends on data, parameters and seed only. LightGBM would choose by timing between two ways to sum gradients; of
# these, row-wise sums depend on the number of threads even where `deterministic` is set (seen on 340,000 rows), and
# column-wise ones do not. One thread all the same, as in the other family.
_FIXED = {"deterministic": True, "force_col_wise": True, "num_threads": 1, "verbosity": -1}


def fit(parameters: Mapping[str, Any], x: Features, y: Floats, weight: Floats, seed: int) -> Any:
    """A fitted Booster. Parameters that are not set have LightGBM's defaults; all its seeds come from `seed`."""
    chosen = {name: value for name, value in parameters.items() if value is not None}
    trees = chosen.pop("num_iterations", 100)
    settings = chosen | _FIXED | {"seed": seed}
    try:
        return lightgbm.train(settings, lightgbm.Dataset(x, y, weight=weight, params=settings), trees)
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(str(error).strip()) from error


def predict(model: Any, x: Features, threads: int | None) -> Floats:
    """What the model says of each row."""
    return np.asarray(model.predict(x, num_threads=threads or 0), dtype=np.float64)


def dump(model: Any) -> bytes:
    """The trees as text, which plain LightGBM opens; parameters and importances after them are left out."""
    return guard_lightgbm.canonical(model.model_to_string(num_iteration=-1))


def load(data: bytes, features: int) -> Any:
    """The model in a text, which is checked before LightGBM's parser sees it."""
    text = guard_lightgbm.checked(data, features)
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise BundleRejected(
            f"LightGBM cannot open model.txt ({str(error).strip()}); expected a model. {DO}"
        ) from error
