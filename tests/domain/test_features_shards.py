"""Features are the same to the bit for an entity, whoever lies beside it and wherever the history starts."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelling import MONDAY, make_calendar, make_cube, make_pipeline, random_scene
from nightcast.domain.calendar_view import calendar_view, closed_runs
from nightcast.domain.feature_matrix import feature_matrix, scoring_rows
from nightcast.domain.manifest import CalendarDay, PanelDay
from nightcast.domain.night import DayState
from nightcast.domain.panel import build_cube, panel_schema, totals
from nightcast.domain.rows import buckets
from nightcast.domain.windows import History
from nightcast.errors import CalendarTooShort

pytestmark = pytest.mark.unit


def snapshot() -> tuple[list[tuple[str, pa.Table]], list[PanelDay], list[CalendarDay]]:
    """60 days of panels for 30 entities, Sundays closed, one day missing."""
    rng, pipeline = np.random.default_rng(5), make_pipeline()
    panels, days, calendar = [], [], []
    for i in range(70):
        day = MONDAY + timedelta(days=i)
        calendar.append(CalendarDay(day=day, open=day.weekday() != 6, columns={"promotion": float(i % 3)}))
        if i >= 60:
            continue
        if day.weekday() == 6 or i == 41:
            days.append(PanelDay(day=day, state=DayState.MISSING if i == 41 else DayState.CLOSED))
            continue
        units = rng.poisson(1.2, 30)
        sold = np.flatnonzero(units)
        keys = pa.table({"sku": [f"entity {k}" for k in sold]})
        columns = [keys["sku"], pa.array([day] * len(sold), pa.date32()), pa.array(buckets(keys, ["sku"]))]
        table = pa.table([*columns, units[sold], np.ones(len(sold), int)], schema=panel_schema(pipeline))
        panels.append((f"object {i}", table))
        days.append(PanelDay(day=day, state=DayState.ACCEPTED, panel_object=f"object {i}", totals=totals(table)))
    return panels, days, calendar


def by_key(shard: tuple[int, int] | None) -> dict[tuple[str, str], bytes]:
    panels, days, calendar = snapshot()
    cube = build_cube(panels, days, calendar, make_pipeline(), shard)
    rows = scoring_rows(History(cube), calendar_view(calendar), date(2024, 2, 29), make_pipeline())
    keys = cube.keys["sku"].to_pylist()
    return {
        (keys[e], str(t)): x.tobytes() + s.tobytes()
        for e, t, x, s in zip(rows.entity, rows.target, rows.x, rows.scale, strict=True)
    }


def test_three_shards_together_are_the_whole() -> None:
    whole, parts = by_key(None), [by_key((i, 3)) for i in range(3)]
    assert len(whole) > 50
    assert all(parts)
    assert sum(len(p) for p in parts) == len(whole)
    assert parts[0] | parts[1] | parts[2] == whole


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 39), min_size=1, max_size=12, unique=True))
def test_an_entity_does_not_see_its_neighbours(seed: int, chosen: list[int]) -> None:
    cube, calendar = random_scene(seed % 7, days=60)
    history, origin = History(cube), MONDAY + timedelta(days=30 + seed % 29)
    everyone = feature_matrix(history, calendar, origin, np.arange(40), make_pipeline())
    some = feature_matrix(history, calendar, origin, np.array(chosen), make_pipeline())
    expected = np.concatenate([everyone.x[everyone.entity == e] for e in chosen])
    np.testing.assert_array_equal(some.x, expected)


def test_features_that_are_said_to_repeat_do() -> None:
    cube, calendar = random_scene(2, days=60)
    entities, origin = np.arange(40), MONDAY + timedelta(days=50)
    rows = feature_matrix(History(cube), calendar, origin, entities, make_pipeline())
    grid = rows.x.view(np.int32).reshape(40, -1, len(rows.names))  # bits, because NaN does not equal itself
    assert grid.shape[1] > 1
    assert rows.first_of_entities().tolist() == list(range(0, len(rows), grid.shape[1]))
    for name, column in zip(rows.names, np.moveaxis(grid, 2, 0), strict=True):
        assert name not in rows.of_entity or (column == column[:, :1]).all(), name
        assert name not in rows.of_target or (column == column[:1]).all(), name
    assert {"rolling_mean_units_7", "age_units"} <= rows.of_entity
    assert {"weekday", "promotion"} <= rows.of_target
    assert "same_weekday_mean_units_2" in set(rows.names) - rows.of_entity - rows.of_target


def test_a_history_that_starts_earlier_gives_the_same_windows_to_the_bit() -> None:
    pipeline = make_pipeline(features=tuple(f for f in make_pipeline().features if f.feature != "age"))
    cube, calendar = random_scene(3)
    late = make_cube(cube.values["units"][:, 70:], cube.open[70:], first=MONDAY + timedelta(days=70))
    origin, entities = MONDAY + timedelta(days=140), np.arange(40)
    long = feature_matrix(History(cube), calendar, origin, entities, pipeline)
    short = feature_matrix(History(late), calendar, origin, entities, pipeline)
    np.testing.assert_array_equal(long.x, short.x)


def test_closed_runs_count_neighbours_on_both_sides() -> None:
    before, after = closed_runs(np.array([True, False, False, True, True, False]))
    assert before.tolist() == [0, 0, 1, 2, 0, 0]
    assert after.tolist() == [2, 1, 0, 0, 1, 0]


def test_a_calendar_with_a_gap_or_a_doubled_day_is_refused() -> None:
    first, third = date(2024, 1, 1), date(2024, 1, 3)
    for days in ([first, third], [first, first]):
        with pytest.raises(CalendarTooShort, match="each day once"):
            calendar_view([CalendarDay(day=d, open=True, columns={}) for d in days])
    view = calendar_view([CalendarDay(day=date(2024, 1, 2), open=False, columns={}), *calendar_days(first)])
    assert view.open.tolist() == [True, False]
    assert np.isnan(view.columns["promotion"][1])


def calendar_days(first: date) -> list[CalendarDay]:
    return [CalendarDay(day=first, open=True, columns={"promotion": 1.0})]


def test_a_calendar_without_days_covers_nothing() -> None:
    with pytest.raises(CalendarTooShort, match="no day at all"):
        calendar_view([]).between(MONDAY, MONDAY)
    assert make_calendar(MONDAY, 7).between(MONDAY, MONDAY).days.tolist() == [MONDAY]
