"""How a forecast model is made, from a panel to a fitted recipe. The estimator itself comes from the `models` room.

The mean is learned on labels divided by the entity's level and capped, weighted by the level: for Poisson deviance
that is a model with the logarithm of the level as an offset. `kappa` gives back what cap and loss took. Quantiles are
calibrated on the newest origins by a first fit that has not seen them; the mean is then fitted again on all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.domain.calendar_view import CalendarView
from nightcast.domain.conformal import ConformalTable, fit_table
from nightcast.domain.forecast import Features, Fitted, Floats, Golden, Predict, declaration, level, score, second
from nightcast.domain.model_spec import Model
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.training import Hashes, Labelled, hash_keys, labelled_rows, stacked, training_origins
from nightcast.domain.windows import History
from nightcast.errors import TrainingImpossible

Fit = Callable[[Model, Features, Floats, Floats, int], Any]  # model, features, labels, weights, seed -> estimator

GOLDEN_ROWS = 64
_CEILING = 2.0  # a mean above so many times the largest training label, both in units of the level, is not believed


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mean:
    """An estimator of the mean with its numbers."""

    estimator: Any
    names: tuple[str, ...]
    dropped: tuple[str, ...]
    kappa: float
    ceiling: float

    def level(self, part: Labelled, predict: Predict) -> Floats:
        return level(self.estimator, part.rows.x, part.rows.scale, self.names, self.dropped, predict)


def train(
    cube: Cube, calendar: CalendarView, pipeline: Pipeline, trained_through: date, fit: Fit, predict: Predict
) -> Fitted:
    """Fit a pipeline's recipe on truth up to and including `trained_through`; nothing later is read.

    `TrainingImpossible` where the history is too short or holds labels that cannot be learned.
    """
    plan = pipeline.model.calibration
    parts = _parts(cube, calendar, pipeline, trained_through)
    share = pipeline.model.training.sample
    if len(parts) <= plan.origins + plan.gap_origins:
        raise TrainingImpossible(
            f"the history up to {trained_through} gives {len(parts)} training origins with rows; expected more than "
            f"{plan.origins + plan.gap_origins}, which calibration alone takes. Import a longer history"
        )
    held_out, older = parts[: plan.origins], parts[plan.origins + plan.gap_origins :]
    first = _fit_mean([p.sampled(share) for p in older], pipeline, fit, predict)
    mu = np.concatenate([first.level(p, predict) for p in held_out])
    table = _table(held_out, mu, pipeline)
    sample = [p.sampled(share) for p in parts]
    final = _fit_mean(sample, pipeline, fit, predict)
    metrics = {"training_origins": len(parts), "training_rows": sum(len(p) for p in sample)}
    fitted = Fitted(
        estimator=final.estimator,
        feature_names=final.names,
        dropped=final.dropped,
        kappa=final.kappa,
        ceiling=final.ceiling,
        sub_bins_of=plan.sub_bins_of,
        table=table,
        declaration=declaration(pipeline),
        trained_through=trained_through.isoformat(),
        metrics=metrics | _held_out_metrics(held_out, first.kappa * mu),
        golden=Golden(x=(), scale=(), outputs=()),
    )
    return replace(fitted, golden=_golden(fitted, sample, predict))


def _parts(cube: Cube, calendar: CalendarView, pipeline: Pipeline, trained_through: date) -> list[Labelled]:
    """The labelled rows of every training origin that has some, newest origin first.

    All of them where calibration reads them, else the sample at once: a long past would fill the memory.
    """
    history, hashes = History(cube), hash_keys(cube.keys)
    whole, share = pipeline.model.calibration.origins, pipeline.model.training.sample
    parts: list[Labelled] = []
    for origin in training_origins(trained_through, pipeline):
        part = labelled_rows(history, calendar, origin, pipeline, hashes)
        if part is not None and len(part):
            parts.append(part if len(parts) < whole else part.sampled(share))
    return parts


def _fit_mean(parts: Sequence[Labelled], pipeline: Pipeline, fit: Fit, predict: Predict) -> _Mean:
    x, y, scale, blend, _ = stacked(parts)
    model = pipeline.model
    capped = y if model.cap is None else np.minimum(y, model.cap * np.maximum(blend, 1.0))
    if len(y) == 0 or y.min() < 0 or capped.sum() == 0:
        found = f"a label of {y.min():g}" if len(y) and y.min() < 0 else f"{len(y)} rows and no label above zero"
        raise TrainingImpossible(
            f"training rows of {pipeline.forecast.target} have {found}; expected labels of zero or more, some above. "
            "Look at the measure's definition and at the imported history"
        )
    empty = np.atleast_1d(np.isnan(x).all(axis=0))
    names = pipeline.feature_names
    if empty.all():
        raise TrainingImpossible(
            f"none of the {len(names)} features has a value in training; expected at least one. Import a longer history"
        )
    if empty.any():
        x = x[:, ~empty]
    estimator = fit(model, x, capped / scale, scale, model.seed)
    kappa = _kappa(y, np.maximum(predict(estimator, x), 0.0) * scale, model.bias_correction)
    return _Mean(
        estimator=estimator,
        names=names,
        dropped=tuple(n for i, n in enumerate(names) if empty[i]),
        kappa=kappa,
        ceiling=float(_CEILING * kappa * (capped / scale).max()),
    )


def _kappa(y: Floats, mu: Floats, share: float) -> float:
    """Factor that gives back a share of what cap and loss took from the total of the training rows."""
    if mu.sum() == 0:
        raise TrainingImpossible(
            "the model predicts zero for every training row; expected some above. Look at model.parameters"
        )
    return float(1.0 + share * (y.sum() / mu.sum() - 1.0))


def _table(held_out: Sequence[Labelled], mu: Floats, pipeline: Pipeline) -> ConformalTable:
    plan = pipeline.model.calibration
    x, y, *_ = stacked(held_out)
    return fit_table(
        y,
        mu,
        second(x, pipeline.feature_names, plan.sub_bins_of),
        levels=pipeline.forecast.quantiles,
        level_bins=plan.level_bins,
        sub_bins=plan.sub_bins,
    )


def _held_out_metrics(held_out: Sequence[Labelled], mean: Floats) -> dict[str, float]:
    """Error of the first fit on the calibration origins, unseen by it: WAPE after summing the horizon, bias."""
    y = np.concatenate([p.y for p in held_out])
    if y.sum() == 0:
        return {"calibration_rows": float(len(y))}
    entities = 1 + max(int(p.rows.entity.max()) for p in held_out)
    group = np.concatenate([p.rows.entity + i * entities for i, p in enumerate(held_out)])
    missed = np.bincount(group, weights=mean - y)
    return {
        "calibration_rows": float(len(y)),
        "calibration_wape": float(np.abs(missed).sum() / y.sum()),
        "calibration_bias": float(mean.sum() / y.sum() - 1),
    }


def _golden(fitted: Fitted, parts: Sequence[Labelled], predict: Predict) -> Golden:
    x, _, scale, _, hashes = stacked(parts)
    at = _golden_rows(x, scale, hashes)
    x, scale = x[at], scale[at]
    scores = score(fitted, x, scale, predict)
    outputs = np.column_stack([scores.mean, scores.quantiles])
    return Golden(
        x=tuple(row.astype("<f4").tobytes().hex() for row in x),
        scale=tuple(float(s).hex() for s in scale),
        outputs=tuple(tuple(float(v).hex() for v in row) for row in outputs),
    )


def _golden_rows(x: Features, scale: Floats, hashes: Hashes) -> npt.NDArray[np.intp]:
    """Rows to keep, by hash: some with NaN, the smallest and the largest levels, the rest at random."""
    by_hash = np.argsort(hashes, kind="stable")
    with_nan = by_hash[np.isnan(x[by_hash]).any(axis=1)]
    by_scale = by_hash[np.argsort(scale[by_hash], kind="stable")]
    wanted = np.concatenate([with_nan[:12], by_scale[:8], by_scale[::-1][:8], by_hash])
    _, first = np.unique(wanted, return_index=True)
    return wanted[np.sort(first)][:GOLDEN_ROWS]
