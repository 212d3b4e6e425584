"""What the engine itself asks of rows before any other check: the declared columns, types, nulls and times."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.checks.frame import SAMPLE, plain
from nightcast.domain.contract import Column, Role
from nightcast.domain.rows import arrow_type
from nightcast.domain.verdict import CheckResult, CheckState

CONTRACT_IDS = (
    "contract.columns",
    "contract.types",
    "contract.nulls",
    "contract.keys",
    "contract.finite",
    "contract.window",
)
KEY_BYTES = 2000  # of all keys of a row together: an entry of our tables' indexes holds a third of a page of 8 kB


def contract(
    table: pa.Table, columns: Mapping[str, Column], time_column: str, days: Collection[date], scope: str = ""
) -> list[CheckResult]:
    """One result for each of CONTRACT_IDS, in that order: each passes or stops.

    Declared columns are there, in any order, and no others; they have their types; what may not be null is not; keys
    are not longer than our tables can hold; floats are finite; the date of each row's time is one of `days`.
    """
    present = {n: c for n, c in columns.items() if n in table.column_names}
    return [
        _columns(table, columns, scope),
        _types(table, present, scope),
        _nulls(table, present, scope),
        _keys(table, present, scope),
        _finite(table, present, scope),
        _window(table, time_column, days, scope),
    ]


def _columns(table: pa.Table, columns: Mapping[str, Column], scope: str) -> CheckResult:
    found = table.column_names
    missing = [n for n in columns if n not in found]
    more = [n for n in found if n not in columns]
    twice = sorted({n for n in found if found.count(n) > 1})
    wrong = {"missing": missing, "not declared": more, "twice": twice}
    parts = "; ".join(f"{', '.join(names)} {what}" for what, names in wrong.items() if names)
    return _result("contract.columns", table, not parts, parts or "the declared columns", ", ".join(columns), scope)


def _types(table: pa.Table, present: Mapping[str, Column], scope: str) -> CheckResult:
    kinds = {n: table.schema.field(n).type for n in present if table.column_names.count(n) == 1}
    wrong = [f"{n} {kinds[n]} instead of {arrow_type(present[n])}" for n in kinds if kinds[n] != arrow_type(present[n])]
    limit = ", ".join(f"{n} {c.type}" for n, c in present.items())
    return _result("contract.types", table, not wrong, "; ".join(wrong) or "the declared types", limit, scope)


def _nulls(table: pa.Table, present: Mapping[str, Column], scope: str) -> CheckResult:
    watched = [n for n, c in present.items() if not c.nullable and table.column_names.count(n) == 1]
    nulls = {n: table[n].is_null() for n in watched if table[n].null_count}
    return _flagged("contract.nulls", table, nulls, "null", f"no nulls in {', '.join(watched)}", scope)


def _keys(table: pa.Table, present: Mapping[str, Column], scope: str) -> CheckResult:
    single = [n for n, c in present.items() if c.role is Role.KEY and table.column_names.count(n) == 1]
    texts = [n for n in single if pa.types.is_string(table.schema.field(n).type)]
    long = pa.chunked_array([pa.repeat(False, len(table))])
    if texts:
        lengths = [pc.fill_null(pc.binary_length(table[name]), 0) for name in texts]
        long = pc.greater(functools.reduce(pc.add, lengths), KEY_BYTES)
    flags = {", ".join(texts): long} if pc.any(long).as_py() else {}
    return _flagged("contract.keys", table, flags, "too long", f"keys of at most {KEY_BYTES} bytes", scope)


def _finite(table: pa.Table, present: Mapping[str, Column], scope: str) -> CheckResult:
    single = [n for n in present if table.column_names.count(n) == 1]
    floats = [n for n in single if pa.types.is_floating(table.schema.field(n).type)]
    flags = {n: pc.fill_null(pc.invert(pc.is_finite(table[n])), False) for n in floats}
    unsound = {n: f for n, f in flags.items() if pc.any(f).as_py()}
    return _flagged("contract.finite", table, unsound, "NaN or infinite", "finite numbers", scope)


def _window(table: pa.Table, time_column: str, days: Collection[date], scope: str) -> CheckResult:
    limit = f"{min(days)} to {max(days)}" if days else "no day"
    kind = table.schema.field(time_column).type if table.column_names.count(time_column) == 1 else None
    if kind is None or not pa.types.is_temporal(kind):
        message = f"could not run: found {kind or 'no single column'} as {time_column}; expected dates or timestamps"
        return CheckResult(
            check_id="contract.window",
            state=CheckState.ERROR,
            message=message,
            limit=limit,
            rows=len(table),
            scope=scope,
        )
    inside = pc.is_in(table[time_column].cast(pa.date32()), value_set=pa.array(sorted(days), pa.date32()))
    outside = pc.invert(inside)
    flags = {time_column: outside} if pc.any(outside).as_py() else {}
    return _flagged("contract.window", table, flags, "of another day", limit, scope)


def _flagged(
    check_id: str, table: pa.Table, flags: Mapping[str, pa.ChunkedArray], what: str, limit: str, scope: str
) -> CheckResult:
    """The result of a check that flags values: which columns, how many rows, and some of them."""
    bad = np.zeros(len(table), dtype=np.bool_)
    parts = []
    for name, column in flags.items():
        rows = column.combine_chunks().to_numpy(zero_copy_only=False)
        parts.append(f"{name} in {int(rows.sum())} rows")
        bad |= rows
    found = f"{', '.join(parts)} {what}" if parts else f"none {what}"
    sample = [plain(row) for row in table.take(pa.array(np.flatnonzero(bad)[:SAMPLE])).to_pylist()]
    return _result(check_id, table, not parts, found, limit, scope, bad_rows=int(bad.sum()), sample=sample)


def _result(
    check_id: str,
    table: pa.Table,
    passed: bool,
    found: str,
    limit: str,
    scope: str,
    *,
    bad_rows: int = 0,
    sample: Collection[Mapping[str, object]] = (),
) -> CheckResult:
    return CheckResult(
        check_id=check_id,
        state=CheckState.PASS if passed else CheckState.FAIL,
        message=f"found {found}; expected {limit}",
        observed=found,
        limit=limit,
        rows=len(table),
        bad_rows=bad_rows,
        scope=scope,
        sample=list(sample),
    )
