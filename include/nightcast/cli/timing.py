"""`nightcast seconds`: where the seconds of a night went, ours and Airflow's beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nightcast.cli.text import table
from nightcast.errors import NotFound
from nightcast.local import airflow
from nightcast.local.state import existing
from nightcast.settings import Settings
from nightcast.store import connect, fence, runs

MONITORS = ("monitor_drift", "monitor_accuracy")


def seconds(settings: Settings, run_id: int, environment: Mapping[str, str]) -> None:
    """Print a line per task, and the sums: steps, starting of processes, and the scheduler's own time.

    Raises:
        NotFound: the run was not made by this machine's Airflow.
    """
    with connect.transaction(settings.database_url) as tx:
        run = runs.get(tx, run_id)
        attempts = fence.attempts(tx, run_id)
    local = existing(environment)
    if local is None or run.scheduler_run_id is None:
        raise NotFound(f"run {run_id} was not made by this machine's Airflow; expected one that `make demo` scheduled")
    dag = f"{run.pipeline}_{'retraining' if run.kind == 'training' else 'inference'}"
    client = airflow.client(local)
    dag_run, tasks = client.run(dag, run.scheduler_run_id), client.tasks(dag, run.scheduler_run_id)
    ours = _by_step(attempts)
    tasks = sorted((t for t in tasks if t["start_date"] and t["end_date"]), key=lambda t: str(t["start_date"]))
    rows, free_from = [], _moment(dag_run["start_date"])
    for task in tasks:
        begun, ended = _moment(task["start_date"]), _moment(task["end_date"])
        waited = max(0.0, (begun - free_from).total_seconds())
        worked = ours.get(task["task_id"], 0.0)
        rows.append([task["task_id"], waited, max(0.0, (ended - begun).total_seconds() - worked), worked])
        free_from = max(free_from, ended)
    print(f"{dag} {run.origin} (run {run_id}): seconds\n")
    print(table(["task", "waiting for the scheduler", "starting the task", "our step"], rows))
    print("\n" + _sums(rows, (_moment(dag_run["end_date"]) - _moment(dag_run["start_date"])).total_seconds()))


def _sums(rows: Sequence[Sequence[Any]], wall: float) -> str:
    """Steps one after the other; the two monitors run side by side, so the longer one counts."""
    worked = sum(r[3] for r in rows if r[0] not in MONITORS) + max(
        (r[3] for r in rows if r[0] in MONITORS), default=0.0
    )
    rest = max(0.0, wall - worked)
    return (
        f"wall {wall:.1f} s = ours {worked:.1f} s + Airflow's {rest:.1f} s "
        "(scheduling, starting tasks with their imports, recording results)"
    )


def _by_step(attempts: Sequence[fence.StepAttempt]) -> dict[str, float]:
    """Seconds of the last attempt at each step; of several shards the longest."""
    found: dict[str, float] = {}
    for attempt in attempts:
        if attempt.seconds is not None:
            found[attempt.step] = max(found.get(attempt.step, 0.0), attempt.seconds)
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
