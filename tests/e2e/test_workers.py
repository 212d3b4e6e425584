"""Scaled out: the same machine under Celery, and a night whose shards the worker scores, to the byte as before.

The last of these tests: it leaves the machine stopped, and its pipeline with three shards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg2
import pytest

from e2e import broker
from e2e.installation import INFERENCE, PIPELINE, Installation, dsn, until
from nightcast.domain.night import RunState
from nightcast.local import supervise, worker
from nightcast.local.keeper import alive
from nightcast.store import connect, publication, runs

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

SHARDS = 3


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker for this module. Asked for first, so that nothing is started where there is none."""
    with broker.running(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def scaled_out(redis_url: str, machine: Installation, nights: dict[str, str]) -> Iterator[Installation]:
    """The machine with its nights, started again as a user would: with a broker, and more shards in the spec."""
    spec = Path(machine.extra["NIGHTCAST_PIPELINES"]) / PIPELINE / "pipeline.yaml"
    text = spec.read_text()
    assert "\nshards: 1\n" in text
    spec.write_text(text.replace("\nshards: 1\n", f"\nshards: {SHARDS}\n"))
    user = {**machine.user, "NIGHTCAST_BROKER_URL": redis_url}
    local = supervise.up(user, machine.extra, machine.progress)
    machine.progress("healthy under Celery")
    yield replace(machine, local=local, user=user)
    supervise.down(user, machine.progress)


def test_shards_in_a_celery_worker_give_the_rows_of_one_process(scaled_out: Installation) -> None:
    origin = scaled_out.calendar.open_nights[-1]
    with connect.transaction(scaled_out.url("nightcast_writer")) as tx:
        shown = publication.current(tx, PIPELINE, origin)
        assert shown is not None
        before = runs.get(tx, shown.run_id)
    asked = scaled_out.client.trigger(INFERENCE, partition_key=origin.isoformat(), conf={"mode": "known_now"})
    assert scaled_out.ended(INFERENCE, asked, 120) == "success"

    night = scaled_out.night(asked)
    assert (night.state, night.row_digest) == (RunState.PUBLISHED, before.row_digest)
    assert night.predictions == before.predictions == night.expected
    assert night.input_digest != before.input_digest  # the spec has changed, and so the night was scored again
    with connect.transaction(scaled_out.url("nightcast_writer")) as tx:
        now = publication.current(tx, PIPELINE, origin)
    assert now is not None
    assert (now.run_id, now.revision) == (night.run_id, shown.revision + 1)

    tasks = [task for task in scaled_out.client.tasks(INFERENCE, asked) if task["state"] == "success"]
    predicted = sorted(task["map_index"] for task in tasks if task["task_id"] == "predict")
    assert predicted == list(range(SHARDS))
    assert {task["queue"] for task in tasks} == {worker.queue(scaled_out.local)}
    done = {(task["task_id"], task["map_index"]) for task in tasks}  # Celery notes it a moment after Airflow does
    until(lambda: by_celery(scaled_out, asked) == done, "Celery has every task as done by a worker", 30)


def test_the_worker_is_one_more_component(scaled_out: Installation) -> None:
    parts = {part.name: (part.state, part.health) for part in supervise.status(scaled_out.user)}
    assert parts.keys() == {"postgres", *supervise.AIRFLOW, "worker"}
    assert set(parts.values()) == {("RUNNING", "healthy")}
    listening = set()
    for process in scaled_out.processes():
        with suppress(psutil.NoSuchProcess):  # some live only for a moment
            found = process.net_connections("inet")
            listening |= {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    told = "".join(file.read_text(errors="replace") for file in scaled_out.local.logs.rglob("*.log"))
    assert scaled_out.user["NIGHTCAST_BROKER_URL"].split("@")[0].rpartition(":")[2] not in told


def test_down_ends_the_worker_too(scaled_out: Installation) -> None:
    everything = scaled_out.processes()
    assert supervise.down(scaled_out.user, scaled_out.progress)
    assert not [process for process in everything if alive(process)]
    assert not worker.answers(scaled_out.user["NIGHTCAST_BROKER_URL"], worker.name(scaled_out.local), 1.0)


def by_celery(machine: Installation, run: str) -> set[tuple[str, int]]:
    """Task and shard of what Celery itself records as done by a worker, for one of Airflow's runs."""
    with closing(psycopg2.connect(dsn(machine.url("airflow", "airflow")))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.task_id, t.map_index FROM task_instance AS t "
            "INNER JOIN celery_taskmeta AS c ON t.external_executor_id = c.task_id "
            "WHERE t.run_id = %s AND c.status = 'SUCCESS'",
            (run,),
        )
        return set(cursor.fetchall())
