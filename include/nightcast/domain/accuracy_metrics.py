"""The metrics of recorded accuracy: names, formulas and units, as analysts read them beside every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightcast.domain.pipeline import quantile_column

POINT = ("wape_day", "wape_horizon", "bias", "mase", "rmsse")  # of seasonal naive too
VALUE_ADDED = {"value_added_day": "wape_day", "value_added_horizon": "wape_horizon"}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a metric is: its formula, and the unit of its values."""

    text: str
    unit: str  # share | scaled | target


def definitions(levels: Sequence[float]) -> dict[str, Definition]:
    """Every metric of a pipeline with these quantile levels. y actual, f forecast mean, q a quantile."""
    share, scaled, target = "share", "scaled", "target"
    outer = f"{quantile_column(levels[0])} to {quantile_column(levels[-1])}" if levels else ""
    found = {
        "wape_day": (share, "sum |y - f| / sum y, over keys and target days: a miss on one day is a miss"),
        "wape_horizon": (
            share,
            "sum |Y - F| / sum Y, Y and F the sums of a key over its compared target days: days may make up for each "
            "other, as they do in one order for all of them",
        ),
        "bias": (share, "sum f / sum y - 1: above 0 is too much forecast"),
        "mase": (
            scaled,
            "mean over keys of mean |y - f| / mean |difference of consecutive open days in the year before the origin|",
        ),
        "rmsse": (
            scaled,
            "mean over keys of sqrt(mean (y - f)^2 / mean (difference of consecutive open days in the year before)^2)",
        ),
        "value_added_day": (
            share,
            "wape_day of seasonal naive less that of the model: below 0 the model does harm",
        ),
        "value_added_horizon": (share, "wape_horizon of seasonal naive less that of the model, on the same rows"),
        "pinball": (target, "mean of the pinball losses of all quantiles"),
        "coverage": (share, f"share of rows with y within {outer}"),
        "interval_width": (target, f"mean distance of {outer}"),
        "churn": (
            share,
            "sum |f - g| / sum g, g the forecast of the night published before, over keys and target days that both "
            "have",
        ),
    }
    for level in levels:
        name, a = quantile_column(level), f"{level:g}"
        found[f"pinball_{name}"] = (target, f"mean of max({a} (y - q), ({a} - 1) (y - q)), q the {name}")
        found[f"share_below_{name}"] = (share, f"share of rows with y <= {name}; {a} where it is calibrated")
    return {name: Definition(text=text, unit=unit) for name, (unit, text) in found.items()}
