"""The engine's own checks that need nothing but numbers: each returns what it found as a `CheckResult`.

Ids hold a dot, so that they never meet the ids of a team's expectations; `duplicates` is reserved.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any

from nightcast.domain.pipeline import Audit, Duplicates, QuarantineLimits
from nightcast.domain.verdict import CheckResult, CheckState

SIGNAL_PARAMETERS = ("rows", "trailing_rows", "day_start", "day_end")
TRAILING_PARAMETERS = frozenset({"trailing_rows"})  # those that are made of earlier days
TOTAL_IDS = ("audit.total_stop", "audit.total_warn")
AUDIT_IDS = (
    "audit.count",
    "audit.keys",
    "audit.once",
    "audit.finite",
    "audit.non_negative",
    "audit.ordered",
    "audit.dates",
    "audit.shards",
    "audit.reconcile",
    *TOTAL_IDS,
)
_SAMPLE = 5


def signal_parameters(day: date, rows: int, trailing: Sequence[int]) -> dict[str, Any]:
    """What signals may refer to.

    `rows` of the day; `trailing_rows`, the median of `trailing` (rows of the last accepted open days of its weekday),
    None while there are none; `day_start` and `day_end`, the event day as a half-open interval.
    """
    start = datetime.combine(day, time())
    return {
        "rows": rows,
        "trailing_rows": float(median(trailing)) if trailing else None,
        "day_start": start,
        "day_end": start + timedelta(days=1),
    }


def rows_present(pulled: int, *, opened: bool, scope: str) -> CheckResult:
    """An open day has rows (else stop: `rows.present`), a closed one has none (else warn: `rows.closed_day`)."""
    if opened:
        state, found, limit = _stop(pulled > 0), f"{pulled} rows on an open day", "at least 1"
    else:
        state, found, limit = _warn(pulled == 0), f"{pulled} rows on a day that the calendar has as closed", "0"
    return CheckResult(
        check_id="rows.present" if opened else "rows.closed_day",
        state=state,
        message=f"found {found}; expected {limit}",
        observed=str(pulled),
        limit=limit,
        rows=pulled,
        bad_rows=0 if opened or state is CheckState.PASS else pulled,
        scope=scope,
    )


def duplicates(surplus: int, pulled: int, rule: Duplicates, *, scope: str) -> CheckResult:
    """The share of surplus copies among a day's rows stays within the rule's `max_share`."""
    share = surplus / pulled if pulled else 0.0
    return CheckResult(
        check_id="duplicates",
        state=_stop(share <= rule.max_share),
        message=f"found {_share(surplus, pulled)} that came again; expected at most {_percent(rule.max_share)}",
        observed=_percent(share),
        limit=f"at most {_percent(rule.max_share)}",
        rows=pulled,
        bad_rows=surplus,
        scope=scope,
    )


def quarantine_share(set_aside: int, rows: int, limits: QuarantineLimits, *, scope: str) -> CheckResult:
    """The share of rows that row rules set aside, of those that are not duplicates: `warn_share` and `max_share`."""
    share = set_aside / rows if rows else 0.0
    state = CheckState.FAIL if share > limits.max_share else _warn(share <= limits.warn_share)
    limit = f"at most {_percent(limits.max_share)}, above {_percent(limits.warn_share)} is unusual"
    return CheckResult(
        check_id="quarantine.share",
        state=state,
        message=f"found {_share(set_aside, rows)} set aside by row rules; expected {limit}",
        observed=_percent(share),
        limit=limit,
        rows=rows,
        bad_rows=set_aside,
        scope=scope,
    )


def reconcile_rows(pulled: int, accepted: int, quarantined: int, duplicated: int, *, scope: str) -> CheckResult:
    """Nothing lost, nothing invented: pulled = accepted + quarantined + duplicates."""
    told = accepted + quarantined + duplicated
    return CheckResult(
        check_id="reconcile.rows",
        state=_stop(pulled == told and min(accepted, quarantined, duplicated) >= 0),
        message=f"found {accepted} accepted + {quarantined} quarantined + {duplicated} duplicates = {told}; "
        f"expected the {pulled} rows that were pulled",
        observed=str(told),
        limit=str(pulled),
        rows=pulled,
        bad_rows=abs(pulled - told),
        scope=scope,
    )


def audit(
    numbers: Mapping[str, Any], complete: Mapping[str, Any], *, keys: int, days: int, shards: int
) -> list[CheckResult]:
    """Judge the rows that a run wrote, from numbers over all of them.

    `numbers`: rows, keys and days (distinct), non_finite, negative, crossed, wrong_dates (rows), shards_done.
    `complete`: expected, missing, unexpected (pairs of key and target date), sample. `keys`, `days` and `shards` are
    what is expected: entities of the universe, open days of the horizon, shards of the run.
    """
    rows, expected = numbers["rows"], complete["expected"]
    astray = complete["missing"] + complete["unexpected"]
    once = astray == 0 and rows == expected
    universe = keys if days else 0  # without an open day nothing is predicted
    return [
        _equal("audit.count", "rows", rows, expected, rows),
        _equal("audit.keys", "entities", numbers["keys"], universe, rows, also=keys > 0),
        CheckResult(
            check_id="audit.once",
            state=_stop(once),
            message=f"found {complete['missing']} pairs of entity and open day missing, {complete['unexpected']} that "
            f"do not belong, {rows} rows for {expected} pairs; expected each pair once",
            observed=f"{complete['missing']} missing, {complete['unexpected']} unexpected",
            limit="each pair once",
            rows=rows,
            bad_rows=astray or abs(rows - expected),
            sample=[{k: _plain(v) for k, v in row.items()} for row in list(complete.get("sample", ()))[:_SAMPLE]],
        ),
        _none("audit.finite", "a missing, NaN or infinite value", numbers["non_finite"], rows),
        _none("audit.non_negative", "a value below zero", numbers["negative"], rows),
        _none("audit.ordered", "quantiles that do not rise", numbers["crossed"], rows),
        _dates(numbers["wrong_dates"], numbers["days"], days if keys else 0, rows),
        _equal("audit.shards", "shards that ended", numbers["shards_done"], shards, rows),
        _equal("audit.reconcile", f"predictions for {keys} entities on {days} open days", rows, keys * days, rows),
    ]


def model_version(found: Collection[str], pinned: str) -> CheckResult:
    """Every shard opened the pinned bundle and nothing else: `found` are the digests that they opened."""
    others = sorted({f for f in found if f != pinned})
    return CheckResult(
        check_id="audit.model_version",
        state=_stop(not others and bool(found)),
        message=f"found {len(set(found))} model bundle(s) opened, {len(others)} of them not the pinned one; "
        f"expected {pinned[:12]} alone",
        observed=", ".join(sorted(set(found))) or "none",
        limit=pinned,
    )


def totals(
    tonight: Mapping[date, float], before: Mapping[date, float], bounds: Audit, since: date | None = None
) -> list[CheckResult]:
    """Tonight's forecast against the last published night's: two results, `audit.total_stop` and `audit.total_warn`.

    Both map target dates to the sum of means. Compared are the sums over the dates that both nights forecast; where
    there are none, the means per date. `since`: first day of the level that was accepted last; `before` is empty, and
    that warns, until a night from then on is published.
    """
    ratio, basis = _ratio(tonight, before)
    if since and not before:
        basis = f"no night published since the level of {since} was accepted"
        unknown = CheckState.WARN
    else:
        unknown = CheckState.PASS
    return [
        _within("audit.total_stop", ratio, bounds.stop_outside, basis, CheckState.FAIL, unknown),
        _within("audit.total_warn", ratio, bounds.warn_outside, basis, CheckState.WARN, unknown),
    ]


def _ratio(tonight: Mapping[date, float], before: Mapping[date, float]) -> tuple[float | None, str]:
    if not all(math.isfinite(v) for v in (*tonight.values(), *before.values())):
        return math.nan, "totals that are not finite"
    if not tonight or not before:
        return None, "no earlier published night" if tonight else "no open day in the horizon"
    common = sorted(tonight.keys() & before.keys())
    if common:
        new, old = sum(tonight[d] for d in common), sum(before[d] for d in common)
        basis = f"{new:,.0f} against {old:,.0f} on {len(common)} common dates"
    else:
        new, old = sum(tonight.values()) / len(tonight), sum(before.values()) / len(before)
        basis = f"{new:,.0f} against {old:,.0f} per date, no date in common"
    if old == 0:
        return (1.0 if new == 0 else math.inf), basis
    return new / old, basis


def _within(
    check_id: str,
    ratio: float | None,
    bounds: tuple[float, float],
    basis: str,
    worse: CheckState,
    unknown: CheckState,
) -> CheckResult:
    low, high = bounds
    limit = f"{low:g} to {high:g} times the last published night"
    if ratio is None:
        return CheckResult(check_id=check_id, state=unknown, message=f"not compared: {basis}", limit=limit)
    inside = low <= ratio <= high  # False for NaN
    state = CheckState.PASS if inside else CheckState.FAIL if math.isnan(ratio) else worse
    return CheckResult(
        check_id=check_id,
        state=state,
        message=f"found {ratio:.2f} times the total of the last published night ({basis}); expected "
        f"{low:g} to {high:g}",
        observed=f"{ratio:.3f}",
        limit=limit,
    )


def _equal(check_id: str, what: str, found: int, expected: int, rows: int, *, also: bool = True) -> CheckResult:
    return CheckResult(
        check_id=check_id,
        state=_stop(found == expected and also),
        message=f"found {found} {what}; expected {expected if also else 'at least 1'}",
        observed=str(found),
        limit=str(expected) if also else "at least 1",
        rows=rows,
        bad_rows=abs(found - expected),
    )


def _none(check_id: str, what: str, bad: int, rows: int) -> CheckResult:
    return CheckResult(
        check_id=check_id,
        state=_stop(bad == 0),
        message=f"found {bad} of {rows} rows with {what}; expected none",
        observed=str(bad),
        limit="0",
        rows=rows,
        bad_rows=bad,
    )


def _dates(wrong: int, found: int, expected: int, rows: int) -> CheckResult:
    return CheckResult(
        check_id="audit.dates",
        state=_stop(wrong == 0 and found == expected),
        message=f"found {wrong} of {rows} rows with dates of another night, and {found} target dates; "
        f"expected none, and {expected}",
        observed=f"{wrong} wrong, {found} dates",
        limit=f"0 wrong, {expected} dates",
        rows=rows,
        bad_rows=wrong,
    )


def _stop(passed: bool) -> CheckState:
    return CheckState.PASS if passed else CheckState.FAIL


def _warn(passed: bool) -> CheckState:
    return CheckState.PASS if passed else CheckState.WARN


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} rows ({_percent(part / whole if whole else 0.0)})"


def _percent(share: float) -> str:
    """A share in percent. Rounded so that a share above a limit never looks equal to it in whole percents."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + " %"
