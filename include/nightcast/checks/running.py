"""Judging rows by a team's checks. Great Expectations evaluates; what its findings mean is decided here.

Closed here: a check that cannot be evaluated is an `error`, never a pass or a plain failure; every entry has exactly
one result; no rows pass nothing; NaN and infinity pass nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from nightcast.checks import engine
from nightcast.checks.catalogue import ABOUT_NULLS, COLUMN_ARGUMENTS, TYPES, Shape
from nightcast.checks.expectations import Entry
from nightcast.checks.frame import SAMPLE, Flags, Judged, judged, plain
from nightcast.checks.parameters import NotKnown, filled_in
from nightcast.domain.verdict import CheckResult, CheckState, OnFail

_STATES = {
    OnFail.STOP: CheckState.FAIL,
    OnFail.QUARANTINE: CheckState.QUARANTINE,
    OnFail.WARN: CheckState.WARN,
}
_LIMITS = ("min_value", "max_value", "value_set")


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """A result, and for checks of single rows the rows that failed; None where rows are not judged one by one."""

    result: CheckResult
    bad: Flags | None = None


@dataclass(frozen=True, kw_only=True)
class _Question:
    """An entry with its parameters filled in."""

    entry: Entry
    kwargs: Mapping[str, Any]

    @property
    def shape(self) -> Shape:
        return TYPES[self.entry.type].shape


class _CannotRun(Exception):
    """The outcome of an entry that is not handed to the library."""

    def __init__(self, state: CheckState, message: str):
        self.state, self.message = state, message


def run(
    entries: Sequence[Entry], rows: pa.Table | pd.DataFrame, parameters: Mapping[str, Any], scope: str = ""
) -> list[Outcome]:
    """One outcome per entry, in their order.

    `parameters` are what `$PARAMETER` expressions may use. One that is missing makes an error; one that is None is not
    known yet (no past to compare with): then the check is not judged, which warns.
    """
    if not entries:
        return []
    started = time.perf_counter()
    about = judged(rows)
    outcomes: dict[str, Outcome] = {}
    questions = {}
    for entry in entries:
        try:
            questions[entry.id] = _question(entry, about, parameters)
        except _CannotRun as why:
            outcomes[entry.id] = _unjudged(entry, about, why)
    findings = engine.evaluate([(q.entry, q.kwargs) for q in questions.values()], about.frame) if questions else {}
    for name, question in questions.items():
        outcomes[name] = _outcome(question, findings.get(name, []), about)
    seconds = (time.perf_counter() - started) / len(entries)  # they are evaluated together; each bears its share
    return [
        Outcome(result=replace(outcomes[e.id].result, scope=scope, seconds=seconds), bad=outcomes[e.id].bad)
        for e in entries
    ]


def _question(entry: Entry, about: Judged, parameters: Mapping[str, Any]) -> _Question:
    try:
        kwargs = {key: filled_in(value, parameters) for key, value in entry.kwargs.items()}
    except NotKnown as error:
        raise _CannotRun(CheckState.WARN, f"not judged: {error.args[0]} is not known yet, there is no past") from error
    except KeyError as error:
        known = ", ".join(parameters) or "none"
        raise _CannotRun(CheckState.ERROR, f"found no parameter {error.args[0]!r}; given are {known}") from error
    except (ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise _CannotRun(CheckState.ERROR, f"a parameter has no value: {error}") from error
    question = _Question(entry=entry, kwargs=kwargs)
    for column in (*question.entry.columns, *entry.when):
        if column not in about.frame.columns:
            raise _CannotRun(
                CheckState.ERROR, f"found no column {column!r}; there are {', '.join(about.frame.columns)}"
            )
    if about.rows == 0 and question.shape is not Shape.TABLE:
        raise _CannotRun(CheckState.ERROR, "found no rows to judge; expected some")
    return replace(question, kwargs=_as_times(question, about))


def _as_times(question: _Question, about: Judged) -> dict[str, Any]:
    """Limits on columns of times as times; a text beside a time cannot be compared."""
    kwargs = dict(question.kwargs)
    if not any(about.is_temporal(column) for column in question.entry.columns):
        return kwargs
    for name in _LIMITS:
        value = kwargs.get(name)
        try:
            if isinstance(value, list):
                kwargs[name] = [pd.Timestamp(v) for v in value]
            elif value is not None:
                kwargs[name] = pd.Timestamp(value)
        except (ValueError, TypeError) as error:
            raise _CannotRun(CheckState.ERROR, f"found {name} {value!r}; expected a date or a time") from error
    return kwargs


def _unjudged(entry: Entry, about: Judged, why: _CannotRun) -> Outcome:
    prefix = "" if why.state is not CheckState.ERROR else "could not run: "
    result = CheckResult(check_id=entry.id, state=why.state, message=prefix + why.message, rows=about.rows)
    return Outcome(result=result)


def _outcome(question: _Question, findings: Sequence[engine.Finding], about: Judged) -> Outcome:
    entry = question.entry
    if len(findings) != 1:
        message = f"found {len(findings)} results of the library; expected one"
        return _unjudged(entry, about, _CannotRun(CheckState.ERROR, message))
    if findings[0].error is not None:
        return _unjudged(entry, about, _CannotRun(CheckState.ERROR, findings[0].error))
    try:
        if question.shape is Shape.ROWS:
            return _by_rows(question, findings[0], about)
        return _as_a_whole(question, findings[0], about)
    except _CannotRun as why:
        return _unjudged(entry, about, why)


def _by_rows(question: _Question, finding: engine.Finding, about: Judged) -> Outcome:
    """Each row passes or fails; a NaN or an infinity fails every check that is not about nulls."""
    numbers, entry = finding.numbers, question.entry
    labels = numbers.get("unexpected_index_list")
    if labels is None or len(labels) != numbers.get("unexpected_count"):
        raise _CannotRun(CheckState.ERROR, "the library named other rows than it counted")
    bad = np.zeros(about.rows, dtype=np.bool_)
    bad[np.asarray(labels, dtype=np.int64)] = True
    unsound = _unsound(question, about)
    held = finding.held and not unsound.any()
    bad |= unsound
    count, looked_at = int(bad.sum()), int(numbers["element_count"])
    observed = f"{count} of {looked_at} rows" + (f", {int(unsound.sum())} NaN or infinite" if unsound.any() else "")
    result = CheckResult(
        check_id=entry.id,
        state=CheckState.PASS if held else _STATES[entry.on_fail],
        message=_message(question, f"{observed} that do not fit"),
        observed=observed,
        limit=_limit(question),
        rows=looked_at,
        bad_rows=count,
        sample=() if held else about.sample(bad, question.entry.columns),
    )
    return Outcome(result=result, bad=bad)


def _unsound(question: _Question, about: Judged) -> Flags:
    found = np.zeros(about.rows, dtype=np.bool_)
    if question.entry.type not in ABOUT_NULLS:
        for column in question.entry.columns:
            if column in about.unsound:
                found |= about.unsound[column]
    return found & about.matching(question.entry.when) if found.any() else found


def _as_a_whole(question: _Question, finding: engine.Finding, about: Judged) -> Outcome:
    """A number or a set made of all rows."""
    numbers, entry = finding.numbers, question.entry
    unsound = int(_unsound(question, about).sum())
    if unsound:
        raise _CannotRun(CheckState.ERROR, f"found {unsound} values that are NaN or infinite; expected finite ones")
    found = numbers.get("observed_value")
    differing = [*numbers.get("partial_unexpected_list", []), *numbers.get("partial_missing_list", [])]
    if found is None and not _counts_values(numbers):
        raise _CannotRun(CheckState.ERROR, "found no values to judge; expected some")
    if isinstance(found, float) and not math.isfinite(found):
        raise _CannotRun(CheckState.ERROR, f"found {found}; expected a finite number")
    observed = _text(found) if found is not None else f"{len(differing)} other values: {_text(differing)}"
    result = CheckResult(
        check_id=entry.id,
        state=CheckState.PASS if finding.held else _STATES[entry.on_fail],
        message=_message(question, observed),
        observed=observed,
        limit=_limit(question),
        rows=int(about.matching(entry.when).sum()),
        sample=[{question.entry.columns[0]: plain(v)} for v in differing[:SAMPLE]] if question.entry.columns else (),
    )
    return Outcome(result=result)


def _counts_values(numbers: Mapping[str, Any]) -> bool:
    """Whether it is a check of a set of values, which tells the differing ones instead of a value."""
    return "unexpected_count" in numbers or "missing_count" in numbers


def _message(question: _Question, found: str) -> str:
    entry = question.entry
    words = entry.type.removeprefix("expect_").replace("_", " ")
    subject = f"{', '.join(question.entry.columns)}: " if question.entry.columns else ""
    note = f". {entry.note}" if entry.note else ""
    return f"found {found}; expected {subject}{words} ({_limit(question)}){note}"


def _limit(question: _Question) -> str:
    """The arguments that limit, as they were filled in, and the condition."""
    parts = [f"{k} {_text(v)}" for k, v in question.kwargs.items() if k not in COLUMN_ARGUMENTS]
    parts += [f"where {c} is {_text(v)}" for c, v in question.entry.when.items()]
    return ", ".join(parts) or "all rows"


def _text(value: Any) -> str:
    """A value in a few words."""
    value = plain(value)
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"
    text = ", ".join(_text(v) for v in value) if isinstance(value, list) else "null" if value is None else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
