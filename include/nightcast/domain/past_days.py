"""The engine's own checks of the past that a night rests on: days that are lacking, and days that were restated."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from nightcast.domain.verdict import CheckResult, CheckState

_NAMED = 5  # days; more are counted


def missing_days(missing: Collection[date], most: int) -> CheckResult:
    """Open days without accepted rows among the last ones before the origin: at most `most`."""
    days = [d.isoformat() for d in sorted(missing)[:_NAMED]]
    named = f" ({', '.join(days)})" if days else ""
    return CheckResult(
        check_id="days.missing",
        state=CheckState.PASS if len(missing) <= most else CheckState.FAIL,
        message=f"found {len(missing)} missing open days lately{named}; expected at most {most}",
        observed=str(len(missing)),
        limit=f"at most {most}",
        sample=[{"day": day} for day in days],
    )


def restated_days(restated: Collection[date], pipeline: str) -> CheckResult:
    """Past days whose rows in the source are others than before: only told, published nights stay as they are."""
    days = [d.isoformat() for d in sorted(restated)]
    stay = "nights made from the earlier rows stay published, and are listed by"
    command = f"`nightcast restate {pipeline} --since {days[0] if days else ''} --dry-run`"
    return CheckResult(
        check_id="days.restated",
        state=CheckState.WARN if days else CheckState.PASS,
        message=f"found {len(days)} past days with other rows than before; expected none"
        + (f" ({', '.join(days[:_NAMED])}); {stay} {command}" if days else ""),
        observed=str(len(days)),
        limit="0",
    )
