"""The families of models, and what a spec may set of each.

Left out on purpose: what would make a fit depend on chance, on threads or on the order of rows (random states, early
stopping, bagging), and categories, which the checks of a bundle do not know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nightcast.domain.team_file import one_of, shown, unknown


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of some words."""

    words: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Whether it may have this value."""
        return isinstance(value, str) and value in self.words

    def __str__(self) -> str:
        return one_of(self.words)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A parameter that is a number from `least` to `most`; `open_ends` leaves out the finite ends named in it."""

    least: float
    most: float = math.inf
    open_ends: str = ""  # "least", "most", "both"
    whole: bool = False
    or_null: bool = False  # null is no limit

    def allows(self, value: Any) -> bool:
        """Whether it may have this value; true and false are no numbers."""
        if value is None:
            return self.or_null
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        low = value > self.least if self.open_ends in ("least", "both") else value >= self.least
        high = value < self.most if self.open_ends in ("most", "both") else value <= self.most
        return low and high and math.isfinite(value)

    def __str__(self) -> str:
        low = ("above " if self.open_ends in ("least", "both") else "from ") + f"{self.least:g}"
        ends = ("below " if self.open_ends in ("most", "both") else "up to ") + f"{self.most:g}"
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} {low}{f' {ends}' if math.isfinite(self.most) else ''}{' or null' if self.or_null else ''}"


MOST_TREES = 10_000
MOST_LEAVES = 4096  # LightGBM reads a tree by recursion: its depth must be bounded

OBJECTIVES = ("poisson", "tweedie", "regression", "regression_l1")  # of LightGBM: what a mean per level can be

_SHARE = Number(least=0, most=1, open_ends="least")
_POSITIVE = Number(least=0, open_ends="least")
_NOT_NEGATIVE = Number(least=0)
FAMILIES: Mapping[str, Mapping[str, Choice | Number]] = {
    "hist_gradient_boosting": {
        "loss": Choice(("poisson", "squared_error", "gamma", "absolute_error")),
        "learning_rate": _POSITIVE,
        "max_iter": Number(least=1, most=MOST_TREES, whole=True),
        "max_leaf_nodes": Number(least=2, whole=True, or_null=True),
        "max_depth": Number(least=1, whole=True, or_null=True),
        "min_samples_leaf": Number(least=1, whole=True),
        "l2_regularization": _NOT_NEGATIVE,
        "max_features": _SHARE,
        "max_bins": Number(least=2, most=255, whole=True),
    },
    "lightgbm": {
        "objective": Choice(OBJECTIVES),
        "tweedie_variance_power": Number(least=1, most=2, open_ends="both"),
        "learning_rate": _POSITIVE,
        "num_iterations": Number(least=1, most=MOST_TREES, whole=True),
        "num_leaves": Number(least=2, most=MOST_LEAVES, whole=True),
        "max_depth": Number(least=1, whole=True, or_null=True),
        "min_data_in_leaf": Number(least=1, whole=True),
        "min_sum_hessian_in_leaf": _NOT_NEGATIVE,
        "min_gain_to_split": _NOT_NEGATIVE,
        "lambda_l1": _NOT_NEGATIVE,
        "lambda_l2": _NOT_NEGATIVE,
        "feature_fraction": _SHARE,
        "feature_fraction_bynode": _SHARE,
        "max_bin": Number(least=2, most=65_535, whole=True),
        "min_data_in_bin": Number(least=1, whole=True),
    },
}


def wrong_parameters(family: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name and the mistake of each parameter that the family (one of `FAMILIES`) does not have or take."""
    known = FAMILIES[family]
    for name, value in parameters.items():
        if name not in known:
            yield name, unknown(name, known, "parameter")
        elif not known[name].allows(value):
            yield name, f"found {shown(value)}; expected {known[name]}"
        elif name == "tweedie_variance_power" and parameters.get("objective") != "tweedie":
            yield name, f"found {shown(value)}; expected it beside objective: tweedie only"
