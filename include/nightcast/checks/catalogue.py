"""The expectation types that a team may use, known without importing Great Expectations.

Left out are types that need SQL, that depend on the order of rows (rows lie in one canonical order, not in the order of
arrival), and those about types, which the contract judges. A test compares this table with the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """What an expectation judges."""

    ROWS = "rows"  # each row: it can quarantine
    COLUMN = "column"  # a number or a set made of a column's values
    TABLE = "table"  # the table as a whole


@dataclass(frozen=True)
class ExpectationType:
    """Names of the arguments of an expectation type."""

    shape: Shape
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """All names."""
        return (*self.required, *self.optional)


_BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


def _row(*required: str, optional: tuple[str, ...] = ()) -> ExpectationType:
    return ExpectationType(Shape.ROWS, ("column", *required), (*optional, "mostly"))


def _rows(*required: str, optional: tuple[str, ...] = ()) -> ExpectationType:
    return ExpectationType(Shape.ROWS, required, (*optional, "mostly", "ignore_row_if"))


def _column(*required: str, optional: tuple[str, ...] = _BOUNDS) -> ExpectationType:
    return ExpectationType(Shape.COLUMN, ("column", *required), optional)


TYPES = {
    "expect_column_values_to_not_be_null": _row(),
    "expect_column_values_to_be_null": _row(),
    "expect_column_values_to_be_between": _row(optional=_BOUNDS),
    "expect_column_values_to_be_in_set": _row("value_set"),
    "expect_column_values_to_not_be_in_set": _row("value_set"),
    "expect_column_values_to_be_unique": _row(),
    "expect_column_values_to_match_regex": _row("regex"),
    "expect_column_values_to_not_match_regex": _row("regex"),
    "expect_column_values_to_match_regex_list": _row("regex_list", optional=("match_on",)),
    "expect_column_values_to_not_match_regex_list": _row("regex_list"),
    "expect_column_values_to_match_strftime_format": _row("strftime_format"),
    "expect_column_value_lengths_to_be_between": _row(optional=_BOUNDS),
    "expect_column_value_lengths_to_equal": _row("value"),
    "expect_column_value_z_scores_to_be_less_than": _row("threshold", "double_sided"),
    "expect_column_pair_values_a_to_be_greater_than_b": _rows("column_A", "column_B", optional=("or_equal",)),
    "expect_column_pair_values_to_be_equal": _rows("column_A", "column_B"),
    "expect_column_pair_values_to_be_in_set": _rows("column_A", "column_B", "value_pairs_set"),
    "expect_compound_columns_to_be_unique": _rows("column_list"),
    "expect_select_column_values_to_be_unique_within_record": _rows("column_list"),
    "expect_multicolumn_sum_to_equal": _rows("column_list", "sum_total"),
    "expect_column_distinct_values_to_be_in_set": _column("value_set", optional=()),
    "expect_column_distinct_values_to_contain_set": _column("value_set", optional=()),
    "expect_column_distinct_values_to_equal_set": _column("value_set", optional=()),
    "expect_column_most_common_value_to_be_in_set": _column("value_set", optional=("ties_okay",)),
    "expect_column_max_to_be_between": _column(),
    "expect_column_min_to_be_between": _column(),
    "expect_column_mean_to_be_between": _column(),
    "expect_column_median_to_be_between": _column(),
    "expect_column_stdev_to_be_between": _column(),
    "expect_column_sum_to_be_between": _column(),
    "expect_column_quantile_values_to_be_between": _column("quantile_ranges", optional=("allow_relative_error",)),
    "expect_column_unique_value_count_to_be_between": _column(),
    "expect_column_proportion_of_unique_values_to_be_between": _column(),
    "expect_column_proportion_of_non_null_values_to_be_between": _column(),
    "expect_table_row_count_to_be_between": ExpectationType(Shape.TABLE, (), _BOUNDS),
    "expect_table_row_count_to_equal": ExpectationType(Shape.TABLE, ("value",)),
}
ABOUT_NULLS = frozenset(
    {
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_null",
        "expect_column_proportion_of_non_null_values_to_be_between",
    }
)
"""Types for which a NaN or an infinity is as good as any other value."""
