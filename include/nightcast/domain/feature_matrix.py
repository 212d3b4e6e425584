"""From a panel to the rows that a model reads. Training and scoring call the same function.

One row per entity, origin and open target date. What each feature means is written in `features`; how a window is
read in `windows`. Nothing after the origin is read from the panel, and nothing of the calendar that a night would not
have: so a training row sees exactly what a night would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.domain.calendar_view import ONE_DAY, CalendarView, Day, as_day, closed_runs
from nightcast.domain.model_spec import Scale
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.universe import universe
from nightcast.domain.windows import Floats, History, Past, Spans, quotient, weekdays

CALENDAR_AHEAD = 7  # days after the horizon that closed_after looks at, where the calendar holds them


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureRows:
    """Rows for a model, ordered by entity and target date.

    `x` is float32 (rows, names), NaN where a feature has no value. `of_entity` and `of_target` name the features that
    are the same in all rows of an entity, or of a target date. `entity` indexes the cube's keys. `scale` is the
    entity's level at the origin in target units, `blend` the same before its floor.
    """

    names: tuple[str, ...]
    of_entity: frozenset[str]
    of_target: frozenset[str]
    origin: np.datetime64
    x: npt.NDArray[np.float32]
    entity: npt.NDArray[np.intp]
    target: npt.NDArray[np.datetime64]
    horizon: npt.NDArray[np.int16]
    scale: Floats
    blend: Floats

    def __len__(self) -> int:
        return len(self.entity)

    def first_of_entities(self) -> npt.NDArray[np.intp]:
        """The first row of each entity."""
        return np.flatnonzero(np.diff(self.entity, prepend=-1))

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> FeatureRows:
        """Some of the rows, by index or by flag."""
        return FeatureRows(
            names=self.names,
            of_entity=self.of_entity,
            of_target=self.of_target,
            origin=self.origin,
            x=self.x[rows],
            entity=self.entity[rows],
            target=self.target[rows],
            horizon=self.horizon[rows],
            scale=self.scale[rows],
            blend=self.blend[rows],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    """What the features of one origin are computed from. Targets are the open days of the horizon."""

    past: Past
    scale: Floats
    targets: npt.NDArray[np.datetime64]
    calendar: Mapping[str, Floats]  # columns of the target dates that the engine knows
    known: Mapping[str, Floats]  # columns of the target dates that `calendar.sql` delivers


def scoring_rows(history: History, calendar: CalendarView, origin: Day, pipeline: Pipeline) -> FeatureRows:
    """The rows of a night: every entity of the universe at the origin, every open day of the horizon."""
    return feature_matrix(history, calendar, origin, universe(history, origin, pipeline.forecast), pipeline)


def feature_matrix(
    history: History,
    calendar: CalendarView,
    origin: Day,
    entities: npt.NDArray[np.intp],
    pipeline: Pipeline,
) -> FeatureRows:
    """Features of some entities at one origin, in the order of `pipeline.feature_names`.

    The calendar must cover the cube's first day to origin + horizon, else `CalendarTooShort`.
    """
    at = as_day(origin)
    past = Past(history, at, entities)
    targets, own, known = _horizon(calendar, past.days[0], at, pipeline)
    blend = _blend(past, pipeline.forecast.target, pipeline.model.scale)
    scale = np.maximum(blend, pipeline.model.scale.floor)
    scene = _Scene(past=past, scale=scale, targets=targets, calendar=own, known=known)
    repeat, names = len(targets), pipeline.feature_names
    x = np.empty((len(entities), repeat, len(names)), dtype=np.float32)
    columns = [c for f in pipeline.features for c in _BLOCKS[f.feature](scene, f)]
    for i, column in enumerate(columns):
        x[:, :, i] = column
    return FeatureRows(
        names=names,
        of_entity=frozenset(name for name, c in zip(names, columns, strict=True) if c.shape[1] == 1),
        of_target=frozenset(name for name, c in zip(names, columns, strict=True) if len(c) == 1),
        origin=at,
        x=x.reshape(len(entities) * repeat, len(names)),
        entity=np.repeat(entities, repeat),
        target=np.tile(targets, len(entities)),
        horizon=np.tile(((targets - at) // ONE_DAY).astype(np.int16), len(entities)),
        scale=np.repeat(scale, repeat),
        blend=np.repeat(blend, repeat),
    )


def _horizon(
    calendar: CalendarView, first: np.datetime64, origin: np.datetime64, pipeline: Pipeline
) -> tuple[npt.NDArray[np.datetime64], dict[str, Floats], dict[str, Floats]]:
    """The open days of the horizon, and the columns of them that are known at the origin: ours and the calendar's."""
    last = origin + pipeline.forecast.horizon * ONE_DAY
    calendar.between(first, last)  # what must be covered
    seen = calendar.between(first, min(last + CALENDAR_AHEAD * ONE_DAY, calendar.days[-1]))
    before, after = closed_runs(seen.open)
    ours = (seen.days > origin) & (seen.days <= last) & seen.open
    targets = seen.days[ours]
    own = {
        "weekday": weekdays(targets),
        "horizon": (targets - origin) // ONE_DAY,
        "closed_before": before[ours],
        "closed_after": after[ours],
        "day_of_year": (targets - targets.astype("datetime64[Y]").astype("datetime64[D]")) // ONE_DAY + 1,
        "day_of_month": (targets - targets.astype("datetime64[M]").astype("datetime64[D]")) // ONE_DAY + 1,
    }
    declared = [c for f in pipeline.features if f.feature == "known_future" for c in f.columns]
    known = {name: seen.column(name)[ours].astype(np.float64) for name in declared}
    return targets, {name: values.astype(np.float64) for name, values in own.items()}, known


def _blend(past: Past, target: str, scale: Scale) -> Floats:
    """Weighted sum of rolling means; a window without a day that counts adds nothing."""
    total = np.zeros(past.size)
    for days, weight in sorted(scale.blend.items()):
        total += weight * np.nan_to_num(past.mean(target, days))
    return total


# A block returns a feature's columns. A column has the shape (entities, targets), (entities, 1) or (1, targets).
def _windowed(statistic: Callable[[Past, str, int], Floats]) -> Callable[[_Scene, Any], list[Floats]]:
    return lambda scene, f: [statistic(scene.past, f.of, w)[:, None] for w in f.windows]


def _scaled_mean(scene: _Scene, f: Any) -> list[Floats]:
    return [(scene.past.mean(f.of, w) / scene.scale)[:, None] for w in f.windows]


def _mean_ratio(scene: _Scene, f: Any) -> list[Floats]:
    return [quotient(scene.past.mean(f.of, a), scene.past.mean(f.of, b))[:, None] for a, b in f.windows]


def _total_ratio(scene: _Scene, f: Any) -> list[Floats]:
    return [quotient([[scene.past.total_mean(f.of, a)]], scene.past.total_mean(f.of, b)) for a, b in f.windows]


def _lag(scene: _Scene, f: Any) -> list[Floats]:
    return [scene.past.lag(f.of, n)[:, None] for n in f.lags]


def _weighted_mean(scene: _Scene, f: Any) -> list[Floats]:
    return [scene.past.weighted_mean(f.measure, f.weight, w)[:, None] for w in f.windows]


def _weighted_mean_ratio(scene: _Scene, f: Any) -> list[Floats]:
    mean = partial(scene.past.weighted_mean, f.measure, f.weight)
    return [quotient(mean(a), mean(b))[:, None] for a, b in f.windows]


def _seasonal_mean(scene: _Scene, f: Any) -> list[Floats]:
    past, then = scene.past, scene.targets - f.season_length * ONE_DAY
    return [past.means(f.of, past.around(then, w)) for w in f.windows]


def _seasonal_lift(means: Callable[[Past, str, Spans], Floats]) -> Callable[[_Scene, Any], list[Floats]]:
    def lifts(scene: _Scene, f: Any) -> list[Floats]:
        past, then = scene.past, scene.targets - f.season_length * ONE_DAY
        pairs = [(past.around(then, a), past.up_to(f.season_length, b)) for a, b in f.windows]
        return [quotient(means(past, f.of, a) + f.smoothing, means(past, f.of, b) + f.smoothing) for a, b in pairs]

    return lifts


def _same_weekday_mean(scene: _Scene, f: Any) -> list[Floats]:
    return [_by_weekday(scene, partial(scene.past.weekday_mean, f.of, occurrences=n)) for n in f.occurrences]


def _total_weekday_share(scene: _Scene, f: Any) -> list[Floats]:
    mean = scene.past.total_mean(f.of, f.window)
    return [_by_weekday(scene, lambda day: quotient([scene.past.total_weekday_mean(f.of, day, f.occurrences)], mean))]


def _by_weekday(scene: _Scene, column: Callable[[int], Floats]) -> Floats:
    """One column per target date, computed once per weekday."""
    days = [int(day) for day in weekdays(scene.targets)]
    made = {day: column(day) for day in sorted(set(days))}
    return np.stack([made[day] for day in days], axis=1) if made else np.empty((1, 0))


def _days_since_active(scene: _Scene, f: Any) -> list[Floats]:
    return [np.minimum(scene.past.days_since_active(f.of), f.cap)[:, None]]


def _age(scene: _Scene, f: Any) -> list[Floats]:
    return [np.minimum(scene.past.age(f.of), f.cap)[:, None]]


def _calendar(scene: _Scene, f: Any) -> list[Floats]:
    return [scene.calendar[name][None, :] for name in f.columns]


def _days_to_date(scene: _Scene, f: Any) -> list[Floats]:
    return [_days_to(scene.targets, text)[None, :] for text in f.dates]


def _days_to(targets: npt.NDArray[np.datetime64], text: str) -> Floats:
    """Days to the next such date, the day itself included."""
    years = targets.astype("datetime64[Y]")
    month, day = (int(part) for part in text.split("-"))
    this, following = (
        ((years + n).astype("datetime64[M]") + (month - 1)).astype("datetime64[D]") + (day - 1) for n in (0, 1)
    )
    return ((np.where(this >= targets, this, following) - targets) // ONE_DAY).astype(np.float64)


def _known_future(scene: _Scene, f: Any) -> list[Floats]:
    return [scene.known[name][None, :] for name in f.columns]


_BLOCKS: dict[str, Callable[[_Scene, Any], list[Floats]]] = {
    "rolling_mean": _windowed(Past.mean),
    "rolling_max": _windowed(Past.maximum),
    "active_share": _windowed(Past.active_share),
    "active_mean": _windowed(Past.active_mean),
    "coefficient_of_variation": _windowed(Past.variation),
    "scaled_mean": _scaled_mean,
    "mean_ratio": _mean_ratio,
    "total_ratio": _total_ratio,
    "lag": _lag,
    "weighted_mean_of": _weighted_mean,
    "weighted_mean_ratio": _weighted_mean_ratio,
    "seasonal_mean": _seasonal_mean,
    "seasonal_lift": _seasonal_lift(Past.means),
    "total_seasonal_lift": _seasonal_lift(Past.total_means),
    "same_weekday_mean": _same_weekday_mean,
    "total_weekday_share": _total_weekday_share,
    "days_since_active": _days_since_active,
    "age": _age,
    "calendar": _calendar,
    "days_to_date": _days_to_date,
    "known_future": _known_future,
}
