"""Named parameters in SQL texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcast.errors import SourceMismatch
from nightcast.source.parameters import Kind, parameter_names, pieces, render, single_select

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT :a, :b, :a", ("a", "b")),
        ("SELECT x::date, :day::date, x::timestamp(0)", ("day",)),
        ("WHERE t>=:window_start AND t<:window_end", ("window_start", "window_end")),
        ("SELECT ':no', 'it''s :no', :yes", ("yes",)),
        (r"SELECT E'\':no', e'a\\', :yes", ("yes",)),
        (r"SELECT 'ends with \', :yes, ' :no'", ("yes",)),
        ('SELECT ":no", "a"":no" FROM t WHERE :yes', ("yes",)),
        ("SELECT $$ :no $$, $tag$ $$ :no $tag$, :yes", ("yes",)),
        ("SELECT a$b$c, :yes, d$b$", ("yes",)),
        ("SELECT $1, :yes", ("yes",)),
        ("-- :no\nSELECT :yes -- :no", ("yes",)),
        ("/* :no /* nested :no */ :no */ SELECT :yes", ("yes",)),
        ("SELECT a[1:n], a[i:n], (f(x))[lo:hi], b[:yes]", ("yes",)),
        ("SELECT f(x := 1, y => :yes)", ("yes",)),
        ("SELECT '12:30'::time, \"a:b\", :yes", ("yes",)),
        ("SELECT 'open :no", ("no",)),  # not SQL: the source will say so
        ("SELECT :1, : a, a : b", ()),
        ("", ()),
    ],
)
def test_names(sql: str, names: tuple[str, ...]) -> None:
    assert parameter_names(sql) == names


@given(st.text("ab:'\"$-/* \n;e\\[](=1"))
def test_pieces_are_the_text_again(sql: str) -> None:
    assert "".join(":" + p.text if p.kind is Kind.PARAMETER else p.text for p in pieces(sql)) == sql


def test_render_replaces_parameters_alone() -> None:
    found = single_select("SELECT ':a', x::int FROM t WHERE y = :a AND z = :b; -- :a")
    assert render(found, {"a": "'1'", "b": "2"}.__getitem__) == "SELECT ':a', x::int FROM t WHERE y = '1' AND z = 2"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "-- why\n/* and */ select 1 ; ",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION SELECT 2;;\n",
    ],
)
def test_one_select_is_taken(sql: str) -> None:
    assert single_select(sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM t", "starts with 'DELETE'"),
        ("/* SELECT */ DROP TABLE t", "starts with 'DROP'"),
        ("SELECT 1; DROP TABLE t", "several statements"),
        ("SELECT 1) TO STDOUT; DROP TABLE t", "several statements"),
        ("  -- nothing", "starts with 'nothing'"),
    ],
)
def test_anything_else_is_refused(sql: str, message: str) -> None:
    with pytest.raises(SourceMismatch, match=message):
        single_select(sql)
