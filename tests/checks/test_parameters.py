"""Expressions in arguments: small arithmetic, and nothing that reaches out."""

from __future__ import annotations

from typing import Any

import pytest

from nightcast.checks.parameters import NotKnown, evaluate, expressions, filled_in, names

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rows", 10),
        ("round(0.33 * rows)", 3),
        ("round(rows / 3, 2)", 3.33),
        ("max(rows - 20, -1) + abs(-2)", 1),
        ("-rows", -10),
        ("min(rows, 2 * 3)", 6),
    ],
)
def test_values(text: str, value: float) -> None:
    assert evaluate(text, {"rows": 10}) == value


@pytest.mark.parametrize(
    "text",
    [
        "rows.real",
        "rows[0]",
        "__import__('os')",
        "open('x')",
        "rows ** 9",
        "'text'",
        "lambda: 1",
        "[r for r in rows]",
        "rows if rows else 1",
        "round(rows, ndigits=2)",
        "rows; rows",
        "",
        "1 +",
        "(" * 150,
        "1 + " * 100 + "1",
        3,
        None,
    ],
)
def test_everything_else_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        names(text)
    with pytest.raises(ValueError, match="expected"):
        evaluate(text, {"rows": 10})


def test_names_without_functions() -> None:
    assert names("round(0.5 * trailing_rows) + rows") == {"trailing_rows", "rows"}


def test_expressions_are_filled_in_wherever_they_stand() -> None:
    kwargs = {"value_set": [1, {"$PARAMETER": "a + 1"}], "deep": {"b": {"$PARAMETER": "a"}}, "plain": "a"}
    assert list(expressions(kwargs)) == ["a + 1", "a"]
    assert filled_in(kwargs, {"a": 1}) == {"value_set": [1, 2], "deep": {"b": 1}, "plain": "a"}


def test_what_is_missing_and_what_is_not_known_yet_differ() -> None:
    with pytest.raises(KeyError):
        evaluate("a", {})
    with pytest.raises(NotKnown):
        evaluate("2 * a", {"a": None})
