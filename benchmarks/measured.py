"""The process that a task is measured in: a request on its input, the cost as the last line of its output."""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def main() -> None:
    asked = json.load(sys.stdin)
    task = getattr(importlib.import_module(asked["module"]), asked["task"])(**asked["arguments"])
    next(task)
    held = _memory("VmRSS") if _forget_peak() else _highest()
    cpu, begun = _cpu(), time.perf_counter()
    answer = _answer_of(task)
    cpu, wall = _cpu() - cpu, time.perf_counter() - begun
    memory = _highest() - held
    print(json.dumps({"cpu": cpu, "memory": memory, "wall": wall, "answer": answer}))


def _answer_of(task: Any) -> Any:
    try:
        next(task)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a task yields once: between what prepares and what is measured")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _forget_peak() -> bool:
    """Linux can start the peak anew; elsewhere the preparation counts as what was held."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _highest() -> float:
    if _STATUS.exists():  # the number of getrusage begins at what the starting process held
        return _memory("VmHWM")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _memory(name: str) -> float:
    """A line of the process's status in MiB."""
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
