"""What must hold of the tables whatever happened, asked of the tables themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from psycopg2 import sql

from faults.reader import Reader, Seen
from nightcast.store.queries import Row, rows
from steps.world import Installation

_RUNS = """
SELECT r.run_id, r.origin, r.state, r.row_digest, r.pulled, r.accepted, r.quarantined, r.duplicates, r.expected,
    r.predictions, p.rows, p.once, i.pulled AS taken, q.kept
FROM internal.run AS r
CROSS JOIN LATERAL (
    SELECT count(*) AS rows, count(DISTINCT ({keys}, p.target_date)) AS once
    FROM {prediction} AS p WHERE p.run_id = r.run_id
) AS p
CROSS JOIN LATERAL (
    SELECT coalesce(sum(i.pulled), 0) AS pulled, coalesce(array_agg(i.event_day), '{{}}') AS days
    FROM internal.intake AS i WHERE i.run_id = r.run_id AND i.state IN ('accepted', 'closed')
) AS i
CROSS JOIN LATERAL (
    SELECT count(*) AS kept FROM internal.quarantined_row AS q WHERE q.run_id = r.run_id AND q.event_day = any(i.days)
) AS q
WHERE r.pipeline = {pipeline} AND r.kind = 'night' ORDER BY r.run_id
"""
_PUBLICATIONS = "SELECT * FROM internal.publication WHERE pipeline = {pipeline} ORDER BY publication_id"
_TAKEN_TWICE = """
SELECT a.event_day, a.revision, b.revision AS again
FROM internal.intake AS a
INNER JOIN internal.run AS first ON a.run_id = first.run_id
INNER JOIN internal.intake AS b
    ON a.pipeline = b.pipeline AND a.event_day = b.event_day AND a.revision + 1 = b.revision AND a.state = b.state
    AND a.content_digest = b.content_digest
INNER JOIN internal.run AS later ON b.run_id = later.run_id
WHERE a.pipeline = {pipeline} AND first.origin <= later.origin -- a night does not know what later ones took in
"""


@dataclass
class Found:
    """Rows that are missing from published nights, rows that are there twice, wrong answers, and all of it in words."""

    lost: int = 0
    duplicate: int = 0
    partial: int = 0
    wrong: list[str] = field(default_factory=list)

    def holds(self, true: bool, otherwise: str) -> None:
        if not true:
            self.wrong.append(otherwise)


def of(world: Installation, reader: Reader) -> Found:
    """Look at the tables, and at all that the reader saw."""
    found = Found()
    pipeline = world.pipeline
    parts = {
        "pipeline": sql.Literal(world.name),
        "prediction": sql.Identifier("internal", f"prediction_{world.name}"),
        "keys": sql.SQL(", ").join(sql.Identifier("p", key) for key in pipeline.keys),
    }
    with world.writing() as tx:
        runs = {r["run_id"]: r for r in rows(tx, sql.SQL(_RUNS).format(**parts))}
        shown = rows(tx, sql.SQL(_PUBLICATIONS).format(**parts))
        twice = rows(tx, sql.SQL(_TAKEN_TWICE).format(**parts))
    _publications(found, shown, runs)
    for line in twice:
        found.duplicate += 1
        found.wrong.append(f"{line['event_day']} was taken in twice, as revisions {line['revision']}, {line['again']}")
    _answers(found, reader, shown, runs)
    return found


def _publications(found: Found, shown: Sequence[Row], runs: dict[int, Row]) -> None:
    """P2: one open revision a night. P3: the identity, and nothing lost or doubled in what was ever published."""
    for origin in {p["origin"] for p in shown}:
        open_ = [p for p in shown if p["origin"] == origin and p["withdrawn_at"] is None]
        found.holds(len(open_) == 1, f"{origin} has {len(open_)} open revisions")
        numbers = sorted(p["revision"] for p in shown if p["origin"] == origin)
        found.holds(numbers == list(range(1, len(numbers) + 1)), f"{origin} has the revisions {numbers}")
    for publication in shown:
        run = runs[publication["run_id"]]
        name = f"run {run['run_id']} of {run['origin']}"
        found.lost += max(0, run["expected"] - run["once"])
        found.duplicate += run["rows"] - run["once"]
        found.holds(run["state"] == "published", f"{name} is shown and is {run['state']}")
        found.holds(run["rows"] == run["once"] == run["expected"] == run["predictions"] > 0, f"{name}: {dict(run)}")
        identity = run["pulled"] == run["accepted"] + run["quarantined"] + run["duplicates"] == run["taken"]
        found.holds(identity and run["quarantined"] == run["kept"], f"{name} does not add up: {dict(run)}")
    published = {r["run_id"] for r in runs.values() if r["state"] == "published"}
    found.holds(published == {p["run_id"] for p in shown}, f"published runs {published} are not those that are shown")


def _answers(found: Found, reader: Reader, shown: Sequence[Row], runs: dict[int, Row]) -> None:
    """P1: every answer is whole published nights; the newest one is one night, and never an older one again."""
    known = {(p["origin"], p["run_id"], p["revision"]) for p in shown}
    contents: dict[tuple[date, int, int], set[str]] = {}
    for answer in (*reader.newest, *reader.all):
        once = len({night.origin for night in answer}) == len(answer)
        if not once or not all(_is_whole(night, known, runs) for night in answer):
            found.partial += 1
            found.wrong.append(f"a reader saw what are not whole published nights: {answer}")
        for night in answer:
            contents.setdefault((night.origin, night.run, night.revision), set()).add(night.content)
    for name, seen in contents.items():
        if len(seen) > 1:
            found.partial += 1
            found.wrong.append(f"the rows of {name} were not always the same")
    newest = [answer[0].origin for answer in reader.newest if len(answer) == 1]
    found.holds(len(newest) == len(reader.newest), "the newest night was not always one")
    found.holds(newest == sorted(newest), f"readers went back: {newest}")
    for before, after in pairwise({night.origin for night in answer} for answer in reader.all):
        found.holds(before <= after, f"readers lost the nights {before - after}")
    found.holds(reader.polls > 1 and bool(newest), f"the reader had {reader.polls} answers")


def _is_whole(night: Seen, known: set[tuple[date, int, int]], runs: dict[int, Row]) -> bool:
    """Whether it is a published revision with all its keys on all its days."""
    published = (night.origin, night.run, night.revision) in known
    return published and night.rows == runs[night.run]["expected"] == night.keys * night.days
