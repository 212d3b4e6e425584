"""Plays faults one after the other and prints what came of them, in one table and one last line."""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import cache, cached_property
from pathlib import Path

from conftest import enterable_folder
from demo import retail_source
from faults.catalogue import Fault, in_words, load
from faults.nights import forge
from faults.playing import Observed, Outcome, play
from faults.stage import METERS_TONIGHT, TONIGHT, Stage, meters_stage, retail_stage
from faults.truths import Found
from nightcast.local import postgres
from steps.world import World, prepared

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
    print("preparing a Postgres, a source, a model and two published nights", file=sys.stderr, flush=True)
    with stages() as made:
        outcomes = []
        print(line("fault", "expected", "observed", "verdict", "recovery"), flush=True)
        for fault in chosen:
            if fault.needs == "root" and os.geteuid():
                print(f"{fault.id}: not played, because only root may mount a file system", flush=True)
                continue
            outcomes.append(played(fault, made.of(fault), made.place / fault.id))
            print(row(outcomes[-1]), flush=True)
        print(*closing(outcomes), sep="\n", flush=True)
    return 0 if all(o.as_expected for o in outcomes) else 1


class Stages:
    """A Postgres of our own, and installations in it, each made when it is first asked for."""

    def __init__(self, held: ExitStack):
        self._held = held
        self.place = held.enter_context(enterable_folder())
        held.enter_context(forge(self.place))
        self.cluster = held.enter_context(enterable_folder()) / "cluster"
        held.callback(postgres.stop, self.cluster)
        self._server = postgres.start(self.cluster)
        self._stage = cache(self._staged)

    @cached_property
    def early(self) -> World:
        """The excerpt's, before its first night."""
        retail = self._held.enter_context(retail_source.make(self._server))
        return self._held.enter_context(prepared(self._server, retail, self.place / "early"))

    def of(self, fault: Fault) -> Stage:
        """The one that a fault is played on, before each task of its night."""
        return self._stage(fault.place, fault.night)

    def _staged(self, name: str, night: date | None) -> Stage:
        place = self.place / f"{name}-{night}"
        if name == "retail":
            made = retail_stage(self.early, place, self.cluster, night or TONIGHT)
        else:
            made = meters_stage(self._server, place, self.cluster, night or METERS_TONIGHT)
        return self._held.enter_context(made)


@contextmanager
def stages() -> Iterator[Stages]:
    """Ended with all that was made."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r"The `airflow\.")  # which skops asks for every name that it reads
    with ExitStack() as held:
        yield Stages(held)


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
    recovery = "never" if outcome.recovery is None else f"{outcome.recovery:.1f} s"
    text = line(
        outcome.fault.id,
        f"{in_words(expected.run, expected.tries)}{told}, readers {expected.readers}; {expected.mended}",
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
