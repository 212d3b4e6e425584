"""What each feature means, for the reference: one sentence, its formula, and what a quiet entity has.

In formulas O is the origin, d the target date, x(t) the measure of the entity on day t and X(t) its total over all
entities; sums go over the days of the window that are open and accepted, and n is how many these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """`without_history` begins with the value of an entity whose days up to the origin are all 0."""

    says: str
    formula: str
    without_history: str
    example: str  # an entry of `features:`, of the measures units, orders and revenue


MEANINGS: Mapping[str, Meaning] = {
    "rolling_mean": Meaning(
        says="Mean per open day of a trailing window.",
        formula="sum x(t) / n",
        without_history="0",
        example="rolling_mean: {of: units, windows: [7, 28, 91]}",
    ),
    "rolling_max": Meaning(
        says="Largest open day of a trailing window.",
        formula="max x(t)",
        without_history="0",
        example="rolling_max: {of: units, windows: [28]}",
    ),
    "active_share": Meaning(
        says="Share of the open days of a trailing window that are above zero: how intermittent an entity is.",
        formula="(number of days with x(t) > 0) / n",
        without_history="0",
        example="active_share: {of: units, windows: [28, 91]}",
    ),
    "active_mean": Meaning(
        says="Mean over the days of a trailing window that are above zero: the size of what comes, when it comes.",
        formula="sum x(t) / (number of days with x(t) > 0)",
        without_history="NaN, as wherever no day of the window is above zero",
        example="active_mean: {of: units, windows: [91]}",
    ),
    "coefficient_of_variation": Meaning(
        says="Spread of the open days of a trailing window relative to their mean, zeros included.",
        formula="sqrt(sum (x(t) - m)^2 / n) / m, where m = sum x(t) / n",
        without_history="NaN, as wherever the mean is 0",
        example="coefficient_of_variation: {of: units, windows: [91]}",
    ),
    "scaled_mean": Meaning(
        says="Rolling mean in units of the level that the model divides by (`model.scale`).",
        formula="(sum x(t) / n) / max(blend, floor)",
        without_history="0",
        example="scaled_mean: {of: units, windows: [7]}",
    ),
    "mean_ratio": Meaning(
        says="Rolling mean of recent days over that of more days: the entity's trend.",
        formula="mean of the shorter window / mean of the longer window",
        without_history="NaN, as wherever the longer window has nothing above zero",
        example="mean_ratio: {of: units, windows: [[28, 91]]}",
    ),
    "total_ratio": Meaning(
        says="Mean total of recent days over that of more days: the trend of all entities together, also of those "
        "outside the universe and in other shards.",
        formula="mean of X over the shorter window / mean of X over the longer window",
        without_history="the same as for every entity",
        example="total_ratio: {of: units, windows: [[7, 28]]}",
    ),
    "lag": Meaning(
        says="The value of one open day, counted back from the origin. The day is the same for every target date, so "
        "each lag is known for the whole horizon.",
        formula="x(t), where t is the n-th last open day up to O",
        without_history="0; NaN where the history holds fewer open days",
        example="lag: {of: units, lags: [1, 2, 3]}",
    ),
    "weighted_mean_of": Meaning(
        says="Sum of one measure over the sum of another: revenue weighted by units is a mean price. A decimal measure "
        "counts its smallest unit.",
        formula="sum measure(t) / sum weight(t)",
        without_history="NaN, as wherever the weights add up to 0",
        example="weighted_mean_of: {measure: revenue, weight: units, windows: [28, 182]}",
    ),
    "weighted_mean_ratio": Meaning(
        says="Weighted mean of recent days over that of more days: whether a price moves.",
        formula="weighted mean of the shorter window / weighted mean of the longer window",
        without_history="NaN, as wherever the weights of the shorter window add up to 0",
        example="weighted_mean_ratio: {measure: revenue, weight: units, windows: [[28, 182]]}",
    ),
    "seasonal_mean": Meaning(
        says="Mean per open day around the day that lies a season before the target date.",
        formula="sum x(t) / n over the w days with d - season_length in the middle",
        without_history="0; NaN where those days begin before the history",
        example="seasonal_mean: {of: units, windows: [15], season_length: 364}",
    ),
    "seasonal_lift": Meaning(
        says="What came a season ago over what had been usual until then. `smoothing` draws entities that were quiet "
        "then towards 1.",
        formula="(seasonal mean + smoothing) / (mean of the b days up to O - season_length + smoothing)",
        without_history="1, or NaN without smoothing; NaN where one of the windows begins before the history",
        example="seasonal_lift: {of: units, windows: [[15, 28]], smoothing: 0.05}",
    ),
    "total_seasonal_lift": Meaning(
        says="What came a season ago over what had been usual until then, in the total of all entities.",
        formula="(seasonal mean of X + smoothing) / (mean of X over the b days up to O - season_length + smoothing)",
        without_history="the same as for every entity",
        example="total_seasonal_lift: {of: units, windows: [[15, 28]]}",
    ),
    "same_weekday_mean": Meaning(
        says="Mean of the last open days that have the target date's weekday.",
        formula="sum x(t) / n over the last `occurrences` open days t up to O with the weekday of d",
        without_history="0",
        example="same_weekday_mean: {of: units, occurrences: [4, 8]}",
    ),
    "total_weekday_share": Meaning(
        says="How the total of the target date's weekday compares with the total of all days.",
        formula="mean of X over the last `occurrences` open days with the weekday of d / mean of X over `window`",
        without_history="the same as for every entity",
        example="total_weekday_share: {of: units, occurrences: 8, window: 56}",
    ),
    "days_since_active": Meaning(
        says="Calendar days since the entity's last day above zero.",
        formula="min(O - (last t up to O with x(t) > 0), cap)",
        without_history="`cap`",
        example="days_since_active: {of: units, cap: 400}",
    ),
    "age": Meaning(
        says="Calendar days since the entity's first day above zero; what came before the history is not known.",
        formula="min(O - (first t with x(t) > 0), cap)",
        without_history="NaN",
        example="age: {of: units, cap: 400}",
    ),
    "calendar": Meaning(
        says="Columns of the target date that the engine knows. `weekday` (Monday is 0), `horizon` (days from the "
        "origin), `closed_before` and `closed_after` (how many closed days lie just before and after it, looking at "
        "most 7 days beyond the horizon), `day_of_year` and `day_of_month` (from 1).",
        formula="from d, O and `calendar.sql` alone",
        without_history="the same as for every entity",
        example="calendar: {columns: [weekday, day_of_year, closed_before]}",
    ),
    "days_to_date": Meaning(
        says="Calendar days from the target date to the next day with this month and day; 0 on the day itself.",
        formula="(next such day from d on) - d",
        without_history="the same as for every entity",
        example="days_to_date: {dates: [12-24]}",
    ),
    "known_future": Meaning(
        says="Columns of the target date that `calendar.sql` delivers: promotions, school holidays, prices to come.",
        formula="the column's value on d; NaN where it is null",
        without_history="the same as for every entity",
        example="known_future: {columns: [promotion]}",
    ),
}
