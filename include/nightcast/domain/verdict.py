"""What checks found and what gates decided. A decision is a value; it is stored before anything is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class OnFail(StrEnum):
    """What a check that fails does to the night."""

    STOP = "stop"  # the night is not published
    QUARANTINE = "quarantine"  # the rows that fail are set aside with the check's id as a reason
    WARN = "warn"  # recorded


class CheckState(StrEnum):
    """How a check ended. `error` means that it could not run, and always stops the night."""

    PASS = "pass"  # noqa: S105 - a state
    WARN = "warn"
    QUARANTINE = "quarantine"
    FAIL = "fail"
    ERROR = "error"
    WAIVED = "waived"


STOPPING = frozenset({CheckState.FAIL, CheckState.ERROR})


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The outcome of one declared check. `observed` and `limit` are for people; counts are of rows."""

    check_id: str
    state: CheckState
    message: str  # one sentence: what was found, what was expected
    observed: str | None = None
    limit: str | None = None
    rows: int = 0  # looked at
    bad_rows: int = 0
    scope: str = ""  # "" for the whole night, else an event day or a month of an import
    sample: Sequence[Mapping[str, Any]] = field(default=())  # at most 5 offending rows or values, JSON-ready
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A gate's decision with the reasons for it, worst first."""

    passed: bool
    reasons: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)


def judge(results: Sequence[CheckResult], declared: Sequence[str]) -> Verdict:
    """Decide from the results of a gate, and fail closed.

    `declared` are the ids that must have a result; a missing or a doubled result is a reason to stop, like a
    check that failed or could not run.
    """
    reasons = [f"{r.check_id}: {r.message}" for r in results if r.state is CheckState.ERROR]
    reasons += [f"{r.check_id}: {r.message}" for r in results if r.state is CheckState.FAIL]
    seen = [(r.check_id, r.scope) for r in results]
    reasons += [
        f"{c}: has no result; every declared check must have one" for c in declared if c not in {s[0] for s in seen}
    ]
    reasons += [
        f"{c}: has more than one result for scope {s!r}" for c, s in sorted({x for x in seen if seen.count(x) > 1})
    ]
    return Verdict(passed=not reasons, reasons=tuple(reasons))


def check_runbook(check_id: str) -> str:
    """File below docs/runbooks/ of the page that explains a check: of its kind, or of all rules of a team's own."""
    kind, dot, _ = check_id.partition(".")
    return f"checks/{kind if dot or check_id == 'duplicates' else 'expectations'}.md"
