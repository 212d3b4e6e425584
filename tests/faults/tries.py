"""What a process that tries a task is told, and what is known of it afterwards. Light: it imports no library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Try:
    """The task, what Airflow would hand to it, and the fault that waits for it on its way."""

    task: str
    number: int  # from 1
    last: int  # the number of the try after which Airflow gives up
    request: Mapping[str, Any]  # what `open_run` is asked for
    night: Mapping[str, Any] | None  # what `open_run` handed on
    shard: int | None
    origin: date
    hours: float  # by which the clock is ahead of a night's usual time
    environment: Mapping[str, str]
    log: Path
    point: str | None = None
    act: str = ""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What Airflow knows of a try. A process that was lost has said nothing."""

    state: str  # success | skipped | up_for_reschedule | up_for_retry | failed | lost
    result: Any = None
    error: str | None = None  # its class
    message: str = ""
    acted: float | None = None  # seconds of the clock when the fault came into effect in the process


def run(what: Try, parent: Any) -> None:
    """The body of the process. Its parent has imported the module already."""
    from faults import attempts

    attempts.run(what, parent)
