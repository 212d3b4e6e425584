"""What a day's volume is compared with: accepted days of its weekday, from the day on whose level was accepted last."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

from nightcast.domain.verdict import CheckResult, CheckState

DAYS = 4  # of the same weekday
ENOUGH = 2  # of a level that was accepted: what a single day says may be chance


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """`rows`: of the last accepted days of the weekday, newest first. `since`: first day of the level that a person
    accepted last, before which nothing counts; None where nobody did. `way_out`: what to do where the level is true.
    """

    rows: tuple[int, ...] = ()
    since: date | None = None
    way_out: str = ""

    @property
    def provisional(self) -> bool:
        """Whether an accepted level has too few days to stop a night by."""
        return self.since is not None and len(self.rows) < ENOUGH


def level_at(levels: Collection[date], day: date) -> date | None:
    """The first day of the level that counts on `day`: the last of `levels` that has begun."""
    return max((since for since in levels if since <= day), default=None)


def way_out(pipeline: str, since: date) -> str:
    """What ends the ratchet: a true change of level is rejected, so that it never becomes what is compared with."""
    return f". If this is the true new level: `nightcast accept-level {pipeline} --since {since} --reason TEXT`"


def compared(result: CheckResult, past: Baseline) -> CheckResult:
    """The result of a check that compares with the baseline: it warns instead of stopping while that is provisional,
    and where it stops it says what to do if the level is true.
    """
    if past.provisional:
        note = f"provisional, {len(past.rows)} of {ENOUGH} days since the level of {past.since} was accepted; "
        state = CheckState.WARN if result.state is CheckState.FAIL else result.state
        return replace(result, state=state, message=note + result.message)
    if result.state is CheckState.FAIL:
        return replace(result, message=result.message + past.way_out)
    return result
