"""What the supervisor starts in tests: a keeper of a small program.

Usage: kept.py NAME RECORDS JOURNAL DRAIN FILE [judged]. A judged program is at rest once it has written `rests` into
its journal, and hangs while the newest word there is `stuck`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
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
    name, records, journal, drain, code, *judged = sys.argv[1:]
    keeper = Keeper(name, Path(records))
    keeper.take_over()
    if not keeper.should_stop():
        command = [sys.executable, "-c", HELPERS + Path(code).read_text()]
        environment = {**os.environ, "JOURNAL": journal}
        program = Program(command, environment, Path(records), drain=float(drain))
        if judged:
            words = lambda: Path(journal).read_text().split()[::2]  # noqa: E731
            program = replace(program, at_rest=lambda: "rests" in words(), well=lambda _: words()[-1:] != ["stuck"])
            program = replace(program, patience=1.0)
        keeper.keep(program)
