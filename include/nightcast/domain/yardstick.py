"""What the forecasts of a night are measured by: numbers of its entities from what the night itself knew.

Made once per night, from its snapshot; so no later truth gets into them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain.baselines import seasonal_naive
from nightcast.domain.metrics import difference_scales
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.universe import universe
from nightcast.domain.windows import History, Past, weekdays

WEEK = 7
SCALES = ("scale_absolute", "scale_squared")  # of MASE and RMSSE
Floats = npt.NDArray[np.float64]


def yardstick(history: History, origin: date, pipeline: Pipeline) -> pa.Table:
    """One row per entity of the night's universe.

    Columns: the keys; `naive_0` to `naive_6`, seasonal naive per weekday of the target day (0 is Monday, null where
    there is none); `scale_absolute` and `scale_squared` of MASE and RMSSE (NaN where there is none); and a number per
    declared division into slices.
    """
    cube, target, entities = history.cube, pipeline.forecast.target, universe(history, origin, pipeline.forecast)
    columns = {key: cube.keys[key].take(pa.array(entities)) for key in pipeline.keys}
    values = history.values(target)[entities, : history.position(origin) + 1]
    days, is_open = cube.days[: values.shape[1]], cube.open[: values.shape[1]]
    week = np.datetime64(origin, "D") + np.arange(1, WEEK + 1)
    naive = seasonal_naive(values, days, is_open, origin, week)
    for at, weekday in sorted(enumerate(weekdays(week)), key=lambda pair: int(pair[1])):
        known = bool(naive.known[at])
        columns[f"naive_{weekday}"] = pa.array(naive.values[:, at]) if known else pa.nulls(len(values), pa.int64())
    for name, scale in zip(SCALES, difference_scales(values, is_open), strict=True):
        columns[name] = pa.array(scale)
    past, declared = Past(history, origin, entities), pipeline.monitoring.accuracy_slices
    if by := declared.active_share:
        columns[by.column] = pa.array(past.active_share(target, by.window))
    if level := declared.level:
        columns[level.column] = pa.array(past.mean(target, level.window))
    return pa.table(columns)


def fits(found: pa.Table, pipeline: Pipeline) -> bool:
    """Whether a yardstick has the numbers that the declared slices need."""
    declared = pipeline.monitoring.accuracy_slices
    return {by.column for by in (declared.active_share, declared.level) if by} <= set(found.column_names)


def naive_of(found: pa.Table, entity: npt.NDArray[np.intp], targets: npt.NDArray[np.datetime64]) -> Floats:
    """Seasonal naive of some rows: of entities, as rows of a yardstick (-1 is none of them), and target days.

    NaN where there is none.
    """
    if not found.num_rows:
        return np.full(len(entity), np.nan)
    columns = [pc.cast(found[f"naive_{weekday}"], pa.float64()).to_numpy() for weekday in range(WEEK)]
    return np.where(entity >= 0, np.stack(columns)[weekdays(targets), entity], np.nan)


def taken(column: npt.NDArray[Any], at: npt.NDArray[np.intp]) -> Floats:
    """Numbers by their place in a column; NaN where the place is -1."""
    return np.append(column, np.nan)[at]
