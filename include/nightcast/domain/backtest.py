"""Forecasts made at past origins, beside what then came: which origins, what was known at each, and the rows compared.

An origin sees a cube that ends with it, so nothing later can be looked at; what came is added afterwards. Every method
is measured on the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from nightcast.domain.calendar_view import ONE_DAY, Day, as_day
from nightcast.domain.feature_matrix import FeatureRows
from nightcast.domain.forecast import Floats, Scores
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.slicing import Flags, slices
from nightcast.domain.windows import History
from nightcast.domain.yardstick import SCALES, yardstick
from nightcast.errors import NotFound


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """Rows that every method has a forecast for and whose actual is known, in the order of their origins.

    `entity` is a place in the cube, `group` an entity at an origin; `absolute` and `squared` are its scales of MASE and
    RMSSE. `slices` has a flag per row, by what was known of the entity at the origin. `methods` has a forecast of these
    rows per method; `left_out` counts the rows of the universe that are not here, by reason.
    """

    origin: npt.NDArray[np.datetime64]
    entity: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    horizon: npt.NDArray[np.int16]
    actual: npt.NDArray[np.int64]
    absolute: Floats
    squared: Floats
    slices: Mapping[str, Flags]
    methods: Mapping[str, Scores]
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.actual)

    def take(self, rows: npt.NDArray[Any]) -> Compared:
        """Some of the rows, by index or by flag."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        methods = {n: Scores(mean=s.mean[rows], quantiles=s.quantiles[rows]) for n, s in self.methods.items()}
        slices = {name: flags[rows] for name, flags in self.slices.items()}
        return replace(self, **columns, slices=slices, methods=methods)


_COLUMNS = ("origin", "entity", "group", "horizon", "actual", "absolute", "squared")


def matured_origins(first: date, last: date, pipeline: Pipeline, every: int, count: int) -> tuple[date, ...]:
    """The newest `count` origins, `every` days apart, whose horizon had ended on the day `last`, in rising order.

    Fewer where the history that starts on `first` is too short to calibrate a model at the others.

    Raises:
        NotFound: it is too short for any.
    """
    plan, horizon = pipeline.model.calibration, timedelta(days=pipeline.forecast.horizon)
    taken = timedelta(days=(plan.origins + plan.gap_origins) * pipeline.model.training.every_days)
    found = [last - horizon - timedelta(days=every * n) for n in range(count)]
    found = [origin for origin in found if origin - horizon - taken >= first]
    if not found:
        raise NotFound(
            f"the history from {first} to {last} has no origin to test at; expected one with {horizon.days} days after "
            f"it and {(taken + horizon).days} before it. Import a longer history"
        )
    return tuple(sorted(found))


def checked_origins(origins: Sequence[date], first: date, last: date, pipeline: Pipeline) -> tuple[date, ...]:
    """The origins in rising order, each once.

    Raises:
        NotFound: one lies before the history, or its horizon does not end within it.
    """
    newest = last - timedelta(days=pipeline.forecast.horizon)
    if wrong := [o for o in origins if not first <= o <= newest]:
        raise NotFound(
            f"{wrong[0]} cannot be an origin: days from {first} to {last} are known; expected origins up to {newest}, "
            f"so that all {pipeline.forecast.horizon} days of the horizon have come. Import later days, or leave it out"
        )
    return tuple(sorted(set(origins)))


def cut(cube: Cube, through: Day) -> Cube:
    """The cube without the days after `through`, and with the same entities. Shares memory with the whole one."""
    end = int(np.searchsorted(cube.days, as_day(through), side="right"))
    return Cube(
        keys=cube.keys,
        days=cube.days[:end],
        values={name: values[:, :end] for name, values in cube.values.items()},
        open=cube.open[:end],
        totals={name: values[:end] for name, values in cube.totals.items()},
    )


def compared(
    whole: Cube, known: History, rows: FeatureRows, methods: Mapping[str, Scores], pipeline: Pipeline
) -> Compared:
    """The rows of an origin with what came of them. `known` ends with the origin, `whole` goes on; same entities."""
    day = ((rows.target - whole.days[0]) // ONE_DAY).astype(np.intp)
    came = day < len(whole.days)
    came[came] = whole.open[day[came]]
    said = np.logical_and.reduce([~np.isnan(scores.mean) for scores in methods.values()])
    entities = yardstick(known, date.fromisoformat(str(rows.origin)), pipeline)  # in the order of the universe's rows
    at = np.unique(rows.entity, return_inverse=True)[1]
    absolute, squared = (entities[name].to_numpy()[at] for name in SCALES)
    found = Compared(
        origin=np.full(len(rows), rows.origin),
        entity=rows.entity.astype(np.int64),
        group=rows.entity.astype(np.int64),
        horizon=rows.horizon,
        actual=whole.values[pipeline.forecast.target][rows.entity, np.where(came, day, 0)],
        absolute=absolute,
        squared=squared,
        slices={name: flags[at] for name, flags in slices(entities, pipeline.monitoring.accuracy_slices).items()},
        methods=methods,
        left_out={"without_actual": int((~came).sum()), "without_forecast": int((came & ~said).sum())},
    )
    return found.take(came & said)


def together(parts: Sequence[Compared]) -> Compared:
    """The rows of several origins of one cube below each other; an entity at another origin is another group."""
    groups = np.cumsum([0, *(int(p.group.max(initial=-1)) + 1 for p in parts)])
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS}
    columns["group"] = np.concatenate([p.group + start for p, start in zip(parts, groups, strict=False)])
    return Compared(
        **columns,
        slices={
            name: np.concatenate([p.slices.get(name, np.zeros(len(p), np.bool_)) for p in parts])
            for name in dict.fromkeys(name for p in parts for name in p.slices)
        },
        methods={
            name: Scores(
                mean=np.concatenate([p.methods[name].mean for p in parts]),
                quantiles=np.concatenate([p.methods[name].quantiles for p in parts]),
            )
            for name in parts[0].methods
        },
        left_out={reason: sum(p.left_out[reason] for p in parts) for reason in parts[0].left_out},
    )
