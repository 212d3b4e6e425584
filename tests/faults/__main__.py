"""`make test-faults` plays the catalogue, or the faults that are named; `make soak` many nights in a row.

Thin, because every try of a task imports it again.
"""

from __future__ import annotations

import importlib
import sys

if __name__ == "__main__":
    is_soak = sys.argv[1:2] == ["soak"]
    module = importlib.import_module("faults.soak" if is_soak else "faults.report")
    sys.exit(module.main(sys.argv[2 if is_soak else 1 :]))
