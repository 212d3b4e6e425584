"""Drift statistics: known answers, agreement with scipy, and what they must not be fooled by."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from nightcast.domain.distances import chi_square
from nightcast.domain.drift import Score, compare, presence
from nightcast.domain.profile import ColumnProfile, Kind, merge, profile_column
from nightcast.domain.statistic import Statistic

pytestmark = pytest.mark.unit

SMALL = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=40)
LETTERS = st.lists(st.sampled_from([None, *"abcdef"]), min_size=1, max_size=40)
PSI, JS, KS = Statistic.PSI, Statistic.JENSEN_SHANNON, Statistic.KOLMOGOROV_SMIRNOV
W1, CHI, LINF = Statistic.WASSERSTEIN, Statistic.CHI_SQUARE, Statistic.L_INFINITY
MISSING, NEW, GONE = Statistic.MISSING_SHARE, Statistic.NEW_LEVELS, Statistic.GONE_LEVELS


def profile(values: Any) -> ColumnProfile:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return profile_column(values, Kind.NUMBER)
    array = pa.array(values)
    return profile_column(array, Kind.CATEGORY if pa.types.is_string(array.type) else Kind.NUMBER)


def scores(current: Any, reference: Any) -> dict[Statistic, Score]:
    return {s.statistic: s for s in compare(profile(current), profile(reference))}


def values(current: Any, reference: Any) -> dict[Statistic, float]:
    return {name: s.value for name, s in scores(current, reference).items() if s.value is not None}


def letters(counts: dict[str | None, int]) -> pa.Array:
    return pa.array([level for level, n in counts.items() for _ in range(n)], pa.string())


def test_known_answers_for_categories() -> None:
    found = values(letters({"a": 1, "b": 1}), letters({"a": 1, "b": 3}))
    assert found[PSI] == pytest.approx(0.25 * math.log(3), rel=1e-12)  # .25 ln 2 - .25 ln(2/3)
    assert found[JS] == pytest.approx(jensenshannon([0.5, 0.5], [0.25, 0.75], base=2), rel=1e-12)
    assert found[LINF] == 0.25
    assert (found[MISSING], found[NEW], found[GONE]) == (0, 0, 0)
    assert found.keys() == {PSI, JS, LINF, MISSING, NEW, GONE}  # six rows are too few for a chi-square test


def test_known_answers_for_numbers() -> None:
    found = scores([1.0, 2.0, 3.0, 4.0, 5.0], [float(i) for i in range(1, 11)])
    # Each of the ten values is a bin; five bins double their tenth, five are left with the floor.
    assert found[PSI].value == pytest.approx(5 * 0.1 * math.log(2) + 5 * (1e-4 - 0.1) * math.log(1e-3), rel=1e-12)
    assert found[PSI].bins == 10
    assert found[KS].value == 0.5
    assert found[W1].value == pytest.approx(2.5 / math.sqrt(99 / 12), rel=1e-12)  # variance of 1..10 is 99 / 12
    assert (found[PSI].n_current, found[PSI].n_reference) == (5, 10)


def test_a_tenth_of_the_reference_lies_in_each_bin() -> None:
    reference = np.random.default_rng(0).normal(0, 1, 1000)
    lowest_tenth = np.sort(reference)[:100]
    # p is 1 in one bin of share .1, and the floor in nine others of that share
    expected = 0.9 * math.log(10) + 9 * (1e-4 - 0.1) * math.log(1e-3)
    assert values(lowest_tenth, reference)[PSI] == pytest.approx(expected, rel=1e-9)


def test_a_value_that_most_rows_have_gets_one_bin() -> None:
    reference = [0.0] * 600 + [float(i) for i in range(1, 401)]
    found = scores([0.0] * 1000, reference)
    assert found[PSI].bins == 5  # zero, and the tenths above it
    assert found[PSI].value == pytest.approx(0.4 * math.log(1 / 0.6) + 4 * (1e-4 - 0.1) * math.log(1e-3), rel=1e-9)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # of scipy's p-value, which is not read
@given(SMALL, SMALL)
def test_numbers_agree_with_scipy(current: list[float], reference: list[float]) -> None:
    found = values(current, reference)
    assert found[KS] == pytest.approx(stats.ks_2samp(current, reference, method="asymp").statistic, abs=1e-12)
    spread = np.std(reference)
    if spread > 0:
        assert found[W1] * spread == pytest.approx(stats.wasserstein_distance(current, reference), abs=1e-12)
    outside = [x for x in current if not min(reference) <= x <= max(reference)]
    assert found[NEW] == pytest.approx(len(outside) / len(current))


@given(LETTERS, LETTERS)
def test_categories_agree_with_scipy(current: list[str | None], reference: list[str | None]) -> None:
    found = values(pa.array(current, pa.string()), pa.array(reference, pa.string()))
    bins = [None, *"abcdef"]
    p, q = ([side.count(b) / len(side) for b in bins] for side in (current, reference))
    assert found[JS] == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)  # a root near zero: 1e-14 of divergence
    assert found[MISSING] == pytest.approx(abs(p[0] - q[0]), abs=1e-12)


@given(SMALL, st.integers(1, 5), st.integers(0, 3))
def test_equal_distributions_are_at_distance_zero(rows: list[float], times: int, missing: int) -> None:
    column = np.array(rows + [math.nan] * missing)
    for found in (
        values(np.tile(column, times), column),
        values(pa.array([str(x) for x in rows] * times), pa.array([str(x) for x in rows])),
    ):
        assert set(found.values()) == {0}


@given(SMALL, SMALL)
def test_distances_without_bins_are_symmetric(x: list[float], y: list[float]) -> None:
    there, back = values(x, y), values(y, x)
    assert there[KS] == back[KS]
    if W1 in there and W1 in back and there[W1]:
        assert there[W1] * np.std(y) == pytest.approx(back[W1] * np.std(x), rel=1e-9)


@given(LETTERS, LETTERS)
def test_distances_between_categories_are_symmetric_and_bounded(x: list[str | None], y: list[str | None]) -> None:
    there = values(pa.array(x, pa.string()), pa.array(y, pa.string()))
    back = values(pa.array(y, pa.string()), pa.array(x, pa.string()))
    assert there[JS] == pytest.approx(back[JS], abs=1e-7)
    assert 0 <= there[JS] <= 1
    assert there[PSI] >= 0


def test_levels_without_overlap_are_as_far_apart_as_can_be() -> None:
    found = values(letters({"x": 3, "y": 1}), letters({"a": 2, "b": 2}))
    assert found[JS] == pytest.approx(1)
    assert found[NEW] == 1
    assert found[PSI] == pytest.approx((1 - 1e-4) * math.log(1e4) + 2 * (1e-4 - 0.5) * math.log(1e-4 / 0.5))


@given(SMALL, SMALL, SMALL)
def test_merged_nights_are_a_reference_like_their_rows(x: list[float], y: list[float], z: list[float]) -> None:
    assert compare(profile(x), merge(profile(y), profile(z))) == compare(profile(x), profile(y + z))


@pytest.mark.parametrize("in_current", [True, False])
def test_one_absurd_row_hides_no_shift(in_current: bool) -> None:
    random = np.random.default_rng(1)
    reference, current = random.lognormal(3, 0.5, 16000), 1.5 * random.lognormal(3, 0.5, 2000)
    clean = values(current, reference)
    assert clean[PSI] > 0.5
    dirty = values(np.append(current, 1e9), reference) if in_current else values(current, np.append(reference, 1e9))
    for statistic in (PSI, JS, KS):
        assert dirty[statistic] == pytest.approx(clean[statistic], rel=0.05)


def test_missing_values_are_drift() -> None:
    whole = np.random.default_rng(2).normal(0, 1, 2000)
    gone = np.where(np.arange(2000) < 1900, math.nan, whole)
    found = values(gone, whole)
    assert found[MISSING] == 0.95
    assert found[PSI] > 8
    assert found[JS] > 0.9
    assert values(letters({"a": 1, None: 19}), letters({"a": 20}))[PSI] > 8


def test_a_usual_share_of_missing_values_is_no_drift() -> None:
    column = np.where(np.arange(100) < 30, math.nan, np.arange(100.0))
    assert set(values(column, column).values()) == {0}


def test_values_out_of_range_have_bins_of_their_own() -> None:
    reference = np.arange(100.0)
    within, beyond = values(np.r_[reference, 99.0], reference), values(np.r_[reference, 100.0], reference)
    assert beyond[NEW] == pytest.approx(1 / 101)
    assert beyond[PSI] - within[PSI] == pytest.approx((1 / 101 - 1e-4) * math.log(1e4 / 101), rel=0.05)
    assert values(np.array([-5.0, 50.0, 500.0]), reference)[NEW] == pytest.approx(2 / 3)


def test_a_new_level_is_a_share_and_stays_finite() -> None:
    found = scores(letters({"a": 92, "new": 5, "newer": 3}), letters({"a": 100}))
    assert found[NEW].value == pytest.approx(0.08)
    assert found[PSI].value == pytest.approx(0.08 * math.log(0.08 / 1e-4) - 0.08 * math.log(0.92), rel=0.01)
    assert found[PSI].bins == 2  # the level, and what the reference has not


def test_hashed_levels_can_be_compared_with_exact_ones() -> None:
    many, few = np.array([f"sku {i}" for i in range(3000)]), np.array([f"sku {i}" for i in range(10)])
    found = scores(few, many)
    assert found[NEW].value == 0
    assert "hashed" in found[NEW].definition
    assert scores(many, few)[NEW].value == pytest.approx(0.99, abs=0.01)


def test_cells_cost_no_more_accuracy_than_is_promised() -> None:
    random = np.random.default_rng(4)
    current, reference = random.lognormal(0.3, 1, 5000), random.lognormal(0, 1, 20000)
    found = values(current, reference)
    exact_ks = stats.ks_2samp(current, reference, method="asymp").statistic
    assert exact_ks - 0.01 <= found[KS] <= exact_ks + 1e-12
    exact_w1 = stats.wasserstein_distance(current, reference)
    assert found[W1] == pytest.approx(exact_w1 / np.std(reference), rel=0.02)


def test_without_drift_psi_is_as_large_as_its_theory_says() -> None:
    random, n, m = np.random.default_rng(5), 2000, 16000
    drawn = [values(random.normal(0, 1, n), random.normal(0, 1, m))[PSI] for _ in range(60)]
    assert np.mean(drawn) == pytest.approx((1 / n + 1 / m) * 9, rel=0.25)  # chi-square, 9 degrees of freedom


COUNTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 400)), min_size=2, max_size=12)


@given(COUNTS)
def test_chi_square_agrees_with_scipy_on_the_merged_table(table: list[tuple[int, int]]) -> None:
    """The same table, merged by hand as the definition says, through scipy's test of contingency."""
    now, before = (np.array(side) for side in zip(*table, strict=True))
    if not now.sum() or not before.sum():
        return
    columns = sorted((c for c in table if sum(c)), key=sum)
    smaller, total = min(now.sum(), before.sum()), now.sum() + before.sum()
    while len(columns) > 1 and min(map(sum, columns)) * smaller < total:
        first, second, *rest = columns
        columns = [(first[0] + second[0], first[1] + second[1]), *rest]
        if sum(columns[0]) * smaller >= total:
            columns.sort(key=sum)
    found = chi_square(now, before)
    if len(columns) == 1:
        assert found is None or found.bins == 1
        return
    expected = stats.chi2_contingency(np.array(columns).T, correction=False)
    assert found is not None
    assert found.bins == len(columns)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    n, m = int(now.sum()), int(before.sum())
    assert found.effect == pytest.approx(math.sqrt(max(0, expected.statistic - expected.dof) * (1 / n + 1 / m)))
    assert chi_square(before, now) == found


def test_chi_square_is_comparable_between_nights_of_different_size() -> None:
    """One and the same change of the mix, seen in 300 and in 30,000 rows: the statistic grows a hundredfold."""
    random = np.random.default_rng(6)
    before = random.multinomial(1_000_000, [0.5, 0.3, 0.15, 0.05])
    found = {
        n: [chi_square(random.multinomial(n, [0.4, 0.3, 0.2, 0.1]), before) for _ in range(200)] for n in (300, 30_000)
    }
    effect = {n: np.sqrt(np.mean([f.effect**2 for f in tests if f])) for n, tests in found.items()}
    assert effect[300] == pytest.approx(effect[30_000], rel=0.05)
    statistic = {n: np.mean([f.statistic for f in tests if f]) for n, tests in found.items()}
    assert statistic[30_000] > 50 * statistic[300]


def test_chi_square_reads_missing_values_as_a_level_and_says_its_p_value() -> None:
    now, before = letters({"a": 60, "b": 20, None: 20}), letters({"a": 700, "b": 300})
    found = scores(now, before)[CHI]
    test = stats.chi2_contingency([[60, 20, 20], [700, 300, 0]], correction=False)
    assert found.value == pytest.approx(math.sqrt((test.statistic - 2) * (1 / 100 + 1 / 1000)))
    assert found.bins == 3
    assert f"p = {test.pvalue:.2g}" in found.definition


def test_rare_levels_are_merged_until_a_row_is_expected() -> None:
    rare = {f"r{n}": 2 for n in range(30)}
    found = scores(letters({"a": 100}), letters({"a": 940, **rare}))[CHI]
    assert found.bins == 2
    test = stats.chi2_contingency([[100, 0], [940, 60]], correction=False)
    assert found.value == pytest.approx(math.sqrt((test.statistic - 1) * (1 / 100 + 1 / 1000)))
    few = scores(letters({"a": 10}), letters({"a": 100, "b": 1}))[CHI]
    assert (few.value, few.reason) == (None, "no two levels are expected to have 1 row")
    assert scores(letters({"a": 10}), letters({"a": 70}))[CHI].value == 0


@given(LETTERS, LETTERS)
def test_the_largest_difference_of_a_share(x: list[str | None], y: list[str | None]) -> None:
    now, before = pa.array(x, pa.string()), pa.array(y, pa.string())
    shares = [abs(x.count(level) / len(x) - y.count(level) / len(y)) for level in [None, *"abcdef"]]
    assert values(now, before)[LINF] == pytest.approx(max(shares), abs=1e-12)
    assert values(before, now)[LINF] == values(now, before)[LINF]


@given(LETTERS, LETTERS)
def test_levels_are_gone_where_they_would_be_new_the_other_way_round(x: list[str | None], y: list[str | None]) -> None:
    there = scores(pa.array(x, pa.string()), pa.array(y, pa.string()))
    back = scores(pa.array(y, pa.string()), pa.array(x, pa.string()))
    assert there[GONE].value == back[NEW].value


@given(SMALL, SMALL)
def test_numbers_are_gone_where_they_would_be_new_the_other_way_round(x: list[float], y: list[float]) -> None:
    assert scores(x, y)[GONE].value == scores(y, x)[NEW].value


def test_a_column_that_one_side_has_not_is_the_largest_drift_there_is() -> None:
    there = profile([1.0, 2.0])
    gone, appeared, both = presence(None, there), presence(there, None), presence(there, there)
    assert (gone.value, appeared.value, both.value) == (1, 1, 0)
    assert gone.moved == "the column is gone: the reference has 2 rows of it"
    assert appeared.moved == "the reference has no such column"
    assert both.moved is None
    closed = presence(None, there, "the day is closed")
    assert (closed.value, closed.reason, closed.n_reference) == (None, "the day is closed", 2)


NOTHING, ONLY_MISSING = np.array([], np.float64), np.array([math.nan, math.nan])


@pytest.mark.parametrize(
    ("current", "reference", "undefined", "reason"),
    [
        (NOTHING, np.array([1.0]), {PSI, JS, KS, W1, MISSING, NEW, GONE}, "current without"),
        (np.array([1.0]), NOTHING, {PSI, JS, KS, W1, MISSING, NEW, GONE}, "reference without"),
        (NOTHING, NOTHING, {PSI, JS, KS, W1, MISSING, NEW, GONE}, "current and reference without"),
        (ONLY_MISSING, np.array([1.0]), {KS, W1, NEW}, "current without"),
        (np.array([1.0]), ONLY_MISSING, {KS, W1, GONE}, "reference without"),
        (np.array([1.0]), np.array([2.0, 2.0]), {W1}, "one value only"),
        (np.array([math.inf]), np.array([1.0, 2.0]), {W1}, "current without finite values"),
    ],
)
def test_what_is_undefined_has_a_reason(current: Any, reference: Any, undefined: set[Statistic], reason: str) -> None:
    found = scores(current, reference)
    assert {name for name, s in found.items() if s.value is None} == undefined
    assert all(reason in (s.reason or "") for s in found.values() if s.value is None)
    assert all(s.reason is None for s in found.values() if s.value is not None)
    json.dumps([asdict(s) for s in found.values()], allow_nan=False)


def test_everything_is_new_to_a_reference_without_values() -> None:
    found = values(np.array([1.0, 2.0]), ONLY_MISSING)
    assert (found[NEW], found[MISSING]) == (1, 1)
    assert found[JS] == pytest.approx(1)


def test_a_constant_column_that_stays_has_no_distance() -> None:
    assert set(values(np.full(7, 0.1), np.full(90, 0.1)).values()) == {0}


def test_infinite_values_are_out_of_range_and_in_no_distance() -> None:
    found = values(np.array([1.0, 2.0, math.inf, -math.inf]), np.array([1.0, 2.0]))
    assert (found[NEW], found[KS], found[W1]) == (0.5, 0.25, 0)


def test_the_largest_numbers_do_not_overflow() -> None:
    found = values(np.array([1.7e308, 1.7e308]), np.array([-1.7e308, 1.7e308]))
    assert found[W1] == pytest.approx(1)  # half of the mass over two standard deviations


def test_scores_say_how_they_were_computed() -> None:
    found = scores(np.arange(10.0), np.arange(20.0))
    assert found[PSI].base == "e"
    assert found[JS].base == "2"
    assert "0.0001" in found[PSI].definition
    assert found[JS].explanation.endswith(f"; logarithm to base 2; {found[JS].bins} bins")
    assert "standard deviation (divisor n)" in found[W1].explanation


def test_numbers_are_not_compared_with_categories() -> None:
    with pytest.raises(TypeError, match="expected two of a kind"):
        compare(profile([1.0]), profile(["a"]))
