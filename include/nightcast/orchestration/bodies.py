"""What runs inside a task: fetch the ids, build the rooms, call the step, hand its result on.

Steps, and with them the heavy libraries, are imported when a task runs, never when a DAG file is parsed.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

from nightcast.errors import Fenced
from nightcast.settings import Settings, from_environment

log = logging.getLogger(__name__)

Context = Mapping[str, Any]  # Airflow's task context


def call_step(step: str, subject: Mapping[str, Any], **arguments: Any) -> Any:
    """Run `nightcast.steps.<step>` on a night, a training, or the request for one.

    Raises:
        AirflowSkipException: the run is over already, so that there is nothing to do.
    """
    result = result_of(step, subject, **arguments)
    if isinstance(result, Mapping) and result.get("skip"):
        raise AirflowSkipException(str(result["why"]))
    return result


def result_of(step: str, subject: Mapping[str, Any], **arguments: Any) -> Any:
    """As `call_step`, where the task wants to see for itself that the run is over."""
    with warnings.catch_warnings():
        # skops asks every loaded module for the name of a type; Airflow's warn about each, a thousand lines per log
        warnings.filterwarnings("ignore", message=r"The `airflow\.")
        return importlib.import_module(f"nightcast.steps.{step}").run(subject, rooms(), now, **arguments)


def handed_on(context: Context, task_id: str) -> dict[str, Any]:
    """What the task `task_id` of this run returned.

    Raises:
        AirflowSkipException: it returned nothing, because it failed or was skipped.
    """
    result = context["ti"].xcom_pull(task_ids=task_id)
    if not isinstance(result, dict):
        raise AirflowSkipException(f"{task_id} handed nothing on, so there is nothing to do here")
    return result


@dataclass(frozen=True, kw_only=True)
class FailureRecorder:
    """Airflow's callbacks of a failed try. They tell the run record what Airflow alone would know.

    `opened_by` is the task that hands the run's ids on; where it did not come so far, `request` says what it was
    asked for.
    """

    opened_by: str
    request: Callable[[Context], dict[str, Any]]

    def arguments(self) -> dict[str, Any]:
        """The callback half of a DAG's `default_args`."""
        return {"on_failure_callback": self.failed, "on_retry_callback": self.retrying}

    def failed(self, context: Context) -> None:
        """No further try will be made."""
        self._record(context, final=True)

    def retrying(self, context: Context) -> None:
        """Another try follows."""
        self._record(context, final=False)

    def _record(self, context: Context, *, final: bool) -> None:
        found = context.get("exception")  # a lost process leaves none, and some paths only its text
        exception = found if isinstance(found, BaseException) else RuntimeError(found or "the task's process was lost")
        if isinstance(exception, Fenced):
            log.warning("not recorded, because a newer attempt owns this step: %s", exception)
            return
        opened = context["ti"].xcom_pull(task_ids=self.opened_by)
        subject = opened if isinstance(opened, dict) else self.request(context)
        module = importlib.import_module("nightcast.steps.failure")
        module.record(subject, context["ti"].task_id, exception, rooms(), now, final=final)


def rooms() -> Any:
    """The rooms as this process's environment and Airflow's Connections describe them."""
    return importlib.import_module("nightcast.steps.rooms").build(task_settings())


def task_settings() -> Settings:
    """Settings of a task: the environment, and Airflow's Connections for the teams' sources."""
    return from_environment(os.environ, source_of=connection_url)


def connection_url(connection_id: str) -> str | None:
    """An Airflow Connection as a source's URL, or None where there is none of that id.

    A Connection whose extra holds `url` is a file store: `{"url": "s3://bucket/prefix", …}`, where everything beside
    it is an option of its file system. Any other is a database's.
    """
    from airflow.sdk import Connection

    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        return None
    options: dict[str, Any] = dict(connection.extra_dejson)
    if url := options.pop("url", None):
        query = urlencode({name: json.dumps(value) for name, value in options.items()})
        return f"{url}?{query}" if query else str(url)
    uri: str = connection.get_uri()
    scheme, rest = uri.split("://", 1)
    return f"{'postgresql' if scheme == 'postgres' else scheme}://{rest}"


def now() -> datetime:
    """The clock that steps are given: aware, in UTC."""
    return datetime.now(UTC)
