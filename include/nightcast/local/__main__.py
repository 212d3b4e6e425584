"""`python -m nightcast.local up | down | status | remove | psql [ROLE [DATABASE]]`: the machine without the demo."""

from __future__ import annotations

import sys
import time

from nightcast.errors import NightcastError
from nightcast.local import psql, supervise


def main(arguments: list[str]) -> int:
    """Do what the first argument names; 1 for `status` where not everything is healthy."""
    begun = time.monotonic()
    match arguments:
        case ["up"]:
            local = supervise.up()
            print(f"healthy after {time.monotonic() - begun:.1f} s: {local.api_url}, state in {local.folder}")
        case ["down"]:
            print(f"stopped in {time.monotonic() - begun:.1f} s" if supervise.down() else "nothing is running")
        case ["remove"]:
            supervise.remove()
        case ["status"]:
            return _status()
        case ["psql", *which] if len(which) <= 2:
            psql.run(which)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _status() -> int:
    parts = supervise.status()
    for part in parts:
        print(f"{part.name:<14} {part.state:<10} {part.pid or '':<8} {part.health}")
    if not parts:
        print("nothing is running")
    return 0 if parts and all(part.health == "healthy" for part in parts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NightcastError as error:
        sys.exit(f"{type(error).__name__}: {error}")
