"""Profiles: what they count, what they forget, and that merging forgets nothing more."""

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightcast.domain import profile as profiles
from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.profile import (
    LIMIT,
    CategoryProfile,
    Kind,
    NumberProfile,
    from_json,
    kind_of,
    merge,
    merge_all,
    profile_column,
    profile_table,
    repeated,
    to_json,
)

pytestmark = pytest.mark.unit

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)
LEVEL = st.one_of(st.none(), st.sampled_from(["a", "b", "#0001", ""]), st.text(max_size=3))


def numbers(values: object) -> NumberProfile:
    found = profile_column(values if isinstance(values, pa.Array | np.ndarray) else np.array(values), Kind.NUMBER)
    assert isinstance(found, NumberProfile)
    return found


def categories(values: object) -> CategoryProfile:
    found = profile_column(values if isinstance(values, pa.Array | np.ndarray) else pa.array(values), Kind.CATEGORY)
    assert isinstance(found, CategoryProfile)
    return found


def test_numbers_are_counted_by_value() -> None:
    found = numbers([3.0, -1.5, 3.0, math.nan, 0.0, -0.0, math.inf])
    assert dict(zip(found.middles().tolist(), found.counts, strict=True)) == {-1.5: 1, 0.0: 2, 3.0: 2, math.inf: 1}
    assert (found.level, found.missing, found.present) == (0, 1, 6)
    assert (found.minimum, found.maximum, found.total) == (-1.5, 3.0, Fraction(9, 2))
    assert found.mean == 4.5 / 5  # infinity is counted, and in no mean


def test_categories_are_counted_by_level() -> None:
    found = categories(["b", None, "a", "b"])
    assert found == CategoryProfile(missing=1, hashed=False, levels=("a", "b"), counts=(1, 2))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_column_without_values_has_a_profile(kind: Kind) -> None:
    for empty in (np.array([], np.float64), pa.array([], pa.float64()), pa.array([], pa.null())):
        assert profile_column(empty, kind).present == 0
    assert profile_column(pa.array([None, None], pa.float64()), kind).missing == 2


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 2, 2]),
        np.array([1, 2, 2], np.float32),
        np.array([1, 2, 2], object),
        pa.array([1, 2, 2], pa.int8()),
        pa.chunked_array([[1], [2, 2]]),
        pa.array([Decimal("1.00"), Decimal("2.00"), Decimal("2.00")], pa.decimal128(18, 2)),
    ],
)
def test_the_same_numbers_have_one_profile_whatever_holds_them(values: object) -> None:
    assert profile_column(values, Kind.NUMBER) == numbers([1.0, 2.0, 2.0])  # type: ignore[arg-type]


def test_missing_is_missing_whatever_says_so() -> None:
    same = [
        np.array([1.0, math.nan]),
        np.array([1.0, None], object),
        pa.array([1.0, None]),
        pa.array([1.0, math.nan]),
        pa.array([Decimal(1), None], pa.decimal128(18, 3)),
    ]
    assert {numbers(values) for values in same} == {numbers([1.0, math.nan])}
    assert categories(np.array(["x", None, math.nan], object)) == categories(["x", None, None])
    assert categories(pa.array([1.5, math.nan, None])) == categories(["1.5", None, None])


def test_a_decimal_is_the_float_nearest_to_it() -> None:
    thousandths = range(-3000, 40000, 43)
    column = pa.array([Decimal(i).scaleb(-3) for i in thousandths], pa.decimal128(18, 3))
    assert numbers(column).middles().tolist() == [i / 1000 for i in thousandths]
    assert numbers(column.slice(5, 7)).middles().tolist() == [i / 1000 for i in thousandths[5:12]]


def test_integers_beyond_float_precision_do_not_fail() -> None:
    assert numbers(pa.array([2**62 + 1, None])).maximum == float(2**62)


def test_text_is_refused_as_a_number() -> None:
    with pytest.raises(TypeError, match="profile them as categories"):
        profile_column(pa.array(["1"]), Kind.NUMBER)


def test_exact_up_to_the_limit_and_in_cells_beyond() -> None:
    assert numbers(np.arange(LIMIT)).level == 0
    beyond = numbers(np.arange(LIMIT + 1))
    assert beyond.level > 0
    assert len(beyond.counts) <= LIMIT
    assert (beyond.present, beyond.minimum, beyond.maximum) == (LIMIT + 1, 0.0, float(LIMIT))
    assert beyond.total == sum(range(LIMIT + 1))


def test_many_levels_are_hashed_and_all_counted() -> None:
    assert not categories([str(i) for i in range(LIMIT)]).hashed
    found = categories([str(i) for i in range(5 * LIMIT)] + [None])
    assert found.hashed
    assert (found.present, found.missing) == (5 * LIMIT, 1)
    assert 0.98 * LIMIT < len(found.levels) <= LIMIT  # 1 - exp(-5) of the cells are expected to be used


def test_the_hash_is_fixed_for_ever() -> None:
    # From `printf a | b2sum --length 64`, read as a little-endian number modulo 1,024.
    assert int.from_bytes(bytes.fromhex("40f89e395b66422f"), "little") % LIMIT == 64
    assert profiles.as_hashed(categories(["a"])) == {"#0064": 1}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(1, 40))
def test_sums_are_exact(values: list[float], times: int) -> None:
    assert numbers(values * times).total == sum(map(Fraction, values)) * times


def test_the_sum_of_the_largest_and_smallest_floats_is_exact() -> None:
    extremes = [1.7976931348623157e308, 5e-324, 1.7976931348623157e308, -1.0]
    assert numbers(extremes).total == sum(map(Fraction, extremes))
    assert numbers(extremes).mean == 1.7976931348623157e308 / 2


@given(st.lists(st.lists(ANY_FLOAT, max_size=12), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merging_numbers_changes_nothing(parts: list[list[float]], random: object) -> None:
    whole = numbers(np.array([x for part in parts for x in part], np.float64))
    random.shuffle(parts)  # type: ignore[attr-defined]
    pieces = [numbers(np.array(part, np.float64)) for part in parts]
    assert merge(*pieces) == reduce(merge, pieces) == whole
    assert reduce(lambda a, b: merge(b, a), reversed(pieces)) == whole


@given(st.lists(st.lists(LEVEL, max_size=12), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merging_categories_changes_nothing(parts: list[list[str | None]], random: object) -> None:
    whole = categories(pa.array([x for part in parts for x in part], pa.string()))
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert merge_all(categories(pa.array(part, pa.string())) for part in parts) == whole


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from([40, 900, 1100, 6000]))
def test_merging_across_the_limit_changes_nothing(seed: int, pieces: int, size: int) -> None:
    random = np.random.default_rng(seed)
    values = np.exp(random.normal(0, 2, size)) * random.choice([-1.0, 0.0, 1.0], size, p=[0.1, 0.2, 0.7])
    levels = np.array([f"level {i}" for i in random.integers(0, size, size)])
    cuts = np.sort(random.integers(0, size + 1, pieces - 1))
    for kind, column in ((Kind.NUMBER, values), (Kind.CATEGORY, levels)):
        parts = [profile_column(part, kind) for part in np.split(column, cuts)]
        random.shuffle(parts)
        assert merge_all(parts) == profile_column(column, kind)
        while len(parts) > 1:  # as a tree instead of a chain
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            parts = [merge(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        assert parts[0] == profile_column(column, kind)


@given(st.lists(ANY_FLOAT, max_size=20), st.lists(LEVEL, max_size=20))
def test_json_brings_a_profile_back(values: list[float], levels: list[str | None]) -> None:
    for found in (numbers(np.array(values, np.float64)), categories(pa.array(levels, pa.string()))):
        assert from_json(json.loads(json.dumps(to_json(found), allow_nan=False))) == found


def test_json_brings_back_cells_and_hashed_levels() -> None:
    many = np.random.default_rng(3).normal(0, 1, 5000)
    for found in (numbers(many), categories(np.char.mod("%.6f", many))):
        assert from_json(json.loads(json.dumps(to_json(found), allow_nan=False))) == found


def test_json_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'sketch'"):
        from_json({"kind": "sketch"})


@given(st.lists(ANY_FLOAT, max_size=30), st.integers(1, 5))
def test_a_repeated_profile_is_that_of_repeated_numbers(values: list[float], times: int) -> None:
    assert repeated(numbers(np.array(values, np.float64)), times) == numbers(np.array(values * times, np.float64))


@given(st.lists(LEVEL, max_size=30), st.integers(1, 5))
def test_a_repeated_profile_is_that_of_repeated_categories(values: list[str | None], times: int) -> None:
    one, many = (categories(pa.array(v, pa.string())) for v in (values, values * times))
    assert repeated(one, times) == many


def test_profiles_of_two_kinds_do_not_merge() -> None:
    with pytest.raises(TypeError, match="expected all of a kind"):
        merge(numbers([1.0]), categories(["a"]))


def test_no_profiles_have_no_merged_profile() -> None:
    assert merge_all([]) is None


def test_a_table_is_profiled_column_by_column() -> None:
    found = profile_table({"units": (Kind.NUMBER, np.array([1, 2])), "kind": (Kind.CATEGORY, pa.array(["sale", None]))})
    assert found == {"units": numbers([1.0, 2.0]), "kind": categories(["sale", None])}


@pytest.mark.parametrize(
    ("type_", "role", "kind"),
    [
        (ColumnType.DECIMAL, Role.MEASURE, Kind.NUMBER),
        (ColumnType.BOOLEAN, Role.MEASURE, Kind.NUMBER),
        (ColumnType.STRING, Role.MEASURE, None),
        (ColumnType.STRING, Role.ATTRIBUTE, Kind.CATEGORY),
        (ColumnType.STRING, Role.KEY, None),
        (ColumnType.INTEGER, Role.IDENTIFIER, None),
        (ColumnType.TIMESTAMP, Role.TIME, None),
    ],
)
def test_names_and_instants_are_not_profiled(type_: ColumnType, role: Role, kind: Kind | None) -> None:
    column = Column(type=type_, role=role, scale=2 if type_ is ColumnType.DECIMAL else None)
    assert kind_of(column) is kind
    sample = {
        ColumnType.DECIMAL: pa.array([Decimal("1.25")], pa.decimal128(18, 2)),
        ColumnType.BOOLEAN: pa.array([True]),
        ColumnType.STRING: pa.array(["a"]),
    }
    if kind is not None:
        assert profile_column(sample[type_], kind).present == 1


def test_booleans_and_dates_have_levels() -> None:
    assert categories(pa.array([True, False, True])).levels == ("false", "true")
    assert categories(pa.array([date(2011, 10, 31)])).levels == ("2011-10-31",)
    assert categories(pa.array(["a", "b", "a"]).dictionary_encode()) == categories(["a", "b", "a"])
