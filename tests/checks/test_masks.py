"""Which rows a rule flags, against the rule written out in numpy, for rows that nobody thought of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightcast import checks
from nightcast.domain.verdict import CheckState, OnFail

pytestmark = pytest.mark.unit

NUMBERS = st.one_of(st.none(), st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0]), st.floats(-9, 9))
ROWS = st.lists(st.tuples(NUMBERS, st.sampled_from(["a", "b", None])), min_size=1, max_size=30)


def rule(name: str, when: dict[str, str | None] | None = None) -> checks.Entry:
    return checks.Entry(
        id=name,
        type="expect_column_values_to_be_between",
        kwargs={"column": "x", "min_value": 0},
        on_fail=OnFail.QUARANTINE,
        when=when or {},
    )


def wrong(value: float | None) -> bool:
    return value is not None and not (np.isfinite(value) and value >= 0)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_flags_are_those_of_the_rule(rows: list[tuple[float | None, str | None]]) -> None:
    table = pa.table(
        {
            "x": pa.array([x for x, _ in rows], pa.float64(), from_pandas=False),
            "k": pa.array([k for _, k in rows], pa.string()),
        }
    )
    every, some, none = checks.run([rule("every"), rule("some", {"k": "a"}), rule("none", {"k": None})], table, {})
    expected = np.array([wrong(x) for x, _ in rows])
    keys = np.array([k for _, k in rows], dtype=object)
    assert every.bad is not None
    assert some.bad is not None
    assert none.bad is not None
    np.testing.assert_array_equal(every.bad, expected)
    np.testing.assert_array_equal(some.bad, expected & (keys == "a"))
    np.testing.assert_array_equal(none.bad, expected & np.array([k is None for k in keys]))
    for outcome in (every, some, none):
        assert outcome.bad is not None
        assert outcome.result.bad_rows == outcome.bad.sum()
        assert (outcome.result.state is CheckState.PASS) == (not outcome.bad.any())


def test_threads_do_not_meet() -> None:
    def bad(n: int) -> list[int]:
        table = pa.table({"x": [-1.0 if i % n == 0 else 1.0 for i in range(60)]})
        (found,) = checks.run([rule("every")], table, {})
        assert found.bad is not None
        return [int(i) for i in np.flatnonzero(found.bad)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(bad, range(1, 13)))
    assert found == [[i for i in range(60) if i % n == 0] for n in range(1, 13)]
