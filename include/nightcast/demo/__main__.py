"""`python -m nightcast.demo up | down | reset`: the real retail data, replayed as if it happened now.

`python -m nightcast.demo backtest [OPTIONS]`: in its own dates, on a machine of its own; see `nightcast backtest`.
"""

from __future__ import annotations

import sys

from nightcast.demo import backtest, machine
from nightcast.errors import NightcastError
from nightcast.local import supervise


def main(arguments: list[str]) -> int:
    """Do what the first argument names."""
    match arguments:
        case ["up"]:
            machine.up()
        case ["down"]:
            print("stopped" if supervise.down() else "nothing is running")
        case ["reset"]:
            supervise.remove()
            print("the demo's state is removed; the downloaded data is kept")
        case ["backtest", *more]:
            backtest.run(more)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NightcastError as error:
        sys.exit(f"\n{type(error).__name__}: {error}\nRunbook: docs/runbooks/{error.runbook}")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; what runs goes on. `make demo` resumes, `make down` stops everything")
