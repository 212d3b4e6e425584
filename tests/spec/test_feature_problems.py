"""Features that cannot be, mean nothing or are there already: each mistake has its line and says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_origin

import pytest

from nightcast import spec
from nightcast.domain.feature_arguments import month_and_day
from nightcast.domain.features import FEATURE_KINDS, arguments_of
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import SpecError

pytestmark = pytest.mark.unit

Edit = Callable[[str, str], list[str]]

SIZE = "active_mean: {of: units, windows: [91]}"  # the sixth feature, which the cases replace
CASES = {
    "a lag after the origin": (
        "lag: {of: units, lags: [1, 0]}",
        ".lag.lags[1]: found 0; expected 1 to 1100 open days back from the origin; 1 is the last one up to it",
    ),
    "a lag of half a day": ("lag: {of: units, lags: [1.5]}", ".lag.lags[0]: found 1.5; expected a whole number"),
    "a window of no day": (
        "rolling_max: {of: orders, windows: [7, 0]}",
        ".rolling_max.windows[1]: found 0; expected 1 to 1100 calendar days up to and including the origin",
    ),
    "a window that is too long": (
        "mean_ratio: {of: orders, windows: [[7, 1101]]}",
        ".mean_ratio.windows[0][1]: found 1101; expected 1 to 1100 calendar days up to and including the origin",
    ),
    "no window": ("rolling_max: {of: orders, windows: []}", ".rolling_max: found no columns; expected at least one"),
    "a ratio of a window to itself": (
        "total_ratio: {of: orders, windows: [[7, 7]]}",
        ".total_ratio.windows[0]: found [7, 7]; expected two different windows, this ratio is always 1",
    ),
    "a ratio upside down": (
        "mean_ratio: {of: orders, windows: [[7, 28], [91, 28]]}",
        ".mean_ratio.windows[1]: found [91, 28]; expected the shorter one first, [28, 91]: recent days over more of "
        "them",
    ),
    "a ratio of weighted means upside down": (
        "weighted_mean_ratio: {measure: revenue, weight: units, windows: [[182, 28]]}",
        ".weighted_mean_ratio.windows[0]: found [182, 28]; expected the shorter one first, [28, 182]: recent days over "
        "more of them",
    ),
    "a mean weighted by itself": (
        "weighted_mean_of: {measure: units, weight: units, windows: [28]}",
        ".weighted_mean_of.weight: found units, the measure itself; expected another one, this mean is always 1",
    ),
    "an unknown measure": (
        "active_mean: {of: ordrs, windows: [91]}",
        ".active_mean.of: found unknown measure 'ordrs'; did you mean 'orders'? expected orders, revenue or units",
    ),
    "a weight that is no measure": (
        "weighted_mean_of: {measure: revenue, weight: price, windows: [28]}",
        ".weighted_mean_of.weight: found unknown measure 'price'; expected orders, revenue or units",
    ),
    "more weekdays than the window holds": (
        "total_weekday_share: {of: orders, occurrences: 8, window: 55}",
        ".total_weekday_share.window: found 55, which cannot hold 8 days with one weekday; expected 56 or more, for a "
        "share of what it is taken from",
    ),
    "no occurrence": (
        "same_weekday_mean: {of: orders, occurrences: [0]}",
        ".same_weekday_mean.occurrences[0]: found 0; expected 1 to 104 open days up to the origin that have the target "
        "date's weekday",
    ),
    "a season that is not over": (
        "seasonal_mean: {of: units, windows: [1, 15], season_length: 14}",
        ".seasonal_mean.windows[1]: found 15 days around the day 14 before the target date, the last of them 7 after "
        "the origin; expected days that are known for the whole horizon of 14: a season_length of 21 or more, or "
        "fewer days",
    ),
    "a season's lift that is not over": (
        "total_seasonal_lift: {of: units, windows: [[3, 28]], season_length: 14}",
        ".total_seasonal_lift.windows[0][0]: found 3 days around the day 14 before the target date, the last of them "
        "1 after the origin; expected days that are known for the whole horizon of 14: a season_length of 15 or more, "
        "or fewer days",
    ),
    "days without a middle": (
        "seasonal_mean: {of: units, windows: [14]}",
        ".seasonal_mean.windows[0]: found 14; expected an odd number of days, one lies in the middle, such as 15",
    ),
    "less than nothing to smooth with": (
        "seasonal_lift: {of: units, windows: [[15, 28]], smoothing: -1}",
        ".seasonal_lift.smoothing: found -1.0; expected 0 to 1000000 units of the measure, added above and below the "
        "line",
    ),
    "a date that no year has": (
        "days_to_date: {dates: [12-24, 02-30]}",
        ".days_to_date.dates[1]: found '02-30'; expected a month and day of every year, such as 12-24",
    ),
    "a date that some years have": (
        "days_to_date: {dates: [02-29]}",
        ".days_to_date.dates[0]: found '02-29'; expected a month and day of every year, such as 12-24",
    ),
    "a column twice": (
        "rolling_mean: {of: units, windows: [21, 28]}",
        ".rolling_mean.windows[1]: found the column rolling_mean_units_28 again, first in "
        "features[0].rolling_mean.windows[2]; expected it once",
    ),
    "a window twice": (
        "rolling_max: {of: orders, windows: [7, 7]}",
        ".rolling_max.windows[1]: found the column rolling_max_orders_7 again, first in "
        "features[3].rolling_max.windows[0]; expected it once",
    ),
    "a column that calendar.sql is not declared to deliver": (
        "known_future: {columns: [promotion]}",
        ".known_future.columns[0]: found unknown column 'promotion'; expected day_of_month, day_of_year or "
        "days_to_24_dec, as in calendar.columns",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_feature_that_cannot_be_is_named_with_its_line(after: Edit, case: str) -> None:
    new, expected = CASES[case]
    assert after(SIZE, new) == [f"LINE: at features[3]{expected}"]


def test_a_feature_that_comes_twice_is_named_where_it_comes_again(after: Edit) -> None:
    (problem,) = after("calendar: {columns: [weekday,", "calendar: {columns: [day_of_year,")
    assert problem == (
        "pipeline.yaml:58: at features[14].known_future.columns[0]: found the column day_of_year again, first in "
        "features[13].calendar.columns[0]; expected it once"
    )
    (problem,) = after("- scaled_mean: {of: units, windows: [7]}", "- days_since_active: {of: units, cap: 9}")
    assert problem.startswith("LINE: at features[9].days_since_active: found the column days_since_active_units again")


def test_a_column_of_the_calendar_that_is_not_delivered(after: Edit) -> None:
    found = after(
        "calendar: {columns: [day_of_year, day_of_month, days_to_24_dec]}", "calendar: {columns: [day_of_year]}"
    )
    assert [p.split("; ")[0] for p in found] == [
        "pipeline.yaml:58: at features[14].known_future.columns[1]: found unknown column 'day_of_month'",
        "pipeline.yaml:58: at features[14].known_future.columns[2]: found unknown column 'days_to_24_dec'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "sub_bins_of: active_share_units_91",
            "sub_bins_of: active_share_units_9",
            "LINE: at model.calibration.sub_bins_of: found unknown feature column 'active_share_units_9'; did you mean "
            "'active_share_units_91'? expected active_mean_units_91, ",
        ),
        (
            "blend: {28: 0.5, 91: 0.5}",
            "blend: {0: 0.5, 91: 0.5}",
            "LINE: at model.scale.blend.0: found 0: 0.5; expected a window of 1 to 1100 days and a weight above 0",
        ),
        (
            "blend: {28: 0.5, 91: 0.5}",
            "blend: {28: 1.5, 91: -0.5}",
            "LINE: at model.scale.blend.91: found 91: -0.5; expected a window of 1 to 1100 days and a weight above 0",
        ),
        (
            "  scale: {blend: {28: 0.5, 91: 0.5}, floor: 0.5}\n",
            "",
            "pipeline.yaml:60: at model.scale: found nothing; expected the key scale beside family, parameters",
        ),
        (
            "quantiles: [0.1, 0.5, 0.9]",
            "quantiles: [0.5, 0.1]",
            "LINE: at forecast.quantiles: quantiles are [0.5, 0.1]; expected rising levels between 0 and 1",
        ),
        (
            "quantiles: [0.1, 0.5, 0.9]",
            "quantiles: [0.5, 1.0]",
            "LINE: at forecast.quantiles: quantiles are [0.5, 1.0]; expected rising levels between 0 and 1",
        ),
        (
            "quantiles: [0.1, 0.5, 0.9]",
            "quantiles: [0.025, 0.5]",
            "LINE: at forecast.quantiles: quantiles are [0.025, 0.5]; expected whole percents, they name columns (q10)",
        ),
        (
            "quantiles: [0.1, 0.5, 0.9]",
            "quantiles: []",
            "LINE: at forecast.quantiles: found no level; expected at least one, such as 0.5",
        ),
    ],
)
def test_scale_quantiles_and_bins_that_cannot_be(after: Edit, old: str, new: str, expected: str) -> None:
    (problem,) = after(old, new)
    assert problem.startswith(expected)


def test_dates_are_months_and_days_of_every_year() -> None:
    assert month_and_day("12-24") == (12, 24)
    wrong = ["", "24-12", "1-1", "12-1", "1224", "00-10", "02-29", "04-31", "12-24-01", "W01-1"]
    assert [text for text in wrong if month_and_day(text)] == []


def test_every_number_of_a_feature_has_limits() -> None:
    """A new feature whose windows nobody bounds would be a promise that nobody can keep."""

    def unbounded(kind: Any) -> bool:
        if get_origin(kind) is tuple:
            return any(unbounded(inner) for inner in get_args(kind) if inner is not Ellipsis)
        return kind in (int, float)

    kinds = set(FEATURE_KINDS.values())
    assert [f"{k.__name__}.{n}" for k in kinds for n, t in arguments_of(k).items() if unbounded(t)] == []


def test_the_default_pipeline_may_use_all_of_them(good: PipelineFolder, after: Edit) -> None:
    assert len(good.pipeline.feature_names) == 36
    more = [
        "lag: {of: units, lags: [1, 2, 3, 4, 5, 6]}",
        "weighted_mean_of: {measure: revenue, weight: units, windows: [28, 182]}",
        "weighted_mean_ratio: {measure: revenue, weight: units, windows: [[28, 182]]}",
        "seasonal_mean: {of: units, windows: [15]}",
        "seasonal_lift: {of: units, windows: [[15, 28]], smoothing: 0.05}",
        "total_seasonal_lift: {of: units, windows: [[15, 28]]}",
        "days_to_date: {dates: [12-24]}",
        "calendar: {columns: [horizon]}",
    ]
    assert after(SIZE, "\n  - ".join([SIZE, *more])) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lag: {of: units}", "feature:1: at features[0].lag.lags: found nothing; expected the key lags beside of"),
        ("lag: {of: units, lags: 1}", "feature:1: at features[0].lag.lags: found 1; expected a list"),
        ("lags: {of: units}", "feature:1: at features[0].lags: found unknown feature 'lags'; did you mean 'lag'?"),
        ("lag: {of: units", "feature:1: is not YAML"),
    ],
)
def test_one_feature_can_be_read_alone(text: str, expected: str) -> None:
    assert spec.read_feature("lag: {of: units, lags: [2]}").names() == ("lag_units_2",)
    with pytest.raises(SpecError) as caught:
        spec.read_feature(text)
    assert caught.value.problems[0].startswith(expected)
