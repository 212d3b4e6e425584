"""The table of expectation types against the installed library: names, arguments, and that each can judge a table."""

from __future__ import annotations

from typing import Any

import great_expectations.expectations.expectation as bases
import pyarrow as pa
import pytest
from great_expectations.expectations.registry import get_expectation_impl

from nightcast import checks
from nightcast.checks.catalogue import TYPES, Shape
from nightcast.domain.verdict import CheckState, OnFail

pytestmark = pytest.mark.unit

COMMON = {"id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "severity"}
COMMON |= {"windows", "batch_id", "row_condition", "condition_parser", "library_metadata"}
ROW_BASES = (bases.ColumnMapExpectation, bases.ColumnPairMapExpectation, bases.MulticolumnMapExpectation)

TABLE = pa.table(
    {
        "a": pa.array([1, 2, 3, None], pa.int64()),
        "b": pa.array([4.0, 5.0, 6.0, 7.0]),
        "c": pa.array(["x", "yy", "2011", None]),
    }
)
ARGUMENTS: dict[str, Any] = {
    "column": "a",
    "column_A": "a",
    "column_B": "b",
    "column_list": ["a", "b"],
    "value_set": [1],
    "value_pairs_set": [[1, 4.0]],
    "regex": "^x",
    "regex_list": ["^x"],
    "strftime_format": "%Y",
    "threshold": 2,
    "double_sided": True,
    "sum_total": 5,
    "value": 1,
    "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
    "min_value": 100,
}
OF_TEXT = ("regex", "strftime", "lengths")


@pytest.mark.parametrize("name", TYPES)
def test_arguments_are_those_of_the_library(name: str) -> None:
    implementation = get_expectation_impl(name)
    declared = TYPES[name]
    assert set(declared.arguments) == set(implementation.__fields__) - COMMON
    needed = {n for n, f in implementation.__fields__.items() if f.required}
    assert needed <= set(declared.required)
    assert issubclass(implementation, ROW_BASES) == (declared.shape is Shape.ROWS)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, checks.Outcome]:
    """What every type says of one table, with arguments that it does not meet where that is possible."""
    entries = []
    for name, declared in TYPES.items():
        wanted = {*declared.required, "min_value"} & {*declared.arguments}
        kwargs = {k: ARGUMENTS[k] for k in wanted}
        if any(word in name for word in OF_TEXT):
            kwargs["column"] = "c"
        entries.append(checks.Entry(id=name, type=name, kwargs=kwargs, on_fail=OnFail.WARN))
    return {o.result.check_id: o for o in checks.run(entries, TABLE, {})}


@pytest.mark.parametrize("name", TYPES)
def test_every_type_can_judge_a_table(name: str, outcomes: dict[str, checks.Outcome]) -> None:
    found = outcomes[name]
    assert found.result.state in (CheckState.PASS, CheckState.WARN), found.result.message
    assert (found.bad is not None) == (TYPES[name].shape is Shape.ROWS)
    if "min_value" in TYPES[name].arguments:
        assert found.result.state is CheckState.WARN
