"""Slices of entities: known answers; divisions that divide; never more than their bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.monitoring import (
    MOST_KEY_VALUES,
    AccuracySlices,
    ActiveShareSlices,
    LevelSlices,
    Monitoring,
)
from nightcast.domain.slicing import slices

pytestmark = pytest.mark.unit

NONE = AccuracySlices(active_share=None)
LEVEL = AccuracySlices(active_share=None, level=LevelSlices(window=28))


def found(declared: AccuracySlices, **columns: Any) -> dict[str, list[bool]]:
    return {name: flags.tolist() for name, flags in slices(pa.table(columns), declared).items()}


def test_without_a_declaration_entities_are_divided_by_how_often_they_sell() -> None:
    shares = [0.0, 0.2, 0.5, 0.89, 0.9, 1.0, np.nan]
    assert found(Monitoring().accuracy_slices, active_share_91=shares) == {
        "active_share_91 [0, 0.2)": [True] + [False] * 6,
        "active_share_91 [0.2, 0.5)": [False, True] + [False] * 5,
        "active_share_91 [0.5, 0.9)": [False, False, True, True, False, False, False],
        "active_share_91 [0.9, 1]": [False] * 4 + [True, True, False],
    }


def test_parts_by_level_are_of_equal_number_and_do_not_part_equals() -> None:
    assert found(LEVEL, level_28=[5.0, 1.0, 3.0, np.nan, 2.0, 9.0, 4.0]) == {
        "level_28 1 of 3": [False, True, False, False, True, False, False],
        "level_28 2 of 3": [False, False, True, False, False, False, True],
        "level_28 3 of 3": [True, False, False, False, False, True, False],
    }
    assert found(LEVEL, level_28=[1.0, 1.0, 1.0]) == {"level_28 1 of 3": [True] * 3}


def test_values_of_a_key_have_a_slice_each_and_the_rare_ones_share_one() -> None:
    declared = AccuracySlices(active_share=None, keys=("shop", "size"))
    shops = ["a", "b", "a", *(f"s{n:02d}" for n in range(30))]
    named = found(declared, shop=shops, size=[1, 2] * 16 + [1])
    assert named["shop=a"] == [True, False, True] + [False] * 30
    assert len([name for name in named if name.startswith("shop")]) == MOST_KEY_VALUES + 1
    assert sum(named["shop=(other)"]) == 31 - (MOST_KEY_VALUES - 1)
    assert {name for name in named if name.startswith("size")} == {"size=1", "size=2"}


def test_nothing_declared_and_nobody_there_is_no_slice() -> None:
    assert found(NONE, sku=["a"]) == {}
    assert found(LEVEL, level_28=np.zeros(0)) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(2, 10))
def test_a_division_has_every_entity_once(values: list[float], parts: int) -> None:
    declared = AccuracySlices(
        active_share=ActiveShareSlices(window=7), level=LevelSlices(window=28, parts=parts), keys=("key",)
    )
    columns = {"active_share_7": values, "level_28": values, "key": [str(v) for v in values]}
    named = slices(pa.table(columns), declared)
    for start in ("active_share_7", "level_28", "key"):
        flags = [each for name, each in named.items() if name.startswith(start)]
        assert (np.sum(flags, axis=0) == 1).all()
    assert len(named) <= 4 + parts + MOST_KEY_VALUES + 1


@pytest.mark.parametrize("edges", [(0.5, 0.2), (0.2, 0.2), (0.0, 0.5), (0.5, 1.0)])
def test_edges_rise_between_0_and_1(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected rising shares between 0 and 1"):
        ActiveShareSlices(edges=edges)
