"""`python -m benchmarks [NAMES]`: measure, print, and with --write keep."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks import place, report
from benchmarks.harness import Line

SUBJECTS = {  # name -> module with `lines(place, sizes, runs, progress)`
    "extract": "rows of a window out of the source",
    "predict": "features and forecasts of a shard",
    "publish": "predictions in, visible to readers",
    "whole": "the three together beside the floor; validate",
    "growth": "nights as history, articles and shards grow",
    "monitors": "statistics of drift and accuracy",
    "fleet": "thirty pipelines due at the same minute, under Airflow",
}
SIZES, RUNS = [1_000_000, 10_000_000], 3
QUICK_SIZES, QUICK_RUNS = [50_000, 200_000], 1


def main() -> None:
    asked = _arguments()
    begun = time.monotonic()

    def progress(text: str) -> None:
        print(f"  [{time.monotonic() - begun:6.1f} s] {text}", flush=True)

    sizes = asked.rows or (QUICK_SIZES if asked.quick else SIZES)
    found: list[Line] = []
    with place.opened() as where:
        for name in asked.names or SUBJECTS:
            module: Any = importlib.import_module(f"benchmarks.{name}")
            made = module.lines(where, sizes, QUICK_RUNS if asked.quick else RUNS, progress)
            print(f"\n{report.table(made)}\n", flush=True)
            found += made
            if asked.write:
                _write(made)
    missed = [line for line in found if line.met is False]
    goals = sum(line.goal is not None for line in found)
    print(f"{goals - len(missed)} of {goals} goals met" + "".join(f"\n  missed: {line.name}" for line in missed))


def _write(lines: list[Line]) -> None:
    """A subject as soon as it is measured: what comes after it may take long."""
    before = json.loads(report.JSON.read_text()) if report.JSON.exists() else None
    report.write(report.results(lines, datetime.now(UTC).isoformat(timespec="minutes"), before))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    subjects = "; ".join(f"{name}: {meaning}" for name, meaning in SUBJECTS.items())
    parser.add_argument(
        "names", nargs="*", choices=[*SUBJECTS, []], metavar="NAME", help=f"all, or some of: {subjects}"
    )
    parser.add_argument("--rows", type=int, nargs="+", help=f"sizes, rising; else {SIZES}")
    parser.add_argument("--quick", action="store_true", help=f"sizes {QUICK_SIZES}, each way once")
    parser.add_argument("--write", action="store_true", help="write docs/reference/benchmarks.json and .md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
