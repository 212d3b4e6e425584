"""P6: a forecast made at an origin does not change when what comes after the origin changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelling import MONDAY, make_pipeline, random_scene, trained
from nightcast import models
from nightcast.domain import recipe
from nightcast.domain.calendar_view import CalendarView
from nightcast.domain.feature_matrix import CALENDAR_AHEAD, feature_matrix, scoring_rows
from nightcast.domain.features import measures_of
from nightcast.domain.forecast import score
from nightcast.domain.panel import Cube
from nightcast.domain.universe import universe
from nightcast.domain.windows import History

pytestmark = pytest.mark.unit

HORIZON = make_pipeline().forecast.horizon


def scrambled(cube: Cube, origin: date, seed: int) -> Cube:
    """The cube with other values, totals and missing days after the origin."""
    rng, after = np.random.default_rng(seed), cube.days > np.datetime64(origin)
    values = {name: v.copy() for name, v in cube.values.items()}
    totals = {name: v.copy() for name, v in cube.totals.items()}
    for name in values:
        values[name][:, after] = rng.integers(0, 10_000, (len(values[name]), after.sum()))
        totals[name][after] = rng.integers(0, 10**6, after.sum())
    opened = cube.open.copy()
    opened[after] = rng.random(after.sum()) < 0.5
    return replace(cube, values=values, totals=totals, open=opened)


def other_calendar(calendar: CalendarView, last: date, seed: int) -> CalendarView:
    """The calendar with other openings and columns after `last`."""
    rng, after = np.random.default_rng(seed), calendar.days > np.datetime64(last)
    opened, column = calendar.open.copy(), calendar.columns["promotion"].copy()
    opened[after] = rng.random(after.sum()) < 0.5
    column[after] = -1e6
    return replace(calendar, open=opened, columns={"promotion": column})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(30, 130))
def test_universe_scale_features_and_forecast_do_not_see_the_future(seed: int, at: int) -> None:
    cube, calendar = random_scene(seed % 5)
    origin, pipeline, fitted = MONDAY + timedelta(days=at), make_pipeline(), trained()
    changed = scrambled(cube, origin, seed)
    known = origin + timedelta(days=HORIZON + CALENDAR_AHEAD)
    before = scoring_rows(History(cube), calendar, origin, pipeline)
    after = scoring_rows(History(changed), other_calendar(calendar, known, seed), origin, pipeline)
    assert len(before) > 0
    for name in ("x", "entity", "target", "horizon", "scale", "blend"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    np.testing.assert_array_equal(
        universe(History(cube), origin, pipeline.forecast), universe(History(changed), origin, pipeline.forecast)
    )
    one, other = (score(fitted, rows.x, rows.scale, models.predict) for rows in (before, after))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.quantiles, other.quantiles)


def test_training_does_not_see_what_comes_after_its_last_day() -> None:
    cube, calendar = random_scene()
    through = date(2024, 5, 6)
    later = other_calendar(calendar, through + timedelta(days=CALENDAR_AHEAD), 4)
    one = recipe.train(cube, calendar, make_pipeline(), through, models.fit, models.predict)
    other = recipe.train(scrambled(cube, through, 4), later, make_pipeline(), through, models.fit, models.predict)
    assert one.plain() == other.plain()
    assert models.seal(one, {}, {}) == models.seal(other, {}, {})


def test_the_scrambling_is_seen_by_every_feature_of_a_later_origin() -> None:
    """The property above could hold for features that see nothing at all; these see what has become the past."""
    cube, calendar = random_scene()
    origin, pipeline = date(2024, 4, 1), make_pipeline()
    later = origin + timedelta(days=20)
    entities = np.arange(len(cube.values["units"]))
    before = feature_matrix(History(cube), calendar, later, entities, pipeline)
    after = feature_matrix(History(scrambled(cube, origin, 1)), calendar, later, entities, pipeline)
    blind = {n for i, n in enumerate(before.names) if np.array_equal(before.x[:, i], after.x[:, i], equal_nan=True)}
    of_the_date = {c for f in pipeline.features if not tuple(measures_of(f)) for c in f.names()}
    assert blind == of_the_date | {"age_units"}  # which is older than the origin here
