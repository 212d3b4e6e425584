"""A fitted recipe and what it says: mean and quantiles in target units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.domain.conformal import ConformalTable, table_from
from nightcast.domain.manifest import digest_json
from nightcast.domain.pipeline import Pipeline
from nightcast.errors import BundleRejected, ForecastImplausible

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Predict = Callable[[Any, Features], Floats]  # estimator, features that it reads -> predictions in units of the scale

CHUNK = 50_000  # rows scored at once; bounds the memory of a night


@dataclass(frozen=True, kw_only=True)
class Golden:
    """Training rows with what the fitted recipe said of them, to be replayed wherever it is opened.

    Texts without loss: `x` holds the hexadecimal bytes of little-endian float32 features, `scale` and `outputs` hold
    `float.hex`; an output row is the mean and then the quantiles.
    """

    x: tuple[str, ...]
    scale: tuple[str, ...]
    outputs: tuple[tuple[str, ...], ...]

    def inputs(self) -> tuple[Features, Floats]:
        """Features (rows, columns) and scales."""
        x = np.stack([np.frombuffer(bytes.fromhex(row), dtype="<f4") for row in self.x]).astype(np.float32)
        return x, np.array([float.fromhex(s) for s in self.scale])

    def expected(self) -> Floats:
        """Outputs (rows, 1 + levels)."""
        return np.array([[float.fromhex(v) for v in row] for row in self.outputs])


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """An estimator with the numbers that make its output a forecast.

    `feature_names` are all declared columns, `dropped` those without a value in training, which the estimator does
    not read. `kappa` undoes the bias of capped labels, `ceiling` bounds a plausible mean in units of the scale.
    `declaration` is the digest of what the pipeline declared about features, scale and output.
    """

    estimator: Any
    feature_names: tuple[str, ...]
    dropped: tuple[str, ...]
    kappa: float
    ceiling: float
    sub_bins_of: str | None
    table: ConformalTable
    declaration: str
    trained_through: str  # ISO date: the last day whose truth was seen
    metrics: Mapping[str, float]
    golden: Golden

    def plain(self) -> dict[str, Any]:
        """Everything but the estimator, ready for JSON; `restore` is the inverse."""
        return {n: v for n, v in vars(self).items() if n not in ("estimator", "table", "golden")} | {
            "table": asdict(self.table),
            "golden": asdict(self.golden),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """A forecast per row: `mean`, and `quantiles` (rows, levels) that rise along a row. Target units."""

    mean: Floats
    quantiles: Floats


def restore(estimator: Any, plain: Mapping[str, Any]) -> Fitted:
    """The recipe that `Fitted.plain` described."""
    golden = plain["golden"]
    return Fitted(
        estimator=estimator,
        feature_names=tuple(plain["feature_names"]),
        dropped=tuple(plain["dropped"]),
        kappa=plain["kappa"],
        ceiling=plain["ceiling"],
        sub_bins_of=plain["sub_bins_of"],
        table=table_from(plain["table"]),
        declaration=plain["declaration"],
        trained_through=plain["trained_through"],
        metrics=dict(plain["metrics"]),
        golden=Golden(
            x=tuple(golden["x"]),
            scale=tuple(golden["scale"]),
            outputs=tuple(tuple(row) for row in golden["outputs"]),
        ),
    )


def declaration(pipeline: Pipeline) -> str:
    """Digest of the declarations that training and scoring must share: what features, scale and output mean."""
    forecast = pipeline.forecast
    return digest_json(
        {
            "features": [asdict(f) for f in pipeline.features],
            "measures": {n: asdict(m) for n, m in pipeline.measures.items()},
            "scale": {"blend": sorted(pipeline.model.scale.blend.items()), "floor": pipeline.model.scale.floor},
            "forecast": [forecast.target, forecast.horizon, forecast.quantiles],
        }
    )


def check_fits(fitted: Fitted, pipeline: Pipeline) -> None:
    """`BundleRejected` unless the recipe was trained for what the pipeline declares now."""
    if fitted.feature_names != pipeline.feature_names:
        changed = sorted(set(fitted.feature_names) ^ set(pipeline.feature_names)) or ["their order"]
        raise BundleRejected(
            f"the model reads {len(fitted.feature_names)} features; pipeline {pipeline.name} declares "
            f"{len(pipeline.feature_names)}, and they differ in {', '.join(changed)}. Train a model for this spec"
        )
    now = declaration(pipeline)
    if fitted.declaration != now:
        raise BundleRejected(
            f"pipeline {pipeline.name} declares its measures, features, scale, horizon or quantiles otherwise than "
            f"when the model was trained (declaration {now[:12]}; expected {fitted.declaration[:12]}). "
            "Train a model for this spec"
        )


def score(fitted: Fitted, x: Features, scale: Floats, predict: Predict, chunk: int = CHUNK) -> Scores:
    """Mean and quantiles of rows with all declared features; `ForecastImplausible` if one is not to be believed.

    mean = kappa * mu and quantile = table ratio * mu, where mu = scale * what the estimator predicts.
    """
    mu = np.empty(len(x))
    for start in range(0, len(x), chunk):
        part = slice(start, start + chunk)
        mu[part] = level(fitted.estimator, x[part], scale[part], fitted.feature_names, fitted.dropped, predict)
    _guard(fitted, mu, scale)
    beside = second(x, fitted.feature_names, fitted.sub_bins_of)
    return Scores(mean=fitted.kappa * mu, quantiles=fitted.table.quantiles(mu, beside))


def level(
    estimator: Any, x: Features, scale: Floats, names: tuple[str, ...], dropped: tuple[str, ...], predict: Predict
) -> Floats:
    """The predicted level mu of rows in target units, before kappa; never negative."""
    read = [i for i, name in enumerate(names) if name not in dropped]
    said = predict(estimator, x if len(read) == len(names) else x[:, read])
    if said.shape != (len(x),):  # one number would do for all rows, and nobody would notice
        raise ForecastImplausible(
            f"the model gave {said.shape} numbers for {len(x)} rows; expected one for each. Roll back to the model "
            "version before, and train anew"
        )
    return np.maximum(said, 0.0) * scale


def second(x: Features, names: tuple[str, ...], column: str | None) -> Floats:
    """The second variable of the conformal table: a feature column, or zeros where there is none."""
    return np.zeros(len(x)) if column is None else x[:, names.index(column)].astype(np.float64)


def _guard(fitted: Fitted, mu: Floats, scale: Floats) -> None:
    finite = np.isfinite(mu)
    if not finite.all():
        raise ForecastImplausible(
            f"{int((~finite).sum())} of {len(mu)} forecasts are not finite; expected none. "
            "Roll back to the model version before, and look at model.cap and model.scale.floor"
        )
    times = fitted.kappa * mu / scale
    if (times > fitted.ceiling).any():
        worst = int(np.argmax(times))
        raise ForecastImplausible(
            f"{int((times > fitted.ceiling).sum())} of {len(mu)} forecasts exceed {fitted.ceiling:.4g} times their "
            f"entity's level; the worst is {times[worst]:.4g} times a level of {scale[worst]:.4g}. Roll back to the "
            "model version before, and look at what changed in the features"
        )
