"""A night while parts of the machine are away: it ends published without a hand, and readers see whole nights only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psutil
import psycopg2
import pytest

from e2e.gates import Gate
from e2e.installation import INFERENCE, PIPELINE, Installation, dsn, until
from faults.reader import Reader
from nightcast.domain.night import RunState
from nightcast.local import supervise
from nightcast.local.daemon import Supervisor
from nightcast.store import connect, publication

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

PREDICTIONS = f"internal.prediction_{PIPELINE}"
AWAY = 15.0  # seconds: longer than Airflow's components bear without their database


def test_the_scheduler_is_killed_while_predict_is_writing(machine: Installation, nights: dict[str, str]) -> None:
    with night_under_way(machine) as asked:
        with Gate(machine, f"LOCK TABLE {PREDICTIONS} IN SHARE MODE") as gate:
            gate.until_held()
            run = asked()
            gate.waiting()
            restarted(machine, "scheduler")
        assert machine.ended(INFERENCE, run) == "success"


def test_the_api_server_is_killed_while_tasks_start(machine: Installation, nights: dict[str, str]) -> None:
    with night_under_way(machine) as asked:
        run = asked()
        until(lambda: machine.task_states(run).get("extract") in ("queued", "running"), "extract starts")
        restarted(machine, "api-server")
        supervise.wait_healthy(machine.local, machine.progress)
        assert machine.ended(INFERENCE, run) == "success"


def test_postgres_is_away_for_fifteen_seconds(machine: Installation, nights: dict[str, str]) -> None:
    """The scheduler, the parser of DAGs and the triggerer give up meanwhile, and are brought back."""
    supervisor = Supervisor(machine.local)
    with night_under_way(machine) as asked:
        run = asked()
        until(lambda: machine.task_states(run).get("validate") == "running", "validate is running")
        supervisor.ask_to_stop("postgres")
        until(lambda: not supervisor.is_alive("postgres"), "Postgres has stopped")
        time.sleep(AWAY)
        supervisor.run("postgres")
        supervise.wait_healthy(machine.local, machine.progress)
        assert machine.ended(INFERENCE, run) == "success"


@contextmanager
def night_under_way(machine: Installation) -> Iterator[Callable[[], str]]:
    """A function that asks for the first night again, with a corrected sale; at the end it is the next revision."""
    origin = machine.calendar.open_nights[0]
    with closing(psycopg2.connect(dsn(machine.url("source_owner", "retail")))) as source, source:
        source.cursor().execute(
            "UPDATE raw_line SET quantity = quantity + 1 WHERE line = (SELECT max(line) FROM raw_line "
            "WHERE sold_at::date = %s AND quantity > 0 AND price > 0 AND stock_code ~ '^[0-9]{5}$')",
            (origin,),
        )
    made: list[str] = []

    def asked() -> str:
        conf = {"mode": "known_now"}
        made.append(machine.client.trigger(INFERENCE, partition_key=origin.isoformat(), conf=conf))
        return made[0]

    with connect.transaction(machine.url("nightcast_writer")) as tx:
        before = publication.revisions(tx, PIPELINE, origin)
    with Reader(machine.url("analyst"), PIPELINE, ("sku",)) as reader:
        reader.until(2)
        yield asked
        reader.until(2)
    run = machine.night(made[0])
    assert run.state is RunState.PUBLISHED
    assert run.predictions == run.expected
    with connect.transaction(machine.url("nightcast_writer")) as tx:
        after = publication.revisions(tx, PIPELINE, origin)
    assert [p.run_id for p in after] == [*(p.run_id for p in before), run.run_id]
    assert [p.withdrawn_at is None for p in after] == [*(False for _ in before), True]
    seen = [{night.run for night in answer if night.origin == origin} for answer in reader.all]
    assert seen == [{before[-1].run_id}, {run.run_id}]
    assert all(night.rows == night.keys * night.days for answer in reader.all for night in answer)
    assert machine.command("reproduce", str(run.run_id)).startswith(f"identical: run {run.run_id}, ")


def restarted(machine: Installation, component: str) -> None:
    """Kill a component's process; its keeper starts another one."""
    old = machine.below(component)[0]
    old.kill()

    def back() -> bool:
        keeper = Supervisor(machine.local).states()[component].pid  # 0 while none runs
        return bool(keeper) and any(p.pid != old.pid for p in psutil.Process(keeper).children(recursive=True))

    until(back, f"{component} is brought back")
    machine.progress(f"{component} was killed and is back")
