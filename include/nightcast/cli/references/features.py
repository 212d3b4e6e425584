"""The reference of features, from their dataclasses, limits and meanings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Annotated, Any, Literal, get_args, get_origin

from nightcast.domain.feature_arguments import Limits, Says
from nightcast.domain.feature_meanings import MEANINGS, Meaning
from nightcast.domain.features import FEATURE_KINDS, arguments_of
from nightcast.spec import read_feature

_HEAD = """# Features

Generated from the code by `make docs`; edit there. These are the entries of `features:` in a `pipeline.yaml`, in the
order in which the model reads their columns.

A feature is computed per entity, origin O and target date d, from the panel up to and including O and from the
calendar. Nothing after O is read, neither when a night is scored nor when a model is trained; a test changes
everything after O and finds every feature unchanged.

- A **day counts** when it is open in the calendar and its rows were accepted. Closed and missing days are left out
  above and below the line, whatever rows they have: means are per open day. An entity without a row on a day that
  counts has 0 there.
- **Windows** are in calendar days up to and including O. One that reaches before the history is cut there; those of
  `seasonal_mean` and of the lifts are not: the value is NaN then.
- **NaN** means that there is no value: a window without a day that counts, or a division by zero. The model reads NaN
  as such. A column that is NaN in every training row is left out of that model, which records it.
- Sums are of integers and exact: a value does not depend on the order of rows, on shards or on the entities beside,
  nor on where the history starts, unless it looks further back than that (as `age` and `days_since_active` may).
- **Without history** says what an entity has whose days up to O are all 0.
- Columns are float32. Each may be declared once. One that cannot be known at O for the whole horizon, or that means
  nothing, such as a ratio of a window to itself, is an error of the spec, with its line.

In formulas x(t) is the measure of the entity on day t and X(t) its total over all entities; sums go over the days of
the window that count, and n is how many these are.
"""


def page() -> str:
    """The page in Markdown."""
    return "\n".join([_HEAD, *_overview(), *(line for name in FEATURE_KINDS for line in _section(name))]) + "\n"


def _overview() -> Sequence[str]:
    rows = [f"| [`{name}`](#{name}) | {MEANINGS[name].says.split('. ')[0].rstrip('.')} |" for name in FEATURE_KINDS]
    return ["| feature | is |", "|---|---|", *rows]


def _section(name: str) -> Sequence[str]:
    meaning, kind = MEANINGS[name], FEATURE_KINDS[name]
    defaults = {f.name: f.default for f in fields(kind)}
    rows = [
        f"| `{argument}` | {_shape(hint)} | {_limits(hint)} | {_default(defaults[argument])} |"
        for argument, hint in arguments_of(kind).items()
    ]
    return [
        f"\n## {name}\n",
        f"{meaning.says}\n",
        "```yaml",
        f"- {meaning.example}",
        "```\n",
        f"Columns: {_columns(meaning)}\n",
        "| argument | type | limits and meaning | default |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Formula: {meaning.formula}\n",
        f"Without history: {meaning.without_history}",
    ]


def _columns(meaning: Meaning) -> str:
    return ", ".join(f"`{column}`" for column in read_feature(meaning.example).names())


def _shape(hint: Any) -> str:
    """The type of an argument in words."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        return f"list of {_plural(inner[0])}"
    return {int: "whole number", float: "number", str: "text"}[inner[0] if get_origin(hint) is Annotated else hint]


def _plural(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return f"pairs of {_plural(get_args(hint)[0])}"
    return "words" if get_origin(hint) is Literal else f"{_shape(hint)}s"


def _limits(hint: Any) -> str:
    """Bounds and meaning of each value that an argument takes."""
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if get_origin(hint) is Annotated:
        about = inner[1]
        if isinstance(about, Limits):
            return f"{about.least} to {about.most} {about.counts}"
        return about.what if isinstance(about, Says) else ""
    return " · ".join(dict.fromkeys(_limits(i) for i in inner if i is not Ellipsis))


def _default(value: Any) -> str:
    return "required" if value is MISSING else f"`{value:g}`"
