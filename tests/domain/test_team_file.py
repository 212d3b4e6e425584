"""How people's files are spoken of: paths, values, and the word that was probably meant."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nightcast.domain.team_file import dotted, from_node, one_of, shown, unknown

pytestmark = pytest.mark.unit

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text("ab :#'\"-\n06"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read(value: object) -> None:
    text = yaml.safe_dump(value, default_flow_style=None)
    read, problems = from_node(yaml.compose(text, Loader=yaml.BaseLoader), "f.yaml")
    assert (read.value, problems) == (value, [])


def test_lines_are_those_of_keys_and_items() -> None:
    text = "# first\na:\n  - 1\n  -\n    b: 2\nc: >\n  text\n"
    read, _ = from_node(yaml.compose(text, Loader=yaml.BaseLoader), "f.yaml")
    paths = [("a",), ("a", 0), ("a", 1, "b"), ("c",)]
    assert [read.line(p) for p in paths] == [2, 3, 5, 6]
    assert read.line(("a", 1, "missing", 0)) == 5
    assert [read.has(("a", n)) for n in (1, 2)] == [True, False]
    assert read.problem(("a", 1, "b"), "found 2; expected 3") == "f.yaml:5: at a[1].b: found 2; expected 3"


def test_both_loaders_tell_the_same() -> None:
    text = "a: 06:00\nb: 'no'\nc: no\nd: ~\ne: |\n  1\nf: 1e3\n"
    loaders = {yaml.BaseLoader, getattr(yaml, "CBaseLoader", yaml.BaseLoader)}
    found = [from_node(yaml.compose(text, Loader=loader), "f.yaml")[0] for loader in loaders]
    for read in found:
        assert read.value == {"a": "06:00", "b": "no", "c": "no", "d": None, "e": "1\n", "f": 1000.0}
        assert [read.line((k,)) for k in "abcdef"] == [1, 2, 3, 4, 5, 7]


def test_words() -> None:
    assert dotted(("features", 3, "age", "cap")) == "features[3].age.cap"
    assert one_of(["a", "b", "c"]) == "a, b or c"
    assert shown("x" * 99) == '"' + "x" * 56 + "..."
    assert (
        unknown("windws", ["windows", "of"])
        == "found unknown key 'windws'; did you mean 'windows'? expected of or windows"
    )
    assert unknown("zzz", ["windows"]) == "found unknown key 'zzz'; expected windows"
