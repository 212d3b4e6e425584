"""Accuracy: known answers, and no number where there is none."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain import accuracy, metrics
from nightcast.domain.accuracy import ALL, Bucket, Compared, Maturity, Method, Part, Score, horizon_buckets
from nightcast.domain.accuracy_metrics import POINT, definitions

pytestmark = pytest.mark.unit

MODEL, NAIVE = Method.MODEL, Method.SEASONAL_NAIVE
LEVELS = (0.1, 0.5, 0.9)
ORIGIN = date(2011, 10, 31)
HORIZON = [ORIGIN + timedelta(days=n) for n in range(1, 15)]


def compared(rows: list[tuple[float, ...]], **changed: Any) -> Compared:
    """Rows of entity, days ahead, actual, mean and naive; quantiles are half the mean, the mean and twice the mean."""
    entity, ahead, actual, mean, naive = (np.array(column) for column in zip(*rows, strict=True))
    given = {"entity": entity, "ahead": ahead, "actual": actual, "mean": mean, "naive": naive}
    given |= {"quantiles": np.stack([mean / 2, mean, mean * 2], axis=1)}
    given |= {"scale_absolute": np.full(len(rows), 2.0), "scale_squared": np.full(len(rows), 4.0)}
    return Compared(**{**given, **changed})


def whole(maturity: Maturity = Maturity.FINAL, *, come: bool = True) -> list[Part]:
    return [Part(name=ALL, bucket=Bucket(first=1, last=14), forecast=14, compared=14, come=come, maturity=maturity)]


def table(found: Any) -> dict[tuple[str, str, str, str], Score]:
    return {(s.part.name, s.slice, s.method, s.metric): s for s in found}


def value(found: Any, metric: str, method: Method = MODEL, part: str = ALL, name: str = "") -> float | None:
    return table(found)[part, name, method, metric].value


ROWS = [(1, 1, 10, 12.0, 4.0), (1, 2, 0, 3.0, 5.0), (2, 1, 30, 25.0, 60.0), (2, 8, 4, 4.0, 0.0)]


def test_known_answers_of_every_metric() -> None:
    found = list(accuracy.scores(compared(ROWS), {}, LEVELS, whole()))
    expected = {
        "wape_day": 10 / 44,  # 2 + 3 + 5 + 0
        "wape_horizon": 10 / 44,  # |15 - 10| + |29 - 34|
        "bias": 0.0,
        "mase": (2.5 / 2 + 2.5 / 2) / 2,
        "rmsse": (np.sqrt(6.5 / 4) + np.sqrt(12.5 / 4)) / 2,
        "value_added_day": (6 + 5 + 30 + 4) / 44 - 10 / 44,
        "value_added_horizon": (1 + 26) / 44 - 10 / 44,
        "pinball_q10": (0.1 * 4 + 0.9 * 1.5 + 0.1 * 17.5 + 0.1 * 2) / 4,
        "share_below_q50": 3 / 4,
        "coverage": 3 / 4,  # 0 is below 1.5
        "interval_width": 1.5 * 44 / 4,
    }
    assert {m: value(found, m) for m in expected} == {m: pytest.approx(v) for m, v in expected.items()}
    pinball = [value(found, f"pinball_{q}") for q in ("q10", "q50", "q90")]
    assert value(found, "pinball") == pytest.approx(np.mean(pinball))
    assert value(found, "wape_day", NAIVE) == 45 / 44
    assert value(found, "bias", NAIVE) == 25 / 44
    assert {s.metric for s in found if s.method == NAIVE} == set(POINT)
    assert {(s.n, s.sum_actual) for s in found} == {(4, 44)}


def test_every_score_has_a_definition_and_every_definition_a_score() -> None:
    found = {s.metric for s in accuracy.scores(compared(ROWS), {}, LEVELS, whole())}
    assert found | {"churn"} == definitions(LEVELS).keys()
    assert {d.unit for d in definitions(LEVELS).values()} == {"share", "scaled", "target"}
    assert "0.1 (y - q)" in definitions(LEVELS)["pinball_q10"].text


def test_one_quantile_has_no_interval() -> None:
    rows = compared(ROWS, quantiles=np.ones((4, 1)))
    found = {s.metric for s in accuracy.scores(rows, {}, (0.5,), whole())}
    assert not {"coverage", "interval_width"} & found
    assert {"pinball", "share_below_q50"} <= found


def test_misses_of_days_may_make_up_for_each_other_over_the_horizon() -> None:
    found = list(accuracy.scores(compared([(1, 1, 10, 20.0, 0.0), (1, 2, 10, 0.0, 0.0)]), {}, LEVELS, whole()))
    assert (value(found, "wape_day"), value(found, "wape_horizon")) == (1.0, 0.0)


def test_each_part_and_each_slice_is_measured_on_its_rows() -> None:
    parts = accuracy.parts(ORIGIN, HORIZON, HORIZON, 14, HORIZON[-1], 3)
    big = np.array([False, False, True, True])
    found = table(accuracy.scores(compared(ROWS), {"big": big, "none": big & ~big}, LEVELS, parts))
    assert {part for part, *_ in found} == {"1", "2-7", "8-14", ALL}
    assert {(part, name) for part, name, *_ in found if name} == {("1", "big"), ("8-14", "big"), (ALL, "big")}
    assert found["1", "", MODEL, "wape_day"].value == 7 / 40
    assert found["1", "big", MODEL, "wape_day"].value == 5 / 30
    assert found["8-14", "big", NAIVE, "bias"].value == -1
    assert found[ALL, "big", MODEL, "bias"].n == 2


def test_slices_wait_until_all_of_their_part_has_come() -> None:
    some = {"some": np.ones(4, bool)}
    found = table(accuracy.scores(compared(ROWS), some, LEVELS, whole(Maturity.PROVISIONAL, come=False)))
    assert {name for _, name, *_ in found} == {""}


@pytest.mark.parametrize("actual", [[0, 0, 0, 0], [5, -5, 0, 0], [-3, 0, 0, 0]])
def test_without_actuals_above_zero_there_is_no_share(actual: list[int]) -> None:
    found = table(accuracy.scores(compared(ROWS, actual=np.array(actual)), {}, LEVELS, whole()))
    for metric in ("wape_day", "wape_horizon", "bias", "value_added_day", "value_added_horizon"):
        score = found[ALL, "", MODEL, metric]
        assert score.value is None
        assert f"4 rows sum to {sum(actual)}" in str(score.reason)
    assert found[ALL, "", MODEL, "coverage"].value is not None
    json.dumps([asdict(s) for s in found.values()], allow_nan=False)


def test_without_a_scale_there_is_no_scaled_error() -> None:
    half = np.array([np.nan, np.nan, 2.0, 2.0])
    found = table(accuracy.scores(compared(ROWS, scale_absolute=half, scale_squared=half * 0), {}, LEVELS, whole()))
    assert (found[ALL, "", MODEL, "mase"].value, found[ALL, "", MODEL, "mase"].n) == (2.5 / 2, 2)
    for method in Method:
        score = found[ALL, "", method, "rmsse"]
        assert (score.value, score.n) == (None, 0)
        assert "none of 2 keys has a scale" in str(score.reason)


def test_a_row_without_seasonal_naive_leaves_naive_without_a_score() -> None:
    """A comparison on other rows would be none."""
    found = table(accuracy.scores(compared(ROWS, naive=np.array([np.nan, 1, 1, 1])), {}, LEVELS, whole()))
    assert found[ALL, "", MODEL, "wape_day"].value == 10 / 44
    for key in ((NAIVE, "wape_day"), (NAIVE, "mase"), (MODEL, "value_added_horizon")):
        score = found[ALL, "", key[0], key[1]]
        assert score.value is None
        assert "1 of 4 rows have no seasonal naive" in str(score.reason)


def test_churn_is_the_change_against_the_night_before_on_common_rows() -> None:
    mean, before = np.array([12.0, 8.0, 5.0, 1.0]), np.array([10.0, 10.0, np.nan, 0.0])
    ahead = np.array([1, 2, 14, 3])
    parts = accuracy.parts(ORIGIN, HORIZON, HORIZON[:13], 14, HORIZON[0], 3)
    found = table(accuracy.churn(mean, before, ahead, {"last": np.array([False, False, False, True])}, parts))
    assert found[ALL, "", MODEL, "churn"].value == 5 / 20
    assert (found["1", "", MODEL, "churn"].value, found["2-7", "", MODEL, "churn"].n) == (0.2, 2)
    assert ("8-14", "", MODEL, "churn") not in found  # no row in common
    assert "forecast 0" in str(found[ALL, "last", MODEL, "churn"].reason)
    assert {s.sum_actual for s in found.values()} == {None}


@pytest.mark.parametrize(
    ("came", "seen", "expected"),
    [
        (0, 0, {}),
        (1, 1, {"1": "1/1 come provisional", ALL: "1/14 provisional"}),
        (4, 4, {"1": "1/1 come final", "2-7": "3/6 provisional", ALL: "4/14 provisional"}),
        (7, 7, {"1": "1/1 come final", "2-7": "6/6 come provisional", ALL: "7/14 provisional"}),
        (14, 17, {b: f"{n}/{n} come final" for b, n in (("1", 1), ("2-7", 6), ("8-14", 7), (ALL, 14))}),
    ],
)
def test_a_part_is_final_once_all_its_days_have_come_and_none_is_pulled_again(
    came: int, seen: int, expected: dict[str, str]
) -> None:
    found = accuracy.parts(ORIGIN, HORIZON, HORIZON[:came], 14, ORIGIN + timedelta(days=seen), 3)
    said = {p.name: f"{p.compared}/{p.forecast} {'come ' * p.come}{p.maturity}" for p in found}
    assert said == expected


def test_a_day_that_never_came_in_does_not_keep_a_part_open() -> None:
    """A night was stopped, or a day was closed: its target day has no actual, now and for ever."""
    came = [d for d in HORIZON if d != HORIZON[13]]
    last = accuracy.parts(ORIGIN, HORIZON, came, 14, HORIZON[13] + timedelta(days=3), 3)[-1]
    assert (last.compared, last.forecast, last.come, last.maturity) == (13, 14, True, Maturity.FINAL)
    closed = accuracy.parts(ORIGIN, HORIZON[1:], HORIZON[:1], 14, HORIZON[0], 3)
    assert closed == []  # nothing was forecast for the one day that came


@pytest.mark.parametrize(
    ("horizon", "names"),
    [
        (1, ["1"]),
        (2, ["1", "2"]),
        (7, ["1", "2-7"]),
        (10, ["1", "2-7", "8-10"]),
        (14, ["1", "2-7", "8-14"]),
        (30, ["1", "2-7", "8-14", "15-21", "22-28", "29-30"]),
        (60, ["1", "2-7", "8-14", "15-21", "22-28", "29-56", "57-60"]),
    ],
)
def test_buckets_follow_from_the_horizon(horizon: int, names: list[str]) -> None:
    assert [b.name for b in horizon_buckets(horizon)] == names


@given(st.integers(1, 366))
def test_every_day_ahead_is_in_one_bucket(horizon: int) -> None:
    days = [d for b in horizon_buckets(horizon) for d in range(b.first, b.last + 1)]
    assert days == list(range(1, horizon + 1))


def test_a_horizon_below_one_day_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one day"):
        horizon_buckets(0)


ANY = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 14), st.integers(0, 50), st.floats(0, 100), st.floats(0, 100)),
    min_size=1,
    max_size=40,
)


@given(ANY, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[Any], random: Any) -> None:
    parts = accuracy.parts(ORIGIN, HORIZON, HORIZON, 14, HORIZON[-1], 3)

    def measured() -> list[Score]:
        return list(accuracy.scores(compared(rows), {}, LEVELS, [p for p in parts if p.name == ALL]))

    before = measured()
    random.shuffle(rows)
    assert measured() == before


@given(ANY)
def test_errors_keep_their_bounds(rows: list[Any]) -> None:
    found = {s.metric: s.value for s in accuracy.scores(compared(rows), {}, LEVELS, whole()) if s.method == MODEL}
    assert 0 <= (found["coverage"] or 0) <= 1
    daily, horizon, bias = (found[m] for m in ("wape_day", "wape_horizon", "bias"))
    if daily is None or horizon is None or bias is None:
        assert sum(row[2] for row in rows) == 0
        return
    assert abs(bias) <= horizon + 1e-12 <= daily + 2e-12  # what makes up for each other cannot add to the error
    perfect = compared(rows, mean=np.array([float(row[2]) for row in rows]))
    assert {
        s.value for s in accuracy.scores(perfect, {}, LEVELS, whole()) if s.metric in POINT and s.method == MODEL
    } == {0}


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_sums_are_those_of_exact_arithmetic(values: list[float]) -> None:
    assert metrics.total(np.array(values)) == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-15)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mean": np.array([1.0, np.nan, 1.0, 1.0])}, "mean: 1 values are not finite"),
        ({"mean": np.ones(3)}, "expected one length"),
    ],
)
def test_what_cannot_be_measured_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compared(ROWS, **changed)
