"""Run one program and leave nothing of it behind, however it ends.

A supervisor starts a keeper, the keeper starts the program in a session of its own. What the program forks may change
its process group (Airflow's tasks do) but stays in the session; on Linux orphans become the keeper's children besides.
So a restart never runs beside what an earlier start left over, not even when the keeper itself was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

TICK = 1.0  # seconds between looks at whether the supervisor is still there
QUICK = 30.0  # a program that ends sooner after its start is restarted with growing delays
LONGEST_DELAY = 20.0
AT_REST = 5.0  # seconds for which a program that was asked to stop may have nothing to do and yet not end
LOOKS = 12  # at a program's work within its patience
CLOCK_STEP = 5.0  # seconds by which a corrected clock may move recorded times
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Program:
    """What to run: `drain` is how long it may take to stop when asked to, in seconds.

    `at_rest` says that a program that is stopping has nothing left to do; one that stays nevertheless is killed.
    `well`, given the second of the program's start, says whether it does its work; one that does not do so for
    `patience` seconds hangs: it is killed and so started again.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    stop_signal: signal.Signals = signal.SIGTERM
    drain: float = 10.0
    identity: Mapping[str, Any] = field(default_factory=dict)  # user and group for `subprocess.Popen`
    at_rest: Callable[[], bool] | None = None
    well: Callable[[float], bool] | None = None
    patience: float = 180.0


class Keeper:
    """Keeps one program, named by its record `<name>.json` below `records`. For the main thread of a process."""

    def __init__(self, name: str, records: Path):
        self.name, self.record = name, records / f"{name}.json"
        records.mkdir(parents=True, exist_ok=True)
        self._lock = (records / f"{name}.lock").open("a")
        self.asked = False
        self.quick_ends = 0
        self._supervisor = os.getppid()
        self._wake, write = os.pipe()
        for end in (self._wake, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes us
        _adopt_orphans()

    def take_over(self) -> None:
        """Wait until no other keeper of this name lives, then kill what a killed one left running."""
        while not self.should_stop():
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.pause(0.5)
                continue
            before = _read(self.record)
            self.quick_ends = int(before.get("quick_ends", 0))
            self.clear(before)
            return

    def pause(self, seconds: float) -> None:
        """Wait, or less when asked to stop or when the supervisor is gone."""
        end = time.monotonic() + seconds
        while not self.should_stop() and (left := end - time.monotonic()) > 0:
            select.select([self._wake], [], [], min(left, TICK))
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 512)

    def say(self, text: str) -> None:
        """A line for the component's log; nobody reads it once the supervisor is gone."""
        with contextlib.suppress(OSError):
            print(f"[keeper of {self.name}] {text}", flush=True)

    def should_stop(self) -> bool:
        """Whether we were asked to stop, or nobody is left to restart us: then the program must not stay either."""
        return self.asked or os.getppid() != self._supervisor

    def keep(self, program: Program) -> int:
        """Run the program until it ends or we are asked to stop; its exit status (negative: the signal)."""
        child = subprocess.Popen(
            list(program.command),
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **program.identity,
        )
        begun = psutil.Process(child.pid).create_time()
        record = {"session": child.pid, "since": begun, "boot": psutil.boot_time(), "quick_ends": self.quick_ends}
        _write(self.record, record)
        status = self._watch(child.pid, program, begun)
        self.clear(record)
        crashed = not self.should_stop()
        self.quick_ends = self.quick_ends + 1 if crashed and time.time() - begun < QUICK else 0
        _write(self.record, {"quick_ends": self.quick_ends})
        if crashed:
            self.say(f"ended with status {status}; it will be started again")
            self.pause(min(LONGEST_DELAY, 2.0 ** min(self.quick_ends, 10) / 2))
        return status

    def clear(self, record: Mapping[str, Any]) -> None:
        """Kill every process that the program of `record` left over, and wait until they are gone."""
        kill(lambda: [*psutil.Process().children(recursive=True), *_session(record)])
        _reap()

    def _stop(self, *_: object) -> None:
        self.asked = True

    def _watch(self, pid: int, program: Program, begun: float) -> int:
        """Wait for the child, pass on that it shall stop, and kill it when it hangs."""
        judge, asked = _Judge(program, begun), False
        while pid not in (ended := _reap()):
            if self.should_stop() and not asked:
                asked = True
                os.kill(pid, program.stop_signal)
            if why := judge.stopping() if asked else judge.working():
                self.say(f"{why}: killed")
                os.kill(pid, signal.SIGKILL)
            select.select([self._wake], [], [], TICK)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 512)
        return ended[pid]


class _Judge:
    """Says why a program is held to hang; empty where it is not."""

    def __init__(self, program: Program, begun: float):
        self._program, self._begun = program, begun
        self._well = self._look = self._busy = time.monotonic()
        self._asked: float | None = None

    def working(self) -> str:
        """For a program that was not asked to stop."""
        now = time.monotonic()
        if self._program.well is None:
            return ""
        if now >= self._look:
            self._look = now + self._program.patience / LOOKS
            self._well = now if self._program.well(self._begun) else self._well
        silent = now - self._well
        return f"has not done its work for {silent:.0f} s" if silent > self._program.patience else ""

    def stopping(self) -> str:
        """For a program that was asked to stop just before the first call."""
        now = time.monotonic()
        self._asked = self._asked or now
        if not (self._program.at_rest and self._program.at_rest()):
            self._busy = now
        if now - self._asked > self._program.drain:
            return f"did not stop within {self._program.drain:g} s"
        return f"has been at rest for {AT_REST:g} s and does not end" if now - self._busy > AT_REST else ""


def sweep(records: Path, patience: float) -> bool:
    """Wait until no keeper lives (their supervisor is gone, so they stop) and kill what killed ones left running.

    Whether there was anything to wait for or to kill.
    """
    found = False
    for file in sorted(records.glob("*.lock")):
        deadline = time.monotonic() + patience
        with file.open("a") as lock:
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    found = True
                    time.sleep(0.1)
            record = _read(file.with_suffix(".json"))
            found = kill(partial(_session, record)) or found
    return found


def kill(find: Callable[[], list[psutil.Process]]) -> bool:
    """Kill what `find` finds until it finds nothing more; whether there was anything."""
    deadline, found = time.monotonic() + 10, False
    while (left := [process for process in find() if alive(process)]) and time.monotonic() < deadline:
        found = True
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
    return found


def _session(record: Mapping[str, Any]) -> list[psutil.Process]:
    """Processes of the recorded session. Its number is free for others once its last process is gone: times tell."""
    if "session" not in record or abs(record["boot"] - psutil.boot_time()) > CLOCK_STEP:
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            in_session = os.getsid(process.pid) == record["session"]
            if in_session and process.create_time() > record["since"] - CLOCK_STEP:
                found.append(process)
    return found


def alive(process: psutil.Process) -> bool:
    """Whether a process still does something: one that nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _reap() -> dict[int, int]:
    """Exit statuses of children that have ended, adopted ones too."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (Linux has this, other systems do without)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):  # none yet, or half written by a machine that lost power: nothing runs then
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, record: Mapping[str, Any]) -> None:
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(record))
    draft.replace(file)
