"""Every declared feature against numbers worked out by hand, on one small panel."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from modelling import MONDAY, make_calendar, make_cube, make_pipeline
from nightcast.domain.calendar_view import CalendarView
from nightcast.domain.feature_matrix import FeatureRows, feature_matrix, scoring_rows
from nightcast.domain.feature_meanings import MEANINGS
from nightcast.domain.features import CALENDAR_COLUMNS, FEATURE_KINDS, DaysToDate, OfTargetDate, SeasonalMean
from nightcast.domain.universe import universe
from nightcast.domain.windows import History
from nightcast.errors import CalendarTooShort

pytestmark = pytest.mark.unit

ORIGIN = date(2024, 1, 12)  # a Friday, position 11
#        Mon         Thu      Sat Sun                Wed        Fri | after the origin
UNITS = [
    [4, 0, 2, 0, 6, 0, 99, 1, 0, 50, 3, 0, 7, 8],
    [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 5, 5],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9],  # c has no history
]
ORDERS = [
    [2, 0, 1, 0, 2, 0, 50, 1, 0, 9, 2, 0, 3, 3],
    [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
]
SUNDAY, MISSING = 6, 9  # 2024-01-07 is closed, the rows of Wednesday 2024-01-10 never came
NAN = float("nan")


def scene(units: object = UNITS) -> tuple[History, CalendarView]:
    calendar = make_calendar(MONDAY, 24, closed=(17,))
    opened = calendar.open[:14].copy()
    opened[MISSING] = False
    return History(make_cube(units, opened, keys=["a", "b", "c"], orders=ORDERS)), calendar


@pytest.fixture(scope="module")
def rows() -> FeatureRows:
    history, calendar = scene()
    return feature_matrix(history, calendar, ORIGIN, np.arange(3), make_pipeline())


def test_there_is_one_row_per_entity_and_open_target_day(rows: FeatureRows) -> None:
    assert rows.x.dtype == np.float32
    assert rows.x.shape == (12, len(make_pipeline().feature_names))
    assert rows.names == make_pipeline().feature_names
    assert rows.entity.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert [str(d) for d in rows.target[:4]] == ["2024-01-13", "2024-01-15", "2024-01-16", "2024-01-17"]
    assert rows.horizon[:4].tolist() == [1, 3, 4, 5]


# Entity a in the trailing 7 days: 0 (Sat), closed, 1, 0, missing, 3, 0; five days count. In 14 days, which begin before
# the history: ten days count, 16 units. Columns are for a, b and c: one number for all target days, or one for each.
KNOWN: dict[str, tuple[object, object, object]] = {
    "rolling_mean_units_7": (4 / 5, 2 / 5, 0),
    "rolling_mean_units_14": (16 / 10, 12 / 10, 0),
    "rolling_mean_orders_7": (3 / 5, 1 / 5, 0),
    "rolling_max_units_7": (3, 2, 0),
    "active_share_units_7": (2 / 5, 1 / 5, 0),
    "active_mean_units_7": (4 / 2, 2 / 1, NAN),
    "coefficient_of_variation_units_7": (1.36**0.5 / 0.8, 0.8 / 0.4, NAN),
    "scaled_mean_units_7": (0.8 / 1.2, 0.4 / 0.8, 0),
    "mean_ratio_units_7_14": (0.8 / 1.6, 0.4 / 1.2, NAN),
    "total_ratio_units_7_14": (1.2 / 2.8, 1.2 / 2.8, 1.2 / 2.8),
    "lag_units_1": (0, 2, 0),
    "lag_units_2": (3, 0, 0),
    "lag_units_10": (4, 10, 0),  # the first day
    "lag_units_11": (NAN, NAN, NAN),
    "weighted_mean_of_units_orders_7": (4 / 3, 2 / 1, NAN),
    "weighted_mean_ratio_units_orders_7_14": (4 / 3 / 2, 2 / 2, NAN),
    "seasonal_mean_units_7_3": ([6 / 2, 1 / 2, 1 / 2, 3 / 2], 0, 0),
    "seasonal_mean_units_14_3": ([NAN, NAN, 6 / 3, 2 / 3], [NAN, NAN, 10 / 3, 0], [NAN, NAN, 0, 0]),
    "seasonal_lift_units_7_3_5": ([3.05 / 2.45, 0.55 / 2.45, 0.55 / 2.45, 1.55 / 2.45], 0.05 / 2.05, 1),
    "total_seasonal_lift_units_7_3_5": ([3 / 4.4, 0.5 / 4.4, 0.5 / 4.4, 1.5 / 4.4],) * 3,
    "same_weekday_mean_units_1": ([0, 1, 0, 2], 0, 0),  # the last Wednesday that counts is the 3rd
    "same_weekday_mean_units_2": ([0, 2.5, 0, 2], [0, 5, 0, 0], 0),
    "total_weekday_share_units_2_14": ([0, 7.5 / 2.8, 0, 2 / 2.8],) * 3,
    "days_since_active_units": (1, 0, 9),
    "age_units": (11, 11, NAN),
    "weekday": ([5, 0, 1, 2],) * 3,
    "horizon": ([1, 3, 4, 5],) * 3,
    "closed_before": ([0, 1, 0, 0],) * 3,
    "closed_after": ([1, 0, 0, 1],) * 3,  # Thursday 2024-01-18 is closed, beyond the horizon
    "day_of_year": ([13, 15, 16, 17],) * 3,
    "day_of_month": ([13, 15, 16, 17],) * 3,
    "days_to_date_01_15": ([2, 0, 365, 364],) * 3,
    "promotion": ([12, 14, 15, 16],) * 3,
}


def test_every_feature_has_a_known_answer() -> None:
    assert set(KNOWN) == set(make_pipeline().feature_names)
    assert {f.feature for f in make_pipeline().features} == set(FEATURE_KINDS)
    assert {c for f in make_pipeline().features if f.feature == "calendar" for c in f.columns} == set(CALENDAR_COLUMNS)


@pytest.mark.parametrize("name", KNOWN)
def test_a_feature_is_what_a_hand_can_work_out(rows: FeatureRows, name: str) -> None:
    found = rows.x[:, rows.names.index(name)].astype(float).reshape(3, 4)
    expected = [np.broadcast_to(np.asarray(e, dtype=float), 4) for e in KNOWN[name]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_reference_says_what_an_entity_without_history_has(rows: FeatureRows) -> None:
    values = {"0": 0.0, "1": 1.0, "NaN": NAN, "`cap`": 9.0}
    for feature in make_pipeline().features:
        said = MEANINGS[feature.feature].without_history.replace(",", " ").replace(";", " ").split()[0]
        for name in set(feature.names()) - {"lag_units_11", "seasonal_mean_units_14_3"}:  # which begin too early
            a, _, c = rows.x[:, rows.names.index(name)].astype(float).reshape(3, 4)
            np.testing.assert_array_equal(c, a if said == "the" else np.full(4, values[said]), err_msg=name)


def test_columns_of_the_date_know_months_years_and_leap_days() -> None:
    # target date, day of year and month, days to 24 December and to 28 February
    days = [("2024-02-28", 59, 28, 300, 0), ("2024-02-29", 60, 29, 299, 365), ("2024-03-01", 61, 1, 298, 364)]
    days += [("2024-12-24", 359, 24, 0, 66), ("2024-12-25", 360, 25, 364, 65), ("2025-03-01", 60, 1, 298, 364)]
    features = (
        OfTargetDate(feature="calendar", columns=("day_of_year", "day_of_month")),
        DaysToDate(feature="days_to_date", dates=("12-24", "02-28")),
    )
    pipeline = make_pipeline(features=features)
    history, calendar = History(make_cube(np.ones((1, 430)), np.ones(430))), make_calendar(MONDAY, 450)
    for text, *expected in days:
        day = date.fromisoformat(text)
        found = feature_matrix(history, calendar, day - timedelta(days=1), np.array([0]), pipeline)
        assert str(found.target[0]) == text
        assert found.x[0].tolist() == expected


def test_a_window_of_a_season_ago_that_is_not_known_yet_is_never_read() -> None:
    history, calendar = scene()
    late = SeasonalMean(feature="seasonal_mean", of="units", windows=(7,), season_length=7)
    with pytest.raises(ValueError, match="1 days after the origin; expected none to"):
        feature_matrix(history, calendar, ORIGIN, np.arange(3), make_pipeline(features=(late,)))


def test_the_scale_is_the_blend_of_means_with_a_floor(rows: FeatureRows) -> None:
    np.testing.assert_allclose(rows.blend, [1.2] * 4 + [0.8] * 4 + [0] * 4)
    np.testing.assert_allclose(rows.scale, [1.2] * 4 + [0.8] * 4 + [0.5] * 4)
    quiet, calendar = make_cube([[0] * 13 + [1]], np.ones(14)), make_calendar(MONDAY, 24)
    few = feature_matrix(History(quiet), calendar, date(2024, 1, 14), np.array([0]), make_pipeline())
    np.testing.assert_allclose(few.blend, 0.5 / 7 + 0.5 / 14)
    np.testing.assert_allclose(few.scale, 0.5)


def test_a_window_without_a_day_that_counts_is_nan_and_adds_nothing_to_the_scale() -> None:
    opened = np.zeros(14, dtype=bool)
    opened[:3] = True
    history = History(make_cube([[5] * 14], opened))
    rows = feature_matrix(history, make_calendar(MONDAY, 24), ORIGIN, np.array([0]), make_pipeline())
    values = dict(zip(rows.names, rows.x[0].tolist(), strict=True))
    empty = {n for n, v in values.items() if np.isnan(v)}
    assert empty == {
        *("rolling_mean_units_7", "rolling_mean_orders_7", "rolling_max_units_7", "active_share_units_7"),
        *("active_mean_units_7", "coefficient_of_variation_units_7", "scaled_mean_units_7", "mean_ratio_units_7_14"),
        *("total_ratio_units_7_14", "same_weekday_mean_units_1", "same_weekday_mean_units_2"),
        *("total_weekday_share_units_2_14", "lag_units_10", "lag_units_11", "weighted_mean_of_units_orders_7"),
        *("weighted_mean_ratio_units_orders_7_14", "seasonal_mean_units_14_3", "seasonal_mean_units_7_3"),
        *("seasonal_lift_units_7_3_5", "total_seasonal_lift_units_7_3_5"),
    }
    np.testing.assert_allclose(rows.blend, 0.5 * 5)


def test_days_since_active_and_age_are_capped() -> None:
    units = np.zeros((1, 30), dtype=int)
    units[0, 1] = 3
    rows = feature_matrix(
        History(make_cube(units, np.ones(30))),
        make_calendar(MONDAY, 40),
        date(2024, 1, 30),
        np.array([0]),
        make_pipeline(),
    )
    assert rows.x[0, rows.names.index("days_since_active_units")] == 9
    assert rows.x[0, rows.names.index("age_units")] == 28


def test_the_universe_counts_active_days_that_count() -> None:
    history, _ = scene()
    forecast = make_pipeline().forecast
    assert universe(history, ORIGIN, forecast).tolist() == [0, 1]  # 5, 2 and no active days in 14
    assert universe(history, date(2024, 1, 11), forecast).tolist() == [0]  # b has one so far
    assert universe(history, date(2024, 1, 1), forecast).tolist() == []


def test_rows_on_closed_and_missing_days_change_nothing() -> None:
    history, calendar = scene()
    base = scoring_rows(history, calendar, ORIGIN, make_pipeline())
    loud = np.array(UNITS)
    loud[:, [SUNDAY, MISSING]] = 1000
    other = scoring_rows(scene(loud)[0], calendar, ORIGIN, make_pipeline())
    np.testing.assert_array_equal(base.x, other.x)


def test_a_horizon_without_an_open_day_has_no_rows() -> None:
    history, _ = scene()
    shut = make_calendar(MONDAY, 24, closed=tuple(range(12, 24)))
    rows = scoring_rows(history, shut, ORIGIN, make_pipeline())
    assert len(rows) == 0
    assert rows.x.shape == (0, len(make_pipeline().feature_names))


def test_a_calendar_that_ends_within_the_horizon_is_refused() -> None:
    history, _ = scene()
    with pytest.raises(CalendarTooShort, match="2024-01-01 to 2024-01-16; expected 2024-01-01 to 2024-01-17"):
        scoring_rows(history, make_calendar(MONDAY, 16), ORIGIN, make_pipeline())


def test_a_calendar_that_lacks_a_declared_column_is_refused() -> None:
    history, calendar = scene()
    bare = type(calendar)(days=calendar.days, open=calendar.open, columns={})
    with pytest.raises(CalendarTooShort, match="'promotion'"):
        scoring_rows(history, bare, ORIGIN, make_pipeline())


def test_an_origin_that_the_cube_does_not_hold_is_refused() -> None:
    history, calendar = scene()
    with pytest.raises(ValueError, match="2024-01-01 to 2024-01-14; expected it to hold 2024-01-15"):
        scoring_rows(history, calendar, date(2024, 1, 15), make_pipeline())
