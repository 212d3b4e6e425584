"""The supervisor and its keepers, with real processes: what crashes comes back, and nothing runs twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from nightcast.local import keeper, supervise
from nightcast.local.daemon import Kept, Supervisor, configuration, pid_file
from nightcast.local.keeper import sweep
from nightcast.local.state import Local, open_state

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent
Until = Callable[..., None]


class Machine:
    """A supervisor with programs that are a few lines of Python each, and the journal that they write."""

    def __init__(self, local: Local, programs: dict[str, str], drain: float = 10.0, *, judged: bool = False):
        self.local, self.supervisor = local, Supervisor(local)
        self.journal = local.folder / "journal"
        self.journal.touch()
        local.run.mkdir()
        kept = []
        for name, code in programs.items():
            (local.folder / f"{name}.py").write_text(code)
            arguments = (name, local.run, self.journal, drain, local.folder / f"{name}.py")
            command = (sys.executable, str(HERE / "kept.py"), *map(str, arguments), *["judged"] * judged)
            kept.append(Kept(name, command, 1, drain))
        include = str(local.checkout / "include")
        self.supervisor.start(configuration(local, kept), os.environ | {"PYTHONPATH": include})

    def noted(self, word: str) -> list[int]:
        """Process ids of those who wrote this word."""
        lines = [line.split() for line in self.journal.read_text().splitlines()]
        return [int(pid) for found, pid in lines if found == word]

    def keeper(self, name: str) -> int:
        return self.supervisor.states()[name].pid


@pytest.fixture
def machine(local: Local) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(drain: float = 10.0, judged: bool = False, **programs: str) -> Machine:
        made.append(Machine(local, programs, drain, judged=judged))
        return made[-1]

    yield make
    for found in made:
        found.supervisor.end()
        sweep(found.local.run, 30)


def alive(pid: int) -> bool:
    try:
        return keeper.alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def test_a_killed_program_is_started_again(machine: Callable[..., Machine], until: Until) -> None:
    found = machine(part="idle()")
    found.supervisor.run("part")
    until(lambda: len(found.noted("start")) == 1)
    os.kill(found.noted("start")[0], signal.SIGKILL)
    until(lambda: len(found.noted("start")) == 2)
    assert alive(found.noted("start")[1])


def test_nothing_of_a_killed_program_runs_beside_its_successor(machine: Callable[..., Machine], until: Until) -> None:
    # Children in a process group of their own, as Airflow's tasks, and in a session of their own, as Postgres's.
    leave = ["os.setpgid(0, 0)"] + ["os.setsid()"] * (sys.platform == "linux")  # elsewhere the latter cannot be found
    code = (
        "for line in open(os.environ['JOURNAL']).read().splitlines():\n"
        "    if line.startswith('child'):\n"
        "        try:\n"
        "            os.kill(int(line.split()[1]), 0)\n"
        "            note('crowded')\n"
        "        except ProcessLookupError:\n"
        "            note('clear')\n"
        f"for leave in {leave!r}:\n"
        "    if os.fork() == 0:\n"
        "        exec(leave)\n"
        "        note('child')\n"
        "        idle()\n"
        "idle()\n"
    )
    found = machine(part=code)
    found.supervisor.run("part")
    until(lambda: len(found.noted("child")) == len(leave))
    old = found.noted("child")
    os.kill(found.noted("start")[0], signal.SIGKILL)
    until(lambda: len(found.noted("child")) == 2 * len(leave))
    assert not any(alive(pid) for pid in old)
    assert len(found.noted("clear")) == len(leave)
    assert not found.noted("crowded")


def test_a_killed_keeper_is_replaced_and_its_program_does_not_run_twice(
    machine: Callable[..., Machine], until: Until
) -> None:
    found = machine(part="idle()")
    found.supervisor.run("part")
    until(lambda: found.noted("start"))
    first = found.noted("start")[0]
    os.kill(found.keeper("part"), signal.SIGKILL)
    until(lambda: len(found.noted("start")) == 2)
    assert not alive(first)


def test_programs_end_with_a_killed_supervisor(machine: Callable[..., Machine], until: Until) -> None:
    found = machine(part="idle()")
    found.supervisor.run("part")
    until(lambda: found.noted("start"))
    os.kill(int(pid_file(found.local).read_text()), signal.SIGKILL)
    assert sweep(found.local.run, 30)
    assert not alive(found.noted("start")[0])
    assert not found.supervisor.answers()


def test_stopping_lets_a_program_finish_its_work(machine: Callable[..., Machine], until: Until) -> None:
    on_request = "lambda *_: (time.sleep(1), note('finished'), sys.exit(0))"
    found = machine(part=f"signal.signal(signal.SIGTERM, {on_request})\nnote('ready')\nidle()")
    found.supervisor.run("part")
    until(lambda: found.noted("ready"))
    found.supervisor.ask_to_stop("part")
    until(lambda: not found.supervisor.is_alive("part"))
    assert found.noted("finished") == found.noted("start")
    time.sleep(1.5)  # a program that was stopped is not started again
    assert len(found.noted("start")) == 1


STUBBORN = "signal.signal(signal.SIGTERM, lambda *_: note('asked'))\nnote('ready')\nidle()"


def test_a_program_that_does_not_stop_is_killed_after_its_time(machine: Callable[..., Machine], until: Until) -> None:
    found = machine(drain=1.0, part=STUBBORN)
    found.supervisor.run("part")
    until(lambda: found.noted("ready"))
    found.supervisor.ask_to_stop("part")
    until(lambda: not found.supervisor.is_alive("part"))
    assert len(found.noted("asked")) == 1
    assert not alive(found.noted("start")[0])


def test_a_program_that_stays_without_anything_left_to_do_is_killed(
    machine: Callable[..., Machine], until: Until
) -> None:
    on_request = "lambda *_: (time.sleep(1), note('rests'))"
    found = machine(
        drain=3600.0, judged=True, part=f"signal.signal(signal.SIGTERM, {on_request})\nnote('ready')\nidle()"
    )
    found.supervisor.run("part")
    until(lambda: found.noted("ready"))
    found.supervisor.ask_to_stop("part")
    until(lambda: not found.supervisor.is_alive("part"))
    assert found.noted("rests") == found.noted("start")  # not before its work was done
    assert not alive(found.noted("start")[0])


def test_a_program_that_hangs_is_killed_and_started_again(machine: Callable[..., Machine], until: Until) -> None:
    once = "if open(os.environ['JOURNAL']).read().count('start') == 1:\n    note('stuck')\nidle()"
    found = machine(judged=True, part=once)
    found.supervisor.run("part")
    until(lambda: len(found.noted("start")) == 2)
    assert not alive(found.noted("start")[0])
    time.sleep(3)  # three times its patience
    assert len(found.noted("start")) == 2
    assert alive(found.noted("start")[1])


def test_a_program_that_keeps_failing_is_tried_for_ever_but_ever_more_slowly(
    machine: Callable[..., Machine], until: Until
) -> None:
    found = machine(part="sys.exit(1)")
    found.supervisor.run("part")
    until(lambda: len(found.noted("start")) >= 3)
    assert found.supervisor.states()["part"].state != "FATAL"
    until(lambda: json.loads((found.local.run / "part.json").read_text())["quick_ends"] >= 3)


def test_a_process_that_only_has_a_recorded_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        born, boot = psutil.Process(stranger.pid).create_time(), psutil.boot_time()
        (tmp_path / "part.lock").touch()
        ours = {"session": stranger.pid, "since": born, "boot": boot}
        for record in ({}, ours | {"since": born + 3600}, ours | {"boot": boot - 3600}):
            (tmp_path / "part.json").write_text(json.dumps(record))
            assert not sweep(tmp_path, 1)
            assert stranger.poll() is None
        (tmp_path / "part.json").write_text(json.dumps(ours))
        assert sweep(tmp_path, 1)
        assert not alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_another_installations_supervisor_is_not_ours(
    machine: Callable[..., Machine], local: Local, tmp_path: Path
) -> None:
    machine(part="idle()")
    other = open_state({"NIGHTCAST_STATE": str(tmp_path / "other")})
    assert Supervisor(local).answers()
    assert not Supervisor(other).answers()
    port = {"supervisor": local.ports["supervisor"]}
    assert not Supervisor(replace(other, ports=dict(other.ports) | port)).answers()
    assert not Supervisor(replace(local, instance="another")).answers()
    assert not Supervisor(other).end()


def test_an_odd_path_is_no_obstacle(tmp_path: Path, until: Until) -> None:
    folder = tmp_path / ("a %(here)s 'b\" c;d " + "x" * 120)  # also longer than a socket's path may be
    local = open_state({"NIGHTCAST_STATE": str(folder)})
    found = Machine(local, {"part": "note('there')\nidle()"})
    try:
        found.supervisor.run("part")
        until(lambda: found.noted("there"))
        until(lambda: (local.logs / "part.log").exists())
    finally:
        found.supervisor.end()
        sweep(local.run, 30)
    assert not alive(found.noted("start")[0])


def test_only_old_parsing_logs_are_deleted(local: Local) -> None:
    logs = local.logs / "airflow"
    old, new = logs / "dag_processor/2026-01-01", logs / "dag_processor/2026-01-20"
    task = logs / "dag_id=daily/run_id=x"
    for folder in (old, new, task):
        folder.mkdir(parents=True)
    month_ago = time.time() - 30 * 86_400
    for folder in (old, task):
        os.utime(folder, (month_ago, month_ago))
    supervise.forget_old_logs(local)
    assert not old.exists()
    assert new.exists()
    assert task.exists()
