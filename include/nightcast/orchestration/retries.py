"""What Airflow does with an error: our tree of errors decides, not the task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from nightcast.errors import Permanent, Transient

RETRIES = 3  # also for what is no error of ours: a lost worker, or a task started while the api-server is away
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(minutes=10)


def retry_policy() -> ExceptionRetryPolicy:
    """Permanent errors fail at once, transient ones wait; any other is retried as the task says."""
    return ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=Permanent, action=RetryAction.FAIL, reason="permanent: a retry would fail the same way"
            ),
            RetryRule(exception=Transient, action=RetryAction.RETRY, reason="transient: tried again with back-off"),
        ]
    )


def retry_arguments() -> dict[str, Any]:
    """The retry half of every DAG's `default_args`."""
    return {
        "retries": RETRIES,
        "retry_delay": FIRST_DELAY,
        "retry_exponential_backoff": 2,
        "max_retry_delay": LONGEST_DELAY,
        "retry_policy": retry_policy(),
    }
