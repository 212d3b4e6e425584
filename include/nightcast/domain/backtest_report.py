"""What a backtest found, as plain values for JSON: the same rows give the same bytes, wherever and whenever.

Numbers are rounded to DIGITS decimals; None where a method has no such forecast, or a metric is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from nightcast.domain import metrics
from nightcast.domain.accuracy import horizon_buckets, point_metrics, quantile_metrics
from nightcast.domain.backtest import Compared
from nightcast.domain.forecast import Scores
from nightcast.domain.manifest import digest_json
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.slicing import Flags

MODEL = "model"  # the pipeline's own
YARDSTICKS = ("mean_28", "seasonal_naive")  # that the error over the horizon is divided by
DIGITS = 6


def report(rows: Compared, pipeline: Pipeline, made_with: Mapping[str, Any]) -> dict[str, Any]:
    """Every metric of every method: over all rows, by origin, by days ahead and by slice."""
    levels = pipeline.forecast.quantiles
    origins = {str(o): rows.origin == o for o in np.unique(rows.origin)}
    return {
        "pipeline": pipeline.name,
        "target": pipeline.forecast.target,
        "horizon": pipeline.forecast.horizon,
        "origins": list(origins),
        "rows": len(rows),
        "left_out": dict(rows.left_out),
        "share_of_zeros": _rounded(float(np.mean(rows.actual == 0))) if len(rows) else None,
        "methods": _methods(rows, levels),
        "ratios": _ratios(rows, [MODEL, *made_with["other_models"]]),
        "by_origin": _parts(rows, origins, levels),
        "by_horizon": _parts(rows, _buckets(rows, pipeline.forecast.horizon), levels),
        "by_slice": _parts(rows, rows.slices, levels),
        "checks": {name: _checks(scores) for name, scores in rows.methods.items()},
        "made_with": dict(made_with),
    }


def declared(pipeline: Pipeline) -> str:
    """Digest of everything declared that a report depends on; what is left at its default is not said."""
    forecast = {n: v for n, v in _said(pipeline.forecast).items() if n != "max_missing_days"}
    measures = {name: _said(measure) for name, measure in pipeline.measures.items()}
    features = [_said(feature) for feature in pipeline.features]
    slices = _said(pipeline.monitoring.accuracy_slices)
    return digest_json([forecast, measures, features, _said(pipeline.model), slices])


def _said(value: Any) -> Any:
    """A declaration without the fields that are as they would be if nothing was written."""
    if isinstance(value, Mapping):
        return {str(k): _said(v) for k, v in value.items()}
    if not is_dataclass(value):
        return value
    found = {}
    for f in fields(value):
        unsaid = f.default_factory() if f.default_factory is not MISSING else f.default
        if getattr(value, f.name) != unsaid:
            found[f.name] = _said(getattr(value, f.name))
    return found


def _parts(rows: Compared, parts: Mapping[str, Flags], levels: Sequence[float]) -> dict[str, Any]:
    found = {name: rows.take(flags) for name, flags in parts.items() if flags.any()}
    return {name: {"rows": len(part), "methods": _methods(part, levels)} for name, part in found.items()}


def _buckets(rows: Compared, horizon: int) -> dict[str, Flags]:
    return {b.name: (b.first <= rows.horizon) & (rows.horizon <= b.last) for b in horizon_buckets(horizon)}


def _methods(rows: Compared, levels: Sequence[float]) -> dict[str, Any]:
    found = {name: _measured(rows, scores, levels) for name, scores in rows.methods.items()}
    for yardstick in YARDSTICKS:
        naive = found[yardstick]["wape_horizon"]
        for measured in found.values():
            error = measured["wape_horizon"]
            measured[f"to_{yardstick}"] = error / naive if error is not None and naive else None
    return {name: {n: _rounded(v) for n, v in measured.items()} for name, measured in found.items()}


def _ratios(rows: Compared, models: Sequence[str]) -> dict[str, Any]:
    """Of each model, its error over the horizon as a ratio to others', with a 95 % interval over entities."""
    _, first = np.unique(rows.group, return_index=True)
    entity, actual = rows.entity[first], metrics.sums(rows.actual, rows.group)
    error = {n: np.abs(metrics.sums(s.mean, rows.group) - actual) for n, s in rows.methods.items()}
    found: dict[str, Any] = {}
    for name in models:
        for other in (*YARDSTICKS, *({MODEL} - {name})):
            interval = metrics.ratio_interval(error[name], error[other], entity)
            ratio = error[name].sum() / error[other].sum() if interval else None
            found.setdefault(name, {})[f"to_{other}"] = [_rounded(v) for v in (ratio, *(interval or (None, None)))]
    return found


def _measured(rows: Compared, scores: Scores, levels: Sequence[float]) -> dict[str, float | None]:
    found = point_metrics(scores.mean, rows.actual, rows.group, rows.absolute, rows.squared)
    if scores.quantiles.shape[1] == len(levels):
        return found | quantile_metrics(rows.actual, scores.quantiles, levels)
    return found | dict.fromkeys(quantile_metrics(np.zeros(0), np.zeros((0, len(levels))), levels))


def _checks(scores: Scores) -> dict[str, int]:
    """Rows that no reader should ever see; 0 each."""
    every = np.column_stack([scores.mean, scores.quantiles])
    return {
        "not_finite": int((~np.isfinite(every)).any(axis=1).sum()),
        "negative": int((every < 0).any(axis=1).sum()),
        "crossing": int((np.diff(scores.quantiles, axis=1) < 0).any(axis=1).sum()),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS) + 0.0  # no -0.0
