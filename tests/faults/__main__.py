"""`make test-faults`: the catalogue, or the faults that are named."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from faults.report import main

    sys.exit(main(sys.argv[1:]))
