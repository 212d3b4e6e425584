"""Screening of freshly extracted rows: contract, duplicates, row rules, signals, in this order.

One function serves the night (a day at a time, limits stop) and the import (a month at a time, limits warn).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightcast import checks
from nightcast.domain import gates, rows
from nightcast.domain.baseline import Baseline, compared
from nightcast.domain.decision import NO_WAIVERS, Waivers, waived
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.verdict import STOPPING, CheckResult, CheckState, Verdict, judge

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A quarantined row: its place among the day's rows in canonical order, every reason, and the row itself."""

    position: int
    reasons: tuple[str, ...]
    row: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScreenedDay:
    """What became of a day's rows: pulled = accepted + quarantined + duplicates."""

    day: date
    pulled: int
    rows: pa.Table  # without surplus copies
    accepted: pa.Table
    set_aside: tuple[SetAside, ...]
    duplicates: int
    waived: tuple[str, ...]  # row rules that set nothing aside, because a person waived them

    @property
    def distinct_rows(self) -> int:
        """Rows that are not surplus copies: what volumes are compared by."""
        return self.pulled - self.duplicates


@dataclass(frozen=True, kw_only=True, eq=False)
class Screening:
    """Days with their rows sorted out, and every result on the way. `verdict` is over the scopes that may stop."""

    days: tuple[ScreenedDay, ...]
    results: tuple[CheckResult, ...]
    verdict: Verdict


def screen(
    tables: Mapping[date, pa.Table],
    folder: PipelineFolder,
    expectations: checks.Expectations,
    opened: Mapping[date, bool],
    scope: str,
    waivers: Waivers = NO_WAIVERS,
) -> Screening:
    """Sort out the rows of some days (each in canonical order). Row rules see all days at once, shares are per day.

    A row rule that is waived sets nothing aside. The contract is not waived.
    """
    pipeline = folder.pipeline
    whole = pa.concat_tables(tables.values())
    results = [
        *checks.contract(whole, pipeline.source.stored, pipeline.source.time_column, sorted(tables), scope=scope),
        *(o.result for o in checks.run(expectations.contract, whole, {}, scope=scope)),
    ]
    verdict = judge(results, [*checks.CONTRACT_IDS, *(e.id for e in expectations.contract)])
    if not verdict.passed:  # with a broken contract every later check would report the same thing in its own way
        return Screening(days=(), results=tuple(results), verdict=verdict)
    copies = {day: _copies(table, folder) for day, table in tables.items()}
    kept = pa.concat_tables([table.filter(pa.array(~copies[day])) for day, table in tables.items()])
    outcomes = [
        replace(o, result=waived(o.result, waivers)) for o in checks.run(expectations.rows, kept, {}, scope=scope)
    ]
    unruled = tuple(o.result.check_id for o in outcomes if o.result.state is CheckState.WAIVED)
    results += [o.result for o in outcomes]
    reasons = _reasons(outcomes, kept.num_rows)
    days, start = [], 0
    for day, table in tables.items():
        count = int((~copies[day]).sum())
        days.append(_sorted_out(day, table, copies[day], reasons[start : start + count], unruled))
        start += count
    for done in days:
        results += (waived(r, waivers) for r in _shares(done, folder, opened[done.day]))
    declared = [e.id for e in expectations.rows]
    return Screening(days=tuple(days), results=tuple(results), verdict=judge(results, declared))


def signals(
    day: ScreenedDay, expectations: checks.Expectations, past: Baseline, scope: str, waivers: Waivers = NO_WAIVERS
) -> list[CheckResult]:
    """Judge a day as a whole, against what it is compared with."""
    parameters = gates.signal_parameters(day.day, day.distinct_rows, past.rows)
    trailing = {e.id for e in expectations.signals if e.parameters & gates.TRAILING_PARAMETERS}
    found = (o.result for o in checks.run(expectations.signals, day.rows, parameters, scope=scope))
    return [waived(compared(r, past) if r.check_id in trailing else r, waivers) for r in found]


def softened(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Results of an import: a limit that would stop a night warns. What could not run is still an error."""
    return [replace(r, state=CheckState.WARN) if r.state is CheckState.FAIL else r for r in results]


def stopping(results: Iterable[CheckResult]) -> bool:
    """Whether one of the results stops."""
    return any(r.state in STOPPING for r in results)


def _copies(table: pa.Table, folder: PipelineFolder) -> Flags:
    rule = folder.pipeline.source.duplicates
    return rows.duplicate_mask(table, rule) if rule else np.zeros(table.num_rows, dtype=np.bool_)


def _reasons(outcomes: Sequence[checks.Outcome], count: int) -> list[tuple[str, ...]]:
    """For each row, the ids of the quarantine rules that it fails."""
    found: list[tuple[str, ...]] = [()] * count
    for outcome in outcomes:
        if outcome.result.state is CheckState.QUARANTINE and outcome.bad is not None:
            for at in np.flatnonzero(outcome.bad):
                found[at] = (*found[at], outcome.result.check_id)
    return found


def _sorted_out(
    day: date, table: pa.Table, copies: Flags, reasons: Sequence[tuple[str, ...]], unruled: tuple[str, ...]
) -> ScreenedDay:
    places = np.flatnonzero(~copies)
    bad = np.array([bool(r) for r in reasons], dtype=np.bool_)
    set_aside = tuple(
        SetAside(position=int(places[at]), reasons=reasons[at], row=table.slice(int(places[at]), 1).to_pylist()[0])
        for at in map(int, np.flatnonzero(bad))
    )
    accepted = table.take(pa.array(places[~bad]))
    return ScreenedDay(
        day=day,
        pulled=table.num_rows,
        rows=table.take(pa.array(places)),
        accepted=accepted,
        set_aside=set_aside,
        duplicates=int(copies.sum()),
        waived=unruled,
    )


def _shares(day: ScreenedDay, folder: PipelineFolder, opened: bool) -> list[CheckResult]:
    source, scope = folder.pipeline.source, day.day.isoformat()
    results = [gates.rows_present(day.pulled, opened=opened, scope=scope)]
    if source.duplicates:
        results.append(gates.duplicates(day.duplicates, day.pulled, source.duplicates, scope=scope))
    results.append(gates.quarantine_share(len(day.set_aside), day.distinct_rows, source.quarantine, scope=scope))
    results.append(
        gates.reconcile_rows(day.pulled, day.accepted.num_rows, len(day.set_aside), day.duplicates, scope=scope)
    )
    return results
