"""Decisions that people take about nights: which there are, and what may not be decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from nightcast.domain.gates import AUDIT_IDS, TOTAL_IDS
from nightcast.domain.verdict import CheckResult, CheckState
from nightcast.errors import DecisionRefused


class DecisionKind(StrEnum):
    """What a person decided. Each stands until an `undo` names it."""

    WAIVE = "waive"  # a stopped run goes on past one check
    ACCEPT_LEVEL = "accept_level"  # trailing checks compare with days from a day on only
    REPLAY = "replay"  # kept rows were taken in again under corrected rules
    DISCARD = "discard"  # rows that were set aside need nobody's attention any more
    WITHDRAW = "withdraw"  # readers no longer see a run
    UNDO = "undo"  # an earlier decision no longer stands


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks for a decision and why. `dry_run` says what it would do, and does nothing."""

    who: str
    reason: str
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Raises `DecisionRefused` where one of them is empty: a ledger of blanks explains nothing."""
        for name, value in (("reason", self.reason), ("who", self.who)):
            if not value.strip():
                raise DecisionRefused(f"the decision has no {name}; expected a few words, which the ledger keeps")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of what was asked for: lines for people, and the decision that stands; None where none was taken."""

    text: str
    decision: int | None = None


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A check of a run that is waived, in one scope: an event day, or "" for the whole night."""

    check_id: str
    scope: str
    decision: int
    said: str  # who, which decision and why, for the result's message


WAIVABLE = frozenset({CheckState.FAIL, CheckState.QUARANTINE})
WHOLE = frozenset({"reconcile.rows", "audit.model_version", *AUDIT_IDS} - {*TOTAL_IDS})

Waivers = Mapping[tuple[str, str], Waiver]  # (check id, scope) -> waiver
NO_WAIVERS: Waivers = MappingProxyType({})


def waived(result: CheckResult, waivers: Waivers) -> CheckResult:
    """The result, in state `waived` where a person waived it.

    What could not run stays an error, and what says that a night is not whole stays a failure, whatever was waived.
    """
    waiver = waivers.get((result.check_id, result.scope))
    if waiver is None or result.state not in WAIVABLE or result.check_id in WHOLE:
        return result
    return replace(result, state=CheckState.WAIVED, message=f"waived {waiver.said}; {result.message}")


def not_waivable(result: CheckResult, contract: Collection[str]) -> str | None:
    """Why a result cannot be waived, with what to do instead; None where it can. `contract`: ids of its checks."""
    if result.state is CheckState.ERROR:
        return "it could not run, so nobody knows what it would have found. Mend what its message says"
    if result.check_id in contract:
        return (
            "it belongs to the contract: later checks and the forecast would read columns that are not what they say. "
            "Have the source corrected, or declare in the folder what the source delivers now"
        )
    if result.check_id in WHOLE:
        return "it says that the night is not whole, which no reader could see. Clear the run from open_run"
    if result.state not in WAIVABLE:
        return f"it is in state {result.state}, which stops nothing"
    return None
