"""Quantiles from a calibrated mean: split-conformal ratios by bins of the predicted level.

Per cell of a grid the table holds, for each level a, the ceil((n + 1) a)-th smallest ratio y / prediction of the n
calibration rows in it (Papadopoulos et al. 2002; Lei et al. 2018). Rows of one level of prediction are alike enough
that the rank of a new ratio among them is close to uniform.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.errors import TrainingImpossible

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ConformalTable:
    """Edges of the bins, and the ratio of each cell and quantile level, as plain numbers.

    A value belongs to the bin whose lower edge it has reached; NaN belongs to the last. `level_edges` are the inner
    edges of the predicted level, `sub_edges` those of the second variable within each level bin, `ratios` is indexed
    by level bin, sub bin and quantile level, and rises along the last.
    """

    levels: tuple[float, ...]
    level_edges: tuple[float, ...]
    sub_edges: tuple[tuple[float, ...], ...]
    ratios: tuple[tuple[tuple[float, ...], ...], ...]

    def quantiles(self, prediction: Floats, sub: Floats) -> Floats:
        """Quantiles (rows, levels) of rows with these predictions and second variables; they never cross."""
        level = np.searchsorted(self.level_edges, prediction, side="right")
        within = np.zeros(len(prediction), dtype=np.intp)
        for edges in np.array(self.sub_edges, dtype=np.float64).T:
            within += ~(sub < edges[level])  # so NaN has reached every edge
        return np.array(self.ratios, dtype=np.float64)[level, within] * prediction[:, None]


def table_from(plain: Mapping[str, Any]) -> ConformalTable:
    """The table that `dataclasses.asdict` and JSON turned into lists."""
    return ConformalTable(
        levels=tuple(plain["levels"]),
        level_edges=tuple(plain["level_edges"]),
        sub_edges=tuple(tuple(edges) for edges in plain["sub_edges"]),
        ratios=tuple(tuple(tuple(cell) for cell in row) for row in plain["ratios"]),
    )


def fit_table(
    y: Floats, prediction: Floats, sub: Floats, *, levels: Sequence[float], level_bins: int, sub_bins: int
) -> ConformalTable:
    """The table of calibration rows, in equal-count bins of the prediction and, within each, of `sub`.

    Rows with a prediction of zero say nothing about a ratio and are left out. A cell that is too small to hold the
    rank of a level takes the ratio of its level bin, and that of all rows in the end.
    """
    usable = prediction > 0
    y, prediction, sub = y[usable], prediction[usable], sub[usable]
    everything = _ranked(y / prediction, levels)
    if None in everything:
        raise TrainingImpossible(
            f"{len(y)} calibration rows have a prediction above zero; expected enough of them for the quantiles "
            f"{list(levels)}. Import a longer history or lower model.calibration.origins"
        )
    level_edges = _equal_count_edges(prediction, level_bins)
    level = np.searchsorted(level_edges, prediction, side="right")
    sub_edges, ratios = [], []
    for b in range(level_bins):
        rows = level == b
        ratio, edges = y[rows] / prediction[rows], _equal_count_edges(sub[rows], sub_bins)
        cell = np.searchsorted(edges, sub[rows], side="right")
        coarse = [_ranked(ratio, levels), everything]
        ratios.append(tuple(_filled([_ranked(ratio[cell == c], levels), *coarse]) for c in range(sub_bins)))
        sub_edges.append(edges)
    return ConformalTable(
        levels=tuple(levels), level_edges=level_edges, sub_edges=tuple(sub_edges), ratios=tuple(ratios)
    )


def _ranked(ratios: Floats, levels: Sequence[float]) -> list[float | None]:
    """The ceil((n + 1) a)-th smallest ratio per level; None where there are not so many."""
    ordered, n = np.sort(ratios), len(ratios)
    ranks = [math.ceil(round((n + 1) * a, 9)) for a in levels]  # 0.9 * 10 must be 9, whatever binary makes of it
    return [float(ordered[rank - 1]) if rank <= n else None for rank in ranks]


def _filled(candidates: Sequence[list[float | None]]) -> tuple[float, ...]:
    """Per level the first candidate that has a ratio, raised where it would fall below the level before it."""
    first = [next(v for v in column if v is not None) for column in zip(*candidates, strict=True)]
    return tuple(float(v) for v in np.maximum.accumulate(first))


def _equal_count_edges(values: Floats, bins: int) -> tuple[float, ...]:
    """The inner edges of bins with equally many values; equal values stay together. NaN is not a value here."""
    ordered = np.sort(values[~np.isnan(values)])
    if not len(ordered):
        return (0.0,) * (bins - 1)
    return tuple(float(ordered[k * len(ordered) // bins]) for k in range(1, bins))
