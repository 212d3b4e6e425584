"""Distances between two distributions that are given as counts on the same cells, or as shares of the same bins.

Formulas only: which cells and bins, is decided by `drift`. Arrays are one-dimensional and of one length; p is the
current side, q the reference. Every distance is 0 for equal distributions and otherwise above.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FLOOR = 1e-4  # share that the population stability index reads in place of a smaller one


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


def _cumulative(counts: Integers) -> Floats:
    running = np.cumsum(counts)
    return running / np.float64(running[-1])


def _kullback_leibler(p: Floats, q: Floats) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
