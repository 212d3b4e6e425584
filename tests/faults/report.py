"""Plays faults one after the other and prints what came of them, in one table and one last line."""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from conftest import enterable_folder
from demo import retail_source
from faults.catalogue import Fault, load
from faults.nights import forge
from faults.playing import Observed, Outcome, play
from faults.stage import Stage, meters_stage, retail_stage
from faults.truths import Found
from nightcast.local import postgres
from steps.world import prepared

WIDTHS = (34, 62, 62, 9, 9)


def main(arguments: Sequence[str]) -> int:
    """Play the catalogue; 0 where every row is as expected and no reader saw anything else than whole nights."""
    parser = argparse.ArgumentParser(prog="make test-faults", description=__doc__)
    parser.add_argument("ids", nargs="*", help="faults or sections; all without any")
    parser.add_argument("--list", action="store_true", help="print the catalogue and play nothing")
    asked = parser.parse_args(arguments)
    chosen = [f for f in load() if not asked.ids or f.id in asked.ids or f.section in asked.ids]
    if not chosen:
        parser.error(f"no fault or section is called {' '.join(asked.ids)}; --list shows them")
    if asked.list:
        for fault in chosen:
            print(f"{fault.section:<12}{fault.id:<34}{fault.what}")
        return 0
    logging.getLogger("alembic").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r"The `airflow\.")  # which skops asks for every name that it reads
    with stages() as (stage_of, place):
        outcomes = []
        print(line("fault", "expected", "observed", "verdict", "recovery"), flush=True)
        for fault in chosen:
            if fault.needs == "root" and os.geteuid():
                print(f"{fault.id}: not played, because only root may mount a file system", flush=True)
                continue
            outcomes.append(played(fault, stage_of(fault.place), place / fault.id))
            print(row(outcomes[-1]), flush=True)
    print(*closing(outcomes), sep="\n")
    return 0 if all(o.as_expected for o in outcomes) else 1


@contextmanager
def stages() -> Iterator[tuple[Callable[[str], Stage], Path]]:
    """A Postgres of our own, and installations in it by name, each made when it is first asked for."""
    with ExitStack() as held:
        place = held.enter_context(enterable_folder())
        held.enter_context(forge(place))
        cluster = held.enter_context(enterable_folder()) / "cluster"
        held.callback(postgres.stop, cluster)
        server = postgres.start(cluster)

        @cache
        def stage(name: str) -> Stage:
            begun = time.monotonic()
            print(f"preparing {name}: a source, a model, two published nights", file=sys.stderr, flush=True)
            if name == "meters":
                made = held.enter_context(meters_stage(server, place, cluster))
            else:
                retail = held.enter_context(retail_source.make(server))
                early = held.enter_context(prepared(server, retail, place / "early"))
                made = held.enter_context(retail_stage(early, place, cluster))
            print(f"prepared in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
            return made

        yield stage, place


def played(fault: Fault, stage: Stage, place: Path) -> Outcome:
    """What a fault came to; also where the harness itself did not come to an end with it."""
    try:
        return play(fault, stage, place)
    except Exception as error:  # noqa: BLE001 -- the other faults are played all the same
        log = place / "tries.log"
        said = log.read_text()[-2000:] if log.exists() else ""
        wrong = f"{''.join(traceback.format_exception(error)[-3:])}{said}"
        nothing = Observed(run="?", told=(), tries=None, readers="?")
        return Outcome(fault=fault, observed=nothing, verdict=0, recovery=None, found=Found(), wrong=[wrong])


def row(outcome: Outcome) -> str:
    """A line of the table, and below it what is not as expected."""
    expected = outcome.fault.expect
    told = f", {' '.join(expected.told)}" if expected.told else ""
    tries = "" if expected.tries is None else f", {expected.tries} tries" if expected.tries > 1 else ", 1 try"
    recovery = "never" if outcome.recovery is None else f"{outcome.recovery:.1f} s"
    text = line(
        outcome.fault.id,
        f"{expected.run}{tries}{told}, readers {expected.readers}; {expected.mended}",
        str(outcome.observed),
        f"{outcome.verdict:.1f} s",
        recovery,
    )
    return "\n".join([text, *(f"    NOT AS EXPECTED: {wrong}" for wrong in outcome.wrong)])


def line(*cells: str) -> str:
    """Cells side by side."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def closing(outcomes: Sequence[Outcome]) -> list[str]:
    """Numbers over all of them."""
    killed = [o.recovery for o in outcomes if o.fault.act == "SIGKILL" and o.recovery is not None]
    said = []
    if killed:
        said.append(
            f"from SIGKILL to the night published: median {statistics.median(killed):.1f} s, worst {max(killed):.1f} s "
            f"over {len(killed)}, without what Airflow waits before a retry"
        )
    partial, lost, duplicate = (sum(getattr(o.found, n) for o in outcomes) for n in ("partial", "lost", "duplicate"))
    said.append(
        f"faults={len(outcomes)} as_expected={sum(o.as_expected for o in outcomes)} partial_reads={partial} "
        f"lost_rows={lost} duplicate_rows={duplicate}"
    )
    return said
