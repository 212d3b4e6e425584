"""A month of nights run live and, into a second database, as a backfill: do they come out the same to the byte?

    make backfill-equals-live                        # 30 nights of the excerpt, about four minutes
    make backfill-equals-live ARGS="--nights 7 --data online_retail.csv.xz"

Both installations begin with nothing: a database and a lake of their own, their own import, training and registry.
Live, the shop's clock stands at each night's schedule, so that its system holds no later line; the backfill runs after
the last night, with all lines there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from conftest import new_server
from demo.retail_source import EXCERPT, Retail, load, make_roles_and_database
from nightcast.cli.text import table, timed
from nightcast.demo import source
from nightcast.domain.night import RunState
from nightcast.local import postgres
from nightcast.steps import sequence
from steps.world import EARLY, FIRST_NIGHT, Installation, World, clock_of, prepared, scheduled

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a night came out."""

    origin: date
    state: str
    mode: str
    inputs: str | None
    rows: str | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The same nights of two installations, in order."""

    live: Sequence[Made]
    backfill: Sequence[Made]

    @property
    def different(self) -> list[date]:
        """Nights that are not published in both with one and the same digest of inputs and of rows."""
        pairs = zip(self.live, self.backfill, strict=True)
        return [a.origin for a, b in pairs if a != b or a.state != RunState.PUBLISHED or not a.rows]

    def __str__(self) -> str:
        pairs = list(zip(self.live, self.backfill, strict=True))
        bad = set(self.different)
        body = [[a.origin, a.state, b.state, a.rows, b.rows, a.origin not in bad] for a, b in pairs]
        said = table(["night", "live", "backfill", "rows, live", "rows, backfill", "equal"], body)
        return f"{said}\nnights={len(pairs)} equal={len(pairs) - len(bad)} different={len(bad)}"


def run_live(world: World, nights: Sequence[date], progress: Progress = lambda _: None) -> None:
    """Night after night as the schedule would, while the shop's system holds nothing later."""
    try:
        for origin in nights:
            source.set_now(world.retail.owner, datetime.combine(origin + timedelta(days=1), time(2)))
            said = world.night(origin, **scheduled(origin))
            progress(f"live {origin}: {said['state']}")
    finally:
        source.set_now(world.retail.owner, None)


def run_backfill(world: Installation, nights: Sequence[date], progress: Progress = lambda _: None) -> None:
    """The same nights, all on one day after the last of them."""
    for origin in nights:
        request = world.asked(origin, scheduler_run_id=f"backfill__{origin}")
        said = sequence.run_night(request, world.rooms, clock_of(nights[-1]))
        progress(f"backfill {origin}: {said['state']}")


def compared(live: Installation, backfill: Installation, nights: Sequence[date]) -> Comparison:
    """What both have of these nights."""
    return Comparison(live=_made(live, nights), backfill=_made(backfill, nights))


def _made(world: Installation, nights: Sequence[date]) -> list[Made]:
    found = world.as_writer(
        "SELECT DISTINCT ON (origin) origin, state, mode, input_digest AS inputs, row_digest AS rows "
        f"FROM internal.run WHERE kind = 'night' AND origin BETWEEN '{nights[0]}' AND '{nights[-1]}' "
        "ORDER BY origin, attempt"
    )
    return [Made(**each) for each in found]


def nights_from(first: date, count: int) -> list[date]:
    """`count` nights, one after the other."""
    return [first + timedelta(days=n) for n in range(count)]


def _installed(stack: ExitStack, retail: Retail, server: postgres.Server, place: Path, progress: Progress) -> World:
    world = stack.enter_context(prepared(server, retail, place))
    through = FIRST_NIGHT - timedelta(days=1)
    world.import_days(EARLY + timedelta(days=1), through)
    world.promote(world.train(through)["version"], through)
    progress(f"{place.name}: history imported and a model trained, both through {through}")
    return world


def main(arguments: Sequence[str]) -> int:
    """0 where every night is the same in both."""
    parser = argparse.ArgumentParser(prog="make backfill-equals-live", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", type=int, default=30, help="how many, from 2011-10-24 (default: 30; at most 47)")
    parser.add_argument("--data", type=Path, default=EXCERPT, help="the published file (default: the tests' excerpt)")
    asked = parser.parse_args(arguments)
    if not 1 <= asked.nights <= 47:
        parser.error(f"--nights is {asked.nights}; expected 1 to 47: the data end on 2011-12-09")
    nights, progress = nights_from(FIRST_NIGHT, asked.nights), timed()
    with ExitStack() as stack:
        server = stack.enter_context(new_server())
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightcast-backfill-")))
        owner, reader = stack.enter_context(make_roles_and_database(server))
        retail = Retail(owner, reader, load(owner, reader, asked.data))
        progress(f"{retail.loaded.lines:,} lines of {asked.data.name} are loaded")
        live, backfill = (_installed(stack, retail, server, home / name, progress) for name in ("live", "backfill"))
        run_live(live, nights, progress)
        run_backfill(backfill, nights, progress)
        found = compared(live, backfill, nights)
    print(found)
    return 1 if found.different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
