"""Every feature of the panel against loops over single days, on random scenes with closures, gaps and over a year."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from modelling import MONDAY, make_calendar, make_cube, make_pipeline
from nightcast.domain.feature_matrix import feature_matrix
from nightcast.domain.features import FEATURE_KINDS, FeatureSpec, measures_of
from nightcast.domain.panel import Cube
from nightcast.domain.windows import History
from nightcast.spec import read_feature

pytestmark = pytest.mark.unit

DAYS, ENTITIES = 460, 5
NAN = float("nan")
FEATURES = [
    "rolling_mean: {of: units, windows: [1, 28, 1100]}",
    "rolling_max: {of: units, windows: [3, 91]}",
    "active_share: {of: orders, windows: [28]}",
    "active_mean: {of: units, windows: [2, 91]}",
    "coefficient_of_variation: {of: units, windows: [5, 91]}",
    "scaled_mean: {of: units, windows: [7]}",
    "mean_ratio: {of: units, windows: [[3, 28]]}",
    "total_ratio: {of: orders, windows: [[7, 28]]}",
    "lag: {of: units, lags: [1, 2, 6, 300]}",
    "weighted_mean_of: {measure: units, weight: orders, windows: [2, 28]}",
    "weighted_mean_ratio: {measure: units, weight: orders, windows: [[3, 28]]}",
    "seasonal_mean: {of: units, windows: [1, 15]}",
    "seasonal_lift: {of: units, windows: [[15, 28]], smoothing: 0.05}",
    "total_seasonal_lift: {of: orders, windows: [[15, 28]], season_length: 371}",
    "same_weekday_mean: {of: units, occurrences: [1, 8]}",
    "total_weekday_share: {of: units, occurrences: 4, window: 56}",
    "days_since_active: {of: units, cap: 5}",
    "age: {of: units, cap: 400}",
]


class Plain:
    """One entity at one origin and target date, all as positions of days."""

    def __init__(self, cube: Cube, entity: int, origin: int, target: int):
        self.cube, self.entity, self.origin, self.target = cube, entity, origin, target
        self.counted = [t for t in range(origin + 1) if cube.open[t]]
        self.alike = [t for t in self.counted if t % 7 == target % 7]

    def value(self, measure: str, day: int, total: bool = False) -> int:
        values = self.cube.values[measure][:, day]
        return int(values.sum() if total else values[self.entity])

    def over(self, measure: str, days: Iterable[int], total: bool = False) -> list[int]:
        return [self.value(measure, t, total) for t in days if t in self.counted]

    def last(self, window: int, back: int = 0) -> range:
        return range(max(self.origin - back - window + 1, 0), self.origin - back + 1)

    def then(self, f: Any, window: int, days: range | None = None) -> float:
        """A whole window a season ago: around the target date, or `days`."""
        middle = self.target - f.season_length
        days = days or range(middle - window // 2, middle + window // 2 + 1)
        whole = days[0] >= 0 and len(days) == window
        return mean(self.over(f.of, days, f.feature.startswith("total"))) if whole else NAN

    def weighted(self, f: Any, window: int) -> float:
        days = self.last(window)
        return ratio(sum(self.over(f.measure, days)), sum(self.over(f.weight, days)))

    def lift(self, f: Any, pair: tuple[int, int]) -> float:
        usual = self.then(f, pair[1], self.last(pair[1], f.season_length))
        return ratio(self.then(f, pair[0]) + f.smoothing, usual + f.smoothing)


def ratio(above: float, below: float) -> float:
    return above / below if below else NAN


def mean(values: list[int]) -> float:
    return ratio(sum(values), len(values))


def spread(values: list[int]) -> float:
    return ratio(float(np.std(values)), mean(values)) if values else NAN


def scale(p: Plain) -> float:
    return max(0.5 * mean(p.over("units", p.last(7))) + 0.5 * mean(p.over("units", p.last(14))), 0.5)


def positive(p: Plain, f: Any) -> list[int]:
    return [t for t in p.counted if p.value(f.of, t) > 0]


def expected(p: Plain, f: Any) -> list[float]:
    each: dict[str, Callable[[Any], float]] = {
        "rolling_mean": lambda w: mean(p.over(f.of, p.last(w))),
        "rolling_max": lambda w: max(p.over(f.of, p.last(w)), default=NAN),
        "active_share": lambda w: mean([v > 0 for v in p.over(f.of, p.last(w))]),
        "active_mean": lambda w: mean([v for v in p.over(f.of, p.last(w)) if v > 0]),
        "coefficient_of_variation": lambda w: spread(p.over(f.of, p.last(w))),
        "scaled_mean": lambda w: mean(p.over(f.of, p.last(w))) / scale(p),
        "mean_ratio": lambda w: ratio(*(mean(p.over(f.of, p.last(x))) for x in w)),
        "total_ratio": lambda w: ratio(*(mean(p.over(f.of, p.last(x), total=True)) for x in w)),
        "lag": lambda n: p.value(f.of, p.counted[-n]) if n <= len(p.counted) else NAN,
        "weighted_mean_of": lambda w: p.weighted(f, w),
        "weighted_mean_ratio": lambda w: ratio(p.weighted(f, w[0]), p.weighted(f, w[1])),
        "seasonal_mean": lambda w: p.then(f, w),
        "seasonal_lift": lambda w: p.lift(f, w),
        "total_seasonal_lift": lambda w: p.lift(f, w),
        "same_weekday_mean": lambda n: mean(p.over(f.of, p.alike[-n:])),
        "total_weekday_share": lambda n: ratio(
            mean(p.over(f.of, p.alike[-n:], total=True)), mean(p.over(f.of, p.last(f.window), total=True))
        ),
        "days_since_active": lambda cap: min(p.origin - max(positive(p, f), default=-1000), cap),
        "age": lambda cap: min(p.origin - positive(p, f)[0], cap) if positive(p, f) else NAN,
    }
    arguments = next(getattr(f, n) for n in ("windows", "lags", "occurrences", "cap") if hasattr(f, n))
    return [each[f.feature](a) for a in (arguments if isinstance(arguments, tuple) else (arguments,))]


def scene(seed: int) -> tuple[Cube, Any]:
    rng = np.random.default_rng(seed)
    calendar = make_calendar(MONDAY, DAYS + 10, closed=tuple(rng.integers(0, DAYS, 25)))
    counted = calendar.open[:DAYS].copy()
    counted[rng.integers(5, DAYS, 8)] = False
    units = rng.poisson(1.0, (ENTITIES, DAYS)) * (rng.random((ENTITIES, DAYS)) < 0.5)
    units[0] = 0
    orders = np.minimum(units, rng.integers(0, 4, units.shape))
    return make_cube(units, counted, orders=orders), calendar


@pytest.mark.parametrize("origin", [20, 371, 385, 405, 455])
def test_features_are_what_loops_over_days_say(origin: int) -> None:
    features: tuple[FeatureSpec, ...] = tuple(read_feature(text) for text in FEATURES)
    assert {f.feature for f in features} == {
        name for name, kind in FEATURE_KINDS.items() if kind.__dataclass_fields__.keys() & {"of", "measure"}
    }
    assert all(any(measures_of(f)) for f in features)
    cube, calendar = scene(origin)
    day = MONDAY + timedelta(days=origin)
    rows = feature_matrix(History(cube), calendar, day, np.arange(ENTITIES), make_pipeline(features=features))
    assert len(rows) >= 3 * ENTITIES
    for entity, target, found in zip(rows.entity, rows.target, rows.x, strict=True):
        plain = Plain(cube, int(entity), origin, int((target - cube.days[0]).astype(int)))
        np.testing.assert_allclose(found, [v for f in features for v in expected(plain, f)], rtol=2e-6)
