"""The statistics of drift, by name."""

from __future__ import annotations

from enum import StrEnum


class Statistic(StrEnum):
    """What is measured, the plainest first: of several that are equally unusual, readers are shown the first.

    Numbers have an order, and so Kolmogorov-Smirnov and Wasserstein; categories have L-infinity and chi-square.
    """

    PRESENCE = "presence"  # of a column
    ROW_SHARE = "row_share"  # of a slice
    GONE_LEVELS = "gone_levels"
    NEW_LEVELS = "new_levels"
    MISSING_SHARE = "missing_share"
    L_INFINITY = "l_infinity"
    KOLMOGOROV_SMIRNOV = "kolmogorov_smirnov"
    WASSERSTEIN = "wasserstein"
    JENSEN_SHANNON = "jensen_shannon"
    PSI = "psi"
    CHI_SQUARE = "chi_square"
