"""Slices: parts of the rows whose profiles add up to the whole, in whatever order, and stay small."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.drift import compare_slice, row_share
from nightcast.domain.profile import Kind, merge, profile_table
from nightcast.domain.slices import (
    CELLS,
    LEVELS,
    NAMED,
    Split,
    merge_parts,
    merge_splits,
    rows_of,
    slice_name,
    slices,
    split_from_json,
    split_table,
    split_to_json,
)
from nightcast.domain.statistic import Statistic

pytestmark = pytest.mark.unit

ROW = st.tuples(
    st.one_of(st.none(), st.sampled_from(["EIRE", "(other)", "", "#0001", "Österreich"])),
    st.one_of(st.none(), st.integers(-3, 3).map(float)),
    st.one_of(st.none(), st.sampled_from("xyz")),
)
ROWS = st.lists(ROW, max_size=30)


def columns(rows: list[tuple[str | None, float | None, str | None]]) -> dict[str, tuple[Kind, pa.ChunkedArray]]:
    numbers = pa.chunked_array([[n for _, n, _ in rows]], pa.float64())
    letters = pa.chunked_array([[x for _, _, x in rows]], pa.string())
    return {"amount": (Kind.NUMBER, numbers), "kind": (Kind.CATEGORY, letters)}


def split(rows: list[tuple[str | None, float | None, str | None]]) -> Split:
    return split_table(pa.chunked_array([[level for level, _, _ in rows]], pa.string()), columns(rows))


@given(ROWS)
def test_parts_add_up_to_the_whole(rows: list[tuple[str | None, float | None, str | None]]) -> None:
    found = split(rows)
    assert sum(found.rows.values()) == len(rows)
    assert set(found.parts) == {level for level, _, _ in rows}
    if rows:
        assert merge_parts(list(found.parts.values())) == profile_table(columns(rows))
        for level, part in found.parts.items():
            assert part == profile_table(columns([r for r in rows if r[0] == level]))


def test_parts_with_many_numbers_are_counted_in_few_cells_and_still_add_up() -> None:
    random = np.random.default_rng(4)
    rows = [(str(n % 3), float(v), "x") for n, v in enumerate(random.lognormal(0, 2, 6000))]
    found = split(rows)
    assert max(len(part["amount"].counts) for part in found.parts.values()) <= CELLS
    assert merge_parts(list(found.parts.values())) == profile_table(columns(rows), CELLS)
    assert merge_splits(split(rows[:500]), split(rows[500:])) == found


@given(ROWS, st.lists(st.integers(0, 30), max_size=4))
def test_merged_days_are_the_split_of_all_their_rows(
    rows: list[tuple[str | None, float | None, str | None]], cuts: list[int]
) -> None:
    days = [rows[a:b] for a, b in pairwise([0, *sorted(cuts), len(rows)])]
    assert merge_splits(*map(split, days)) == merge_splits(*map(split, reversed(days))) == split(rows)
    assert split_from_json(json.loads(json.dumps(split_to_json(split(rows)), allow_nan=False))) == split(rows)


@given(ROWS, ROWS)
def test_slices_of_both_sides_add_up_to_the_whole(
    now: list[tuple[str | None, float | None, str | None]], before: list[tuple[str | None, float | None, str | None]]
) -> None:
    found = slices("country", split(now), [split(before[:10]), split(before[10:])])
    for side, rows in ((0, now), (1, before)):
        parts = [pair[side] for pair in found.values() if rows_of(pair[side])]
        assert sum(map(rows_of, parts)) == len(rows)
        for name, profile in profile_table(columns(rows)).items() if rows else ():
            assert merge(*(part[name] for part in parts)) == profile


def test_the_largest_levels_of_the_reference_are_slices_and_the_rest_is_one() -> None:
    before = [(f"c{n:02d}", 1.0, "x") for n in range(20) for _ in range(20 - n)] + [(None, 1.0, "x")] * 30
    now = [("c00", 1.0, "x"), ("c19", 2.0, "x"), ("new", 3.0, "x")]
    found = slices("country", split(now), [split(before)])
    named = ["country=(missing)", *(f"country=c{n:02d}" for n in range(NAMED - 1)), "country=(other)"]
    assert list(found) == named
    assert {name: rows_of(pair[0]) for name, pair in found.items() if pair[0]} == {
        "country=c00": 1,
        "country=(other)": 2,
    }
    assert rows_of(found["country=(other)"][1]) == sum(20 - n for n in range(NAMED - 1, 20))


def test_no_level_is_mistaken_for_the_rest() -> None:
    assert slice_name("country", "(other)") == 'country="(other)"'
    assert slice_name("country", '"x"') == 'country="\\"x\\""'
    assert slice_name("country", "EIRE") == "country=EIRE"


def test_many_levels_are_hashed_whichever_day_has_them() -> None:
    random = np.random.default_rng(3)
    shops, values = random.integers(0, 300, 3000), random.normal(0, 1, 3000)
    rows = [(f"shop {n}", float(v), "x") for n, v in zip(shops, values, strict=True)]
    whole = split(rows)
    assert whole.hashed
    assert len(whole.parts) <= LEVELS
    days = [split(rows[a : a + 50]) for a in range(0, 3000, 50)]
    assert not any(d.hashed for d in days[:1])
    assert merge_splits(*days) == whole
    size = len(json.dumps(split_to_json(whole)))
    assert size < 2 * len(json.dumps([row[1] for row in rows]))  # of many small parts: about what its rows take
    found = slices("shop", days[0], [whole])
    assert sum(rows_of(pair[1]) for pair in found.values()) == 3000
    assert sum(rows_of(pair[0]) for pair in found.values()) == 50
    assert all(name.startswith(("shop=#", "shop=(other)")) for name in found)


def test_a_slice_has_the_statistics_that_see_any_movement_and_its_size() -> None:
    now, before = split([("a", 1.0, "x"), ("a", 2.0, "y")]), split([("a", 1.0, "x"), ("a", 1.0, "x"), ("b", 3.0, "x")])
    (current, reference) = slices("country", now, [before])["country=a"]
    found = {name: [s.statistic for s in compare_slice(current[name], reference[name])] for name in current}
    assert found == {
        "amount": [Statistic.JENSEN_SHANNON, Statistic.WASSERSTEIN],
        "kind": [Statistic.JENSEN_SHANNON],
    }


def test_a_slice_that_is_gone_has_lost_its_share() -> None:
    score = row_share((0, 31), (100, 1000), words=True)
    assert (score.value, score.moved) == (0.031, "its share of the rows fell from 3.1 % to 0 %")
    assert row_share((31, 31), (1000, 1000), words=True).moved is None
    assert row_share((0, 3), (0, 3)).reason == "current without rows"
