"""The one module that imports Great Expectations, and only when something is judged or verified.

The import costs about four seconds of a core, so loading and the parsing of DAG files never pay it.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pandas as pd

from nightcast.checks.expectations import Entry
from nightcast.errors import SpecError

_OF_THREAD = threading.local()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the library said of an entry: whether it held, its numbers, or why it could not be evaluated."""

    held: bool
    numbers: Mapping[str, Any]
    error: str | None = None


def verify(entries: Iterable[Entry], pipeline: str = "expectations.yaml") -> None:
    """Let the library construct each entry, parameters unfilled.

    Raises:
        SpecError: a line for each that it refuses.
    """
    problems = []
    for entry in entries:
        try:
            _construct(entry, entry.kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it raises is a refusal
            problems.append(
                f"expectations.yaml:{entry.line}: {entry.id}: {_reason(error)}; expected arguments that fit"
            )
    if problems:
        raise SpecError(pipeline, problems)


def evaluate(ready: Sequence[tuple[Entry, Mapping[str, Any]]], frame: pd.DataFrame) -> dict[str, list[Finding]]:
    """Findings by the entries' ids. An entry that could not be evaluated beside others is tried once more alone.

    One entry's error has been seen to spread to others; alone, it is its own.
    """
    found = _evaluate(ready, frame)
    if len(ready) > 1:
        for each in ready:
            if any(f.error for f in found.get(each[0].id, [])):
                found[each[0].id] = _evaluate([each], frame).get(each[0].id, [])
    return found


def _evaluate(ready: Sequence[tuple[Entry, Mapping[str, Any]]], frame: pd.DataFrame) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    built = []
    for entry, kwargs in ready:
        try:
            built.append(_construct(entry, kwargs))
        except Exception as error:  # noqa: BLE001 - a refusal is a check that could not run
            found[entry.id] = [Finding(held=False, numbers={}, error=_reason(error))]
    if not built:
        return found
    suite = _library().gx.ExpectationSuite(name="checks", expectations=built)
    batch = _batches().get_batch({"dataframe": frame})
    for result in batch.validate(suite, result_format="COMPLETE").results:
        identity = str(result.expectation_config.meta["id"])
        found.setdefault(identity, []).append(_finding(result))
    return found


def _finding(result: Any) -> Finding:
    """A result without numbers, failed or not, is one that could not be evaluated."""
    if not result.result:
        return Finding(held=False, numbers={}, error=_said(result.exception_info))
    return Finding(held=bool(result.success), numbers=dict(result.result))


def _said(information: Any) -> str:
    """The first message in what the library says of an exception; it comes in two forms."""
    while isinstance(information, Mapping):
        if information.get("exception_message"):
            return _short(str(information["exception_message"]))
        information = next((v for v in information.values() if isinstance(v, Mapping)), None)
    return "the library gave no result and no reason"


def _reason(error: Exception) -> str:
    """A refusal in one line; the library's own models list what is wrong."""
    listed = getattr(error, "errors", None)
    if callable(listed):
        return _short("; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in listed()))
    return _short(f"{type(error).__name__}: {error}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."


def _construct(entry: Entry, kwargs: Mapping[str, Any]) -> Any:
    """The library's object for an entry. Names and ways to fail are judged by the loader; severity is not used."""
    library = _library()
    condition = None
    for column, value in entry.when.items():
        named = library.Column(column)
        one = named.is_null() if value is None else named == value
        condition = one if condition is None else condition & one
    more = {} if condition is None else {"row_condition": condition}
    return library.implementation(entry.type)(**kwargs, **more, meta={"id": entry.id})


def _batches() -> Any:
    """What makes a batch of a frame: one ephemeral context per thread, making one costs as much as two checks."""
    if not hasattr(_OF_THREAD, "batches"):
        context = _library().gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
        _OF_THREAD.batches = asset.add_batch_definition_whole_dataframe("all")
    return _OF_THREAD.batches


@functools.cache
def _library() -> SimpleNamespace:
    """Great Expectations, quiet: it logs hundreds of lines while it is imported."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx
    from great_expectations.expectations.registry import get_expectation_impl
    from great_expectations.expectations.row_conditions import Column

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it resets its own level
    return SimpleNamespace(gx=gx, Column=Column, implementation=get_expectation_impl)
