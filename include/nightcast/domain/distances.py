"""Distances between two distributions that are given as counts on the same cells, or as shares of the same bins.

Formulas only: which cells and bins, is decided by `drift`. Arrays are one-dimensional and of one length; p is the
current side, q the reference. Every distance is 0 for equal distributions and otherwise above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FLOOR = 1e-4  # share that the population stability index reads in place of a smaller one
EXPECTED = 1  # row that a bin must be expected to have on either side, for the chi-square test (Cochran 1954)


@dataclass(frozen=True, kw_only=True)
class ChiSquare:
    """A chi-square test of homogeneity: are current and reference drawn from one distribution?

    `bins` are those left after merging. `effect` is comparable between samples of different size, the statistic and
    `p_value` (of independent rows) are not.
    """

    statistic: float
    bins: int
    p_value: float
    effect: float


def population_stability_index(p: Floats, q: Floats) -> float:
    """Sum over bins of (p - q) ln(p / q), with shares below FLOOR read as FLOOR; unbounded, natural logarithm.

    The symmetrised Kullback-Leibler divergence (Jeffreys 1946), known under this name from credit scoring
    (Siddiqi 2006). The floor keeps an empty bin finite, and is part of the definition: another gives another number.
    """
    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))


def jensen_shannon_distance(p: Floats, q: Floats) -> float:
    """Square root of the Jensen-Shannon divergence to base 2: 0 to 1, a metric, symmetric.

    Divergence: (KL(p | m) + KL(q | m)) / 2 with m = (p + q) / 2 (Lin 1991); its root is a metric (Endres and
    Schindelin 2003).
    """
    middle = (p + q) / 2
    halves = [_kullback_leibler(side, middle) for side in (p, q)]
    return float(np.sqrt(min(max(sum(halves) / 2, 0.0), 1.0)))


def chi_square(current: Integers, reference: Integers) -> ChiSquare | None:
    """Pearson's statistic of the table of both sides' counts by bin, without Yates' correction; both are samples.

    The smallest bins are merged into one, until every bin is expected to have `EXPECTED` row on the smaller side.
    None where that leaves one bin of several.

    The statistic X2 grows with the number of rows, and is about its degrees of freedom (bins - 1) where nothing moved.
    The effect is sqrt(max(0, X2 - (bins - 1)) (1/n + 1/m)): an estimate, free of both, of Cohen's w (1988), the root
    of the sum of (p - q)^2 over the pooled shares. The subtraction is Bergsma's (2013) for Cramer's V.
    """
    n, m = float(np.sum(current)), float(np.sum(reference))
    table = _merged_bins(np.stack([current, reference]).astype(np.float64)[:, (current > 0) | (reference > 0)])
    bins, occupied = table.shape[1], np.count_nonzero(current + reference)
    if bins == 1 and occupied > 1:
        return None
    a, b = table
    statistic = float(np.sum((a * m - b * n) ** 2 / (a + b)) / (n * m))
    effect = float(np.sqrt(max(0.0, statistic - (bins - 1)) * (1 / n + 1 / m)))
    p_value = float(chdtrc(bins - 1, statistic)) if bins > 1 else 1.0
    return ChiSquare(statistic=statistic, bins=bins, p_value=p_value, effect=effect)


def l_infinity(p: Floats, q: Floats) -> float:
    """The largest difference of a bin's share, 0 to 1, symmetric."""
    return float(np.max(np.abs(p - q)))


def kolmogorov_smirnov(current: Integers, reference: Integers) -> float:
    """Largest difference of the two cumulative distributions, 0 to 1 (Smirnov 1939). Counts on rising cells."""
    return float(np.max(np.abs(_cumulative(current) - _cumulative(reference))))


def wasserstein_1(current: Integers, reference: Integers, at: Floats) -> float:
    """Area between the two cumulative distributions, in units of `at`: the rising, finite numbers of the cells.

    Equal to the least mean distance that mass must be moved (Vallender 1974).
    """
    between = np.abs(_cumulative(current) - _cumulative(reference))[:-1]
    return float(np.sum(between * np.diff(at)))


def standard_deviation(counts: Integers, at: Floats) -> float:
    """Standard deviation with divisor n of the numbers `at`, each counted so often; exactly 0 for a single one."""
    away = at - at[np.argmax(counts)]  # so that rounding cannot give a constant a spread
    n = np.sum(counts)
    mean = np.sum(counts * away) / n
    return float(np.sqrt(np.sum(counts * (away - mean) ** 2) / n))


def _merged_bins(table: Floats) -> Floats:
    """The table with its smallest bins in one; columns by size."""
    size = np.sum(table, axis=0)
    order = np.argsort(size, kind="stable")
    expected = size[order] * np.min(np.sum(table, axis=1)) / np.sum(size)
    enough = (np.cumsum(expected) >= EXPECTED) & (np.r_[expected[1:], np.inf] >= EXPECTED)
    last = 0 if expected[0] >= EXPECTED else int(np.argmax(enough)) if enough.any() else len(order) - 1
    return np.add.reduceat(table[:, order], np.r_[0, np.arange(last + 1, len(order))], axis=1)


def _cumulative(counts: Integers) -> Floats:
    running = np.cumsum(counts)
    return running / np.float64(running[-1])


def _kullback_leibler(p: Floats, q: Floats) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
