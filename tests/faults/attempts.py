"""One try of a task in a process of its own, as Airflow's worker runs it: forked from a parent that has imported the
engine, so that a try costs milliseconds. What a signal does to it, it does to nobody else.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowSkipException

from faults import points
from faults.nights import TASKS
from faults.tries import Ended, Try
from nightcast.orchestration import bodies
from nightcast.orchestration.retries import retry_policy
from steps.world import clock_of

for task in (*TASKS, "failure"):
    importlib.import_module(f"nightcast.steps.{task}")  # the costly half of every task, once for all of them


def run(what: Try, parent: Any) -> None:
    """The body of the process."""
    os.setsid()
    log = os.open(what.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    os.environ.update(what.environment)
    signal.signal(signal.SIGTERM, lambda *_: None)  # as Airflow's runner: it tells the operator, and goes on
    bodies.now = _clock(what)
    if what.point:
        points.arm(what.point, what.act, parent)
    ended = _tried(what)
    with contextlib.suppress(OSError):  # nobody listens to an orphan whose parent has ended
        parent.send(ended)


def _tried(what: Try) -> Ended:
    """What Airflow makes of a result or an exception, and which callback it calls."""
    try:
        result = _body(what)
    except AirflowSkipException as skip:
        return Ended(state="skipped", message=str(skip))
    except BaseException as error:  # noqa: BLE001 -- a timeout is no Exception
        decided = retry_policy().evaluate(error, what.number, what.last, None)
        again = decided.action is not RetryAction.FAIL and what.number < what.last
        _call_back(what, error, final=not again)
        return Ended(state="up_for_retry" if again else "failed", error=type(error).__name__, message=str(error))
    return Ended(state="up_for_reschedule") if result is False else Ended(state="success", result=result)


def _body(what: Try) -> Any:
    """As the bodies in `orchestration.inference`, with what XCom would bring."""
    if what.task == "open_run":
        return bodies.call_step("open_run", what.request)
    if what.night is None:
        raise AirflowSkipException("open_run handed nothing on")
    if what.task == "publish":
        result = bodies.result_of("publish", what.night)
        if result["state"] != "published":
            raise AirflowSkipException(str(result.get("why") or result.get("reason")))
        return result
    return bodies.call_step(what.task, what.night, **({} if what.shard is None else {"shard": what.shard}))


def _call_back(what: Try, error: BaseException, *, final: bool) -> None:
    """The callbacks of the DAG. That one of them fails is logged, as Airflow does, and changes nothing."""
    recorder = bodies.FailureRecorder(opened_by="open_run", request=lambda _: dict(what.request))
    context = {"ti": _TaskInstance(what), "exception": error}
    try:
        (recorder.failed if final else recorder.retrying)(context)
    except Exception as beside:  # noqa: BLE001 -- as Airflow does
        print(f"the callback failed: {type(beside).__name__}: {beside}", file=sys.stderr)


class _TaskInstance:
    """The part of Airflow's that the callbacks ask."""

    def __init__(self, what: Try):
        self.task_id, self._night = what.task, what.night

    def xcom_pull(self, task_ids: str) -> Any:
        return self._night if task_ids == "open_run" else None


def _clock(what: Try) -> Callable[[], datetime]:
    at = clock_of(what.origin)() + timedelta(hours=what.hours)
    return lambda: at
