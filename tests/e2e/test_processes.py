"""What a real machine does to its processes, and to their secrets; a lost worker; and the end of everything."""

from __future__ import annotations

import stat
import subprocess
from contextlib import ExitStack, closing, suppress
from datetime import date

import psutil
import psycopg2
import pytest

import hunting
from e2e.gates import Gate
from e2e.installation import COMPONENTS, INFERENCE, PIPELINE, Installation, dsn, until
from nightcast.domain.night import RunState, StepState
from nightcast.local import supervise
from nightcast.local.keeper import alive
from nightcast.local.state import CHECKOUT, port_is_free
from nightcast.store import connect, fence, publication, runs

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

HOLDERS = {  # of secrets; everything else has none
    "state.json",
    "environment.json",
    "supervisord.conf",
    "airflow/passwords.json",
    "postgres/superuser.password",
}
CHECKS, PREDICTIONS = "internal.check_result", f"internal.prediction_{PIPELINE}"


def test_a_lost_worker_whose_task_runs_on_beside_the_retry_leaves_each_row_once(
    machine: Installation, nights: dict[str, str]
) -> None:
    """The task has computed and is about to write when its worker is killed; it goes on while the retry is writing.

    Locks of the test's make that order. In between the task sleeps (SIGSTOP): a real one that took so long would do the
    same, but it is over before Airflow has noticed the loss.
    """
    origin = machine.calendar.open_nights[-1]
    restate(machine, origin)  # so that the night is scored again
    with ExitStack() as gates:

        def gate(lock: str) -> Gate:
            return gates.enter_context(Gate(machine, lock))

        at_checks, at_writing = (gate(f"LOCK TABLE {name} IN SHARE MODE") for name in (CHECKS, PREDICTIONS))
        at_checks.until_held()
        at_writing.until_held()
        asked = machine.client.trigger(INFERENCE, partition_key=origin.isoformat(), conf={"mode": "known_now"})
        at_checks.waiting()  # `validate`; the next gate would also stop the steps before it
        before_writing = gate("LOCK TABLE internal.pipeline IN ACCESS EXCLUSIVE MODE")
        before_writing.until_asked()
        at_checks.open()
        orphan = before_writing.waiting()
        run, worker = machine.night(asked), orphan.parent()
        assert attempts(machine, run) == [(1, StepState.RUNNING, None)]
        assert worker in machine.below("scheduler")
        worker.kill()
        until(lambda: not alive(worker), "the worker is gone")
        orphan.suspend()  # only now: a stopped process that loses its parent is hung up by the system
        before_writing.open()
        machine.progress("the worker of predict is killed, its task lives on")

        retry = at_writing.waiting(240)
        machine.progress("the retry is about to write")
        assert attempts(machine, run) == [(1, StepState.FAILED, "Fenced"), (2, StepState.RUNNING, None)]
        its_attempt = f"run_id = {run.run_id} AND step = 'predict' AND attempt = 1"
        at_fence = gate(f"SELECT FROM internal.run_step WHERE {its_attempt} FOR UPDATE")
        at_fence.until_held()
        assert alive(orphan)
        orphan.resume()
        assert at_fence.waiting(20) == orphan  # about to write, beside the retry
        assert alive(retry)
        at_fence.open()
        until(lambda: not alive(orphan), "the orphan has come to its end", 20)
        assert written(machine, run) == (0, 0)
        assert shown(machine, origin) == [(1, False)]  # readers saw the old revision all the while
    assert machine.ended(INFERENCE, asked) == "success"

    run = machine.night(asked)
    assert run.state is RunState.PUBLISHED
    assert attempts(machine, run) == [(1, StepState.FAILED, "Fenced"), (2, StepState.DONE, None)]
    assert written(machine, run) == (run.predictions, run.predictions)
    assert run.predictions == run.expected
    assert shown(machine, origin) == [(1, True), (2, False)]
    (predict,) = [task for task in machine.client.tasks(INFERENCE, asked) if task["task_id"] == "predict"]
    assert (predict["state"], predict["try_number"]) == ("success", 2)
    assert machine.command("reproduce", str(run.run_id)).startswith(f"identical: run {run.run_id}, ")


@pytest.fixture(scope="module")
def failed_night(machine: Installation, nights: dict[str, str]) -> str:
    """Airflow's run of a night that its source refused: errors are where secrets get out."""
    with closing(psycopg2.connect(dsn(machine.url("source_owner", "retail")))) as source:
        source.autocommit = True
        source.cursor().execute("REVOKE SELECT ON sales_line FROM source_reader")
        try:
            origin = machine.calendar.open_nights[-1].isoformat()
            run = machine.client.trigger(INFERENCE, partition_key=origin, conf={"mode": "known_now"})
            assert machine.ended(INFERENCE, run) == "failed"
        finally:
            source.cursor().execute("GRANT SELECT ON sales_line TO source_reader")
    assert "SourceMismatch" in str(machine.night(run).reason)
    return run


def secrets_of(machine: Installation) -> dict[str, str]:
    """Every secret of the machine, each random: what is found anywhere has got there from us."""
    found = dict(machine.local.secrets) | {"superuser": machine.server.password}
    assert len(found) > 12
    return found


def test_secrets_are_in_files_of_their_own_that_only_the_owner_reads(machine: Installation, failed_night: str) -> None:
    """Everything in the state folder but the tables, which are asked below: logs, lake, Airflow's home."""
    folder, data = machine.local.folder, machine.local.postgres / "data"
    files = [file for file in folder.rglob("*") if data not in file.parents]
    told = {file.parent.name for file in files if file.name.startswith("attempt=") and failed_night in str(file)}
    assert {"task_id=open_run", "task_id=wait_for_source"} <= told
    assert any(machine.local.lake in file.parents for file in files)
    found = hunting.in_files(files, secrets_of(machine))
    assert {str(file.relative_to(folder)) for file in found} == HOLDERS
    assert {str(file): stat.S_IMODE(file.stat().st_mode) for file in found} == {str(file): 0o600 for file in found}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) & 0o066 == 0  # nobody else may even list it
    loose = {str(f): oct(f.stat().st_mode) for f in [*files, folder] if not f.is_symlink() and f.stat().st_mode & 0o022}
    assert not loose, "others could write here"


@pytest.mark.parametrize("database", ["airflow", "nightcast", "retail"])
def test_no_table_holds_a_secret(machine: Installation, failed_night: str, database: str) -> None:
    """XComs, rendered templates, serialized DAGs, Airflow's log, import errors; errors of steps and runs."""
    url = machine.server.url(database)
    assert hunting.in_database(url, secrets_of(machine)) == {}
    if database == "airflow":
        everywhere = hunting.in_database(url, {"run": failed_night, "pipeline": PIPELINE})
        assert {"public.xcom", "public.rendered_task_instance_fields", "public.serialized_dag"} <= everywhere.keys()


def test_no_command_line_holds_a_secret_and_postgres_is_told_none(machine: Installation) -> None:
    wanted, looked_at = secrets_of(machine), 0
    for process in machine.processes():
        with suppress(psutil.NoSuchProcess):  # a task that has ended meanwhile
            assert not hunting.in_bytes("\0".join(process.cmdline()).encode(), wanted), process
            if process.name() == "postgres":  # it may run as another user, who can look into it
                assert not hunting.in_bytes("\0".join(process.environ().values()).encode(), wanted), process
            looked_at += 1
    assert looked_at > 2 * len(COMPONENTS)


def test_no_secret_is_in_git(machine: Installation) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    files = [CHECKOUT / name for name in listed.split("\0") if name]
    assert len(files) > 300
    assert not hunting.in_files(files, secrets_of(machine))
    for name in (".env", ".run/state.json"):
        assert not subprocess.run(["git", "check-ignore", "-q", name], cwd=CHECKOUT, check=False).returncode, name


def test_everything_listens_on_and_talks_to_loopback_only(machine: Installation) -> None:
    """Of every socket, listening or connected, TCP and UDP, as the system lists them (/proc/net)."""
    bound: set[str] = set()
    listening: set[int] = set()
    for process in machine.processes():
        with suppress(psutil.NoSuchProcess):  # a task that has ended meanwhile
            for socket in process.net_connections("inet"):
                bound |= {end.ip for end in (socket.laddr, socket.raddr) if end}
                listening |= {socket.laddr.port} if socket.status == psutil.CONN_LISTEN else set()
    assert bound == {"127.0.0.1"}
    assert listening >= set(machine.local.ports.values())


def test_down_leaves_no_process_behind(machine: Installation) -> None:
    assert {part.name for part in supervise.status(machine.user)} == set(COMPONENTS)
    everything = machine.processes()
    assert len(everything) > 2 * len(COMPONENTS)
    assert supervise.down(machine.user, machine.progress)
    assert not [process for process in everything if alive(process)]
    assert not [process for process in psutil.process_iter() if belongs(process, machine)]
    assert all(port_is_free(port) for port in machine.local.ports.values())
    assert supervise.status(machine.user) == []


def restate(machine: Installation, day: date) -> None:
    """The shop corrects one sale of a past day."""
    with closing(psycopg2.connect(dsn(machine.url("source_owner", "retail")))) as source, source:
        cursor = source.cursor()
        cursor.execute(
            "UPDATE raw_line SET quantity = quantity + 1 WHERE line = (SELECT min(line) FROM raw_line "
            "WHERE sold_at::date = %s AND quantity > 0 AND price > 0 AND stock_code ~ '^[0-9]{5}$')",
            (day,),
        )
        assert cursor.rowcount == 1


def attempts(machine: Installation, run: runs.Run) -> list[tuple[int, StepState, str | None]]:
    """Attempts at `predict`: number, state, class of the error."""
    with connect.transaction(machine.url("nightcast_writer")) as tx:
        found = fence.attempts(tx, run.run_id)
    return [(a.attempt, a.state, a.error_class) for a in found if a.step == "predict"]


def written(machine: Installation, run: runs.Run) -> tuple[int, int]:
    """Rows of a run, and how many of them are for different keys and days."""
    query = (
        f"SELECT count(*) AS rows, count(DISTINCT (sku, target_date)) AS once FROM {PREDICTIONS} WHERE run_id = %(run)s"
    )
    (found,) = machine.read(query, run=run.run_id)
    return found["rows"], found["once"]


def shown(machine: Installation, origin: date) -> list[tuple[int, bool]]:
    """Revisions of a night, and whether they are withdrawn."""
    with connect.transaction(machine.url("nightcast_writer")) as tx:
        return [(p.revision, p.withdrawn_at is not None) for p in publication.revisions(tx, PIPELINE, origin)]


def belongs(process: psutil.Process, machine: Installation) -> bool:
    """Whether a process was started for this machine, wherever it hangs in the tree now."""
    try:
        mine = process.environ().get("NIGHTCAST_STATE") == str(machine.local.folder)
        return alive(process) and (mine or any(str(machine.local.folder) in part for part in process.cmdline()))
    except psutil.Error:
        return False
