"""Small pipelines, panels and calendars for tests of features, training and models."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from nightcast import models
from nightcast.domain import recipe
from nightcast.domain.calendar_view import CalendarView
from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.features import (
    CALENDAR_COLUMNS,
    Age,
    DaysSinceActive,
    DaysToDate,
    KnownFuture,
    Lagged,
    OfTargetDate,
    Ratio,
    SameWeekdayMean,
    SeasonalLift,
    SeasonalMean,
    TotalWeekdayShare,
    WeightedMean,
    WeightedMeanRatio,
    Windowed,
)
from nightcast.domain.forecast import Fitted
from nightcast.domain.model_spec import Calibration, Model, Scale, Training
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Calendar, Forecast, Measure, Pipeline, Schedule, Source, Universe

MONDAY = date(2024, 1, 1)


def windowed(feature: Any, windows: tuple[int, ...], of: str = "units") -> Windowed:
    return Windowed(feature=feature, of=of, windows=windows)


FEATURES = (
    windowed("rolling_mean", (7, 14)),
    windowed("rolling_mean", (7,), of="orders"),
    windowed("rolling_max", (7,)),
    windowed("active_share", (7,)),
    windowed("active_mean", (7,)),
    windowed("coefficient_of_variation", (7,)),
    windowed("scaled_mean", (7,)),
    Ratio(feature="mean_ratio", of="units", windows=((7, 14),)),
    Ratio(feature="total_ratio", of="units", windows=((7, 14),)),
    Lagged(feature="lag", of="units", lags=(1, 2, 10, 11)),
    WeightedMean(feature="weighted_mean_of", measure="units", weight="orders", windows=(7,)),
    WeightedMeanRatio(feature="weighted_mean_ratio", measure="units", weight="orders", windows=((7, 14),)),
    SeasonalMean(feature="seasonal_mean", of="units", windows=(3,), season_length=7),
    SeasonalMean(feature="seasonal_mean", of="units", windows=(3,), season_length=14),
    SeasonalLift(feature="seasonal_lift", of="units", windows=((3, 5),), season_length=7, smoothing=0.05),
    SeasonalLift(feature="total_seasonal_lift", of="units", windows=((3, 5),), season_length=7),
    SameWeekdayMean(feature="same_weekday_mean", of="units", occurrences=(1, 2)),
    TotalWeekdayShare(feature="total_weekday_share", of="units", occurrences=2, window=14),
    DaysSinceActive(feature="days_since_active", of="units", cap=9),
    Age(feature="age", of="units", cap=400),
    OfTargetDate(feature="calendar", columns=CALENDAR_COLUMNS),
    DaysToDate(feature="days_to_date", dates=("01-15",)),
    KnownFuture(feature="known_future", columns=("promotion",)),
)
MODEL = Model(
    family="hist_gradient_boosting",
    parameters={"loss": "poisson", "max_iter": 15, "learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 20},
    scale=Scale(blend={7: 0.5, 14: 0.5}, floor=0.5),
    cap=5.0,
    training=Training(origins=14, every_days=7, sample=0.6),
    calibration=Calibration(origins=3, gap_origins=1, level_bins=4, sub_bins=2, sub_bins_of="active_share_units_7"),
)
LIGHTGBM = replace(
    MODEL,
    family="lightgbm",
    parameters={
        "objective": "tweedie",
        "tweedie_variance_power": 1.3,
        "num_iterations": 15,
        "num_leaves": 8,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.5,
    },
)
FAMILIES = {model.family: model for model in (MODEL, LIGHTGBM)}


def make_pipeline(**changes: Any) -> Pipeline:
    """A pipeline with every feature, horizon 5; `changes` replace its fields."""
    columns = {
        "sku": Column(type=ColumnType.STRING, role=Role.KEY),
        "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
        "invoice": Column(type=ColumnType.STRING, role=Role.IDENTIFIER),
        "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE),
    }
    schedule = Schedule(cron="0 2 * * *", timezone="UTC", first_night=MONDAY, ready_by=time(6, 0))
    fields: dict[str, Any] = {
        "name": "small",
        "version": 1,
        "title": "A small pipeline",
        "owner": "tests",
        "schedule": schedule,
        "source": Source(connection="tests", columns=columns),
        "measures": {"units": Measure(sum="quantity"), "orders": Measure(count_distinct="invoice")},
        "forecast": Forecast(target="units", horizon=5, universe=Universe(min_active_days=2, trailing_days=14)),
        "features": FEATURES,
        "calendar": Calendar(columns=("promotion",)),
        "model": MODEL,
    }
    return Pipeline(**fields | changes)


def days_from(first: date, count: int) -> np.ndarray:
    return np.datetime64(first, "D") + np.arange(count)


def make_calendar(first: date, count: int, closed: tuple[int, ...] = ()) -> CalendarView:
    """`count` days, Sundays and the positions `closed` shut, with the column `promotion` that equals the position."""
    days = days_from(first, count)
    opened = (days.astype(np.int64) + 3) % 7 != 6
    opened[list(closed)] = False
    return CalendarView(days=days, open=opened, columns={"promotion": np.arange(count, dtype=np.float64)})


def make_cube(units: Any, opened: Any, first: date = MONDAY, keys: list[str] | None = None, orders: Any = None) -> Cube:
    """A cube of one target measure; `orders` are one per day with units unless given."""
    units = np.asarray(units, dtype=np.int64)
    values = {"units": units, "orders": np.asarray(units > 0 if orders is None else orders, dtype=np.int64)}
    return Cube(
        keys=pa.table({"sku": keys or [f"k{i:03d}" for i in range(len(units))]}),
        days=days_from(first, units.shape[1]),
        values=values,
        open=np.asarray(opened, dtype=np.bool_),
        totals={name: v.sum(axis=0) for name, v in values.items()},
    )


def random_scene(seed: int = 0, entities: int = 40, days: int = 150) -> tuple[Cube, CalendarView]:
    """Intermittent sales of some entities, with a shape over the week, and a calendar that goes on for 30 days."""
    rng = np.random.default_rng(seed)
    calendar = make_calendar(MONDAY, days + 30)
    rate = rng.gamma(0.7, 4.0, size=(entities, 1)) * (1 + np.arange(days) % 7 / 4)
    units = rng.poisson(rate) * (rng.random((entities, days)) < 0.7)
    opened = calendar.open[:days].copy()
    opened[rng.integers(10, days - 10, 3)] = False  # missing days: open in the calendar, not in the cube
    return make_cube(units, opened), calendar


@cache
def trained(family: str = MODEL.family) -> Fitted:
    """A recipe fitted by the real estimator on a random scene."""
    cube, calendar = random_scene()
    pipeline = make_pipeline(model=FAMILIES[family])
    return recipe.train(cube, calendar, pipeline, date(2024, 5, 20), models.fit, models.predict)
