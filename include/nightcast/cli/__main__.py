"""`python -m nightcast.cli`, `bin/nightcast`, and the wheel's `nightcast`."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from nightcast.cli.main import app


def main() -> NoReturn:
    """Run the command that was typed, and leave with its code, without the interpreter's teardown.

    During the teardown a thread of Arrow that lets go of a Python object aborts the process: now and then a command
    whose work was done ended with -6 (1 in 80 processes that end right after a stream of CSV, on two busy cores).
    """
    code: object = 1
    try:
        app(prog_name="nightcast")
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:  # noqa: BLE001 -- told as Python tells it; nothing is above this frame
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):  # whoever read has seen enough
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
