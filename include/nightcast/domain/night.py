"""A night: what is asked for, what was pinned for it, and the states it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class RunKind(StrEnum):
    """Why a run exists. Only a `night` can publish."""

    NIGHT = "night"
    IMPORT = "import"
    TRAINING = "training"
    REPRODUCE = "reproduce"
    TRY = "try"
    REPLAY = "replay"  # rows that are kept, judged again by corrected rules


class RunMode(StrEnum):
    """Which truth about past days a run reads."""

    KNOWN_THEN = "known_then"  # intake revisions up to that night
    KNOWN_NOW = "known_now"  # the newest revisions


class RunState(StrEnum):
    """States of a run. `published`, `unchanged`, `superseded`, `done` and `too_old` are terminal."""

    OPEN = "open"
    PUBLISHED = "published"
    UNCHANGED = "unchanged"  # the same inputs are published already
    SUPERSEDED = "superseded"  # a newer run of the night is published
    STOPPED = "stopped"  # a gate said no; resumes when the task is cleared
    FAILED = "failed"  # something could not be done; resumes when the task is cleared
    TOO_OLD = "too_old"  # older than catch_up_days
    DONE = "done"  # an import, training, reproduction or trial that ended well


TERMINAL = frozenset({RunState.PUBLISHED, RunState.UNCHANGED, RunState.SUPERSEDED, RunState.DONE, RunState.TOO_OLD})


class StepState(StrEnum):
    """States of one attempt at a step."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    SKIPPED = "skipped"


class DayState(StrEnum):
    """What a night knows of an event day."""

    ACCEPTED = "accepted"
    CLOSED = "closed"  # the calendar says closed: no rows expected
    MISSING = "missing"  # open, but no rows, or its rows were rejected: not zero


@dataclass(frozen=True, kw_only=True)
class Window:
    """Event days to read, both ends included."""

    start: date
    end: date


@dataclass(frozen=True, kw_only=True)
class Night:
    """The ids that steps hand to each other: small, frozen, JSON-ready through `asdict`."""

    run_id: int
    pipeline: str
    origin: date
    shards: int = 1
