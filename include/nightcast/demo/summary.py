"""What the demo prints at its end: the nights, the forecast, how it did, and where to look next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from psycopg2.extras import RealDictCursor

from nightcast.cli.text import table
from nightcast.domain.night import RunKind, RunState
from nightcast.local import postgres
from nightcast.local.place import Place
from nightcast.local.state import Local
from nightcast.settings import Settings
from nightcast.store import connect, fence, runs, scores

SQL = Path(__file__).parent / "sql"
NIGHTS = 7
INPUTS, SAME_WEEKDAY = ("measure", "attribute"), "same_weekday_8"


def write(local: Local, place: Place, settings: Settings, pipeline: str, seconds: float) -> None:
    """Print the summary of the newest seven nights."""
    with connect.transaction(settings.database_url) as tx:
        nights = [r for r in runs.recent(tx, pipeline, RunKind.NIGHT, limit=60) if r.state is not RunState.TOO_OLD]
        nights = sorted(nights[:NIGHTS], key=lambda r: r.origin)
        unusual = {run.origin: _unusual(tx, run) for run in nights}
        rows = [_night(tx, run, unusual[run.origin]) for run in nights]
    headers = ["origin", "run", "state", "pulled", "accepted", "quarantined", "duplicates", "predictions", "model"]
    print(f"\nThe last {len(rows)} nights of {pipeline}\n")
    print(table([*headers, "most unusual input", "seconds"], rows))
    _what_moved(unusual)
    login = place.url(settings.analyst_role, local.password("analyst"), "nightcast")
    _as_analyst(login)
    print(f"\nReady in {seconds:.0f} s. Where to look next")
    print(_doors(local, login))


def _night(tx: Any, run: runs.Run, unusual: scores.DriftScore | None) -> list[Any]:
    steps = [a for a in fence.attempts(tx, run.run_id) if a.seconds is not None]
    counts = [run.pulled, run.accepted, run.quarantined, run.duplicates, run.predictions]
    model = f"v{run.model_version}" if run.model_version else None
    drift = unusual and f"{unusual.what}, rank {unusual.ranked}"
    return [run.origin, str(run.run_id), run.state, *counts, model, drift, sum(a.seconds or 0 for a in steps)]


def _unusual(tx: Any, run: runs.Run) -> scores.DriftScore | None:
    """The input that lies furthest in its own past, against the same weekday."""
    inputs = [s for s in scores.of_run(tx, run.run_id) if s.kind in INPUTS and s.reference == SAME_WEEKDAY]
    return next(iter(scores.most_unusual(inputs, 1)), None)


def _what_moved(unusual: Mapping[date, scores.DriftScore | None]) -> None:
    """Each night's most unusual input, in words."""
    told = [[origin, s.what, s.statistic, s.moved] for origin, s in unusual.items() if s]
    print("\nWhat moved most in the source, against the same weekday's last eight days\n")
    print(table(["origin", "column", "statistic", "what moved"], told))


def _as_analyst(login: str) -> None:
    """What an analyst reads, through the analyst's own login."""
    statements = (SQL / "summary.sql").read_text().split("-- name:")[1:]
    with connect.transaction(login) as tx, tx.cursor(cursor_factory=RealDictCursor) as cursor:
        for block in statements:
            title, _, statement = block.partition("\n")
            cursor.execute(statement)
            found = cursor.fetchall()
            columns = [c.name for c in cursor.description or ()]
            print(f"\n{title.strip()}\n")
            print(table(columns, [list(row.values()) for row in found]))


def _doors(local: Local, login: str) -> str:
    server = postgres.running(local.postgres)
    psql = f"{server.binaries}/psql" if server else "psql"
    return "\n".join(
        [
            f"  Airflow   {local.api_url}   login admin / {local.login()}",
            f"  analyst   {psql} '{login.replace('+psycopg2', '')}'",
            "            then: SELECT * FROM forecast.freshness;  \\d+ forecast.daily_demand",
            "  operator  bin/nightcast runs     bin/nightcast show RUN     bin/nightcast --help",
            "  stop      make down              go on: make demo           afresh: make demo-reset",
            "  The schedule stays on: each night fresh real lines arrive and are forecast, for five weeks.",
        ]
    )
