"""What the supervisor starts in tests: a keeper of a small program. Usage: kept.py NAME RECORDS JOURNAL DRAIN FILE."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nightcast.local.keeper import Keeper, Program

HELPERS = """
import os, signal, sys, time
def note(word):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{word} {os.getpid()}\\n")
def idle():
    while True:
        time.sleep(0.05)
note("start")
"""

if __name__ == "__main__":
    name, records, journal, drain, code = sys.argv[1:]
    keeper = Keeper(name, Path(records))
    keeper.take_over()
    if not keeper.should_stop():
        command = [sys.executable, "-c", HELPERS + Path(code).read_text()]
        keeper.keep(Program(command, {**os.environ, "JOURNAL": journal}, Path(records), drain=float(drain)))
