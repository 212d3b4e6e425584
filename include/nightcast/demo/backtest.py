"""The table of `daily_demand`: its backtest on the published data in original dates, on a machine of its own.

Postgres, source and lake lie below `.cache/backtest` and are kept, as the import is most of the work; it is made again
when the data, the extract, the measures or the checks change. The demo's own machine is neither used nor changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TextIO

from nightcast import spec
from nightcast.demo import data, machine, source
from nightcast.domain.manifest import digest_json
from nightcast.domain.panel import AGGREGATOR_VERSION
from nightcast.errors import Permanent
from nightcast.local import databases, environment, postgres
from nightcast.local.place import Place
from nightcast.local.state import CHECKOUT, Local, locked, open_state

STATE = ".cache/backtest"
# In the data's own dates: the first open day from the first Monday of each month on, and one before the December peak.
ORIGINS = "2011-04-04,2011-05-03,2011-06-06,2011-07-04,2011-08-01,2011-09-05,2011-10-03,2011-11-07,2011-11-21"

Progress = Callable[[str], None]


def run(arguments: list[str]) -> None:
    """`nightcast backtest daily_demand` with these arguments; without any, the table that the README holds.

    Raises:
        Permanent: the import or the backtest failed; what it said stands above.
    """
    begun = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    fetched = machine.fetch(environment.user_environment(os.environ), progress)
    (CHECKOUT / STATE).parent.mkdir(exist_ok=True)
    with locked(CHECKOUT / f"{STATE}.lock"), machine_with(fetched, progress) as settings:
        _nightcast(settings, "backtest", machine.PIPELINE, *(arguments or default_arguments()))


def default_arguments() -> list[str]:
    """What makes the committed table: the origins, every file of `alternatives/`, and where it is written."""
    others = sorted((_folder() / "alternatives").glob("*.yaml"))
    return ["--origins", ORIGINS, *(a for file in others for a in ("--model", str(file))), "--write"]


@contextmanager
def machine_with(fetched: data.DemoData, progress: Progress) -> Iterator[Mapping[str, str]]:
    """The settings of a machine that knows the whole data; its Postgres runs meanwhile."""
    wanted, stamp = _fingerprint(fetched), CHECKOUT / STATE / "imported"
    ready = stamp.exists() and stamp.read_text() == wanted
    local = open_state({"NIGHTCAST_STATE": STATE})
    if not ready:
        postgres.remove(local.postgres)
        shutil.rmtree(local.folder)
        local = open_state({"NIGHTCAST_STATE": STATE})
    try:
        server = postgres.start(local.postgres)
        local = replace(local, ports={**local.ports, "postgres": server.port})
        databases.ensure(local, server.url(), {}, shared=False)
        settings = settings_of(local)
        # Also where the import is kept: the engine may be newer than its tables.
        _nightcast(settings, "db", "apply", machine.PIPELINE, sink=sys.stderr)
        if not ready:
            _import(local, fetched.path, settings, progress)
            stamp.write_text(wanted)
        yield settings
    finally:
        postgres.stop(local.postgres)


def _import(local: Local, file: Path, settings: Mapping[str, str], progress: Progress) -> None:
    place = Place(f"127.0.0.1:{local.ports['postgres']}", "", None)
    owner = place.url("source_owner", local.password("source_owner"), "retail")
    loaded = source.load(owner, "source_reader", file, shift_days=0, progress=progress)
    days = ("--first", loaded.first_day.isoformat(), "--last", loaded.last_day.isoformat())
    progress(f"importing {loaded.first_day} to {loaded.last_day}")
    _nightcast(settings, "import", machine.PIPELINE, *days, sink=sys.stderr)


def settings_of(local: Local) -> dict[str, str]:
    """This machine's own: nothing that the user set for the demo or for another installation."""
    ours = environment.process_settings(local, os.environ) | environment.engine_settings(local, {})
    return environment.inherited(os.environ) | ours | environment.owner_settings(local, {})


def _nightcast(settings: Mapping[str, str], *arguments: str, sink: TextIO = sys.stdout) -> None:
    done = subprocess.run([sys.executable, "-m", "nightcast.cli", *arguments], env=settings, stdout=sink, check=False)
    if done.returncode:
        raise Permanent(f"`nightcast {' '.join(arguments)}` ended with {done.returncode}; what it said stands above")


def _fingerprint(fetched: data.DemoData) -> str:
    """What the import depends on. A change of model, features or horizon needs no other import."""
    folder = spec.load_folder(_folder())
    files = {name: text for name, text in folder.files.items() if name != "pipeline.yaml"}
    declared = [asdict(folder.pipeline.source), {n: asdict(m) for n, m in folder.pipeline.measures.items()}]
    return digest_json([data.sha256(fetched.path), AGGREGATOR_VERSION, files, declared])


def _folder() -> Path:
    return CHECKOUT / "include/pipelines" / machine.PIPELINE
