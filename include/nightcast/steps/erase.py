"""Erase somebody from everything that a pipeline keeps: lake, tables, messages. What is left names nobody.

An entity (all of whose rows are its own) goes with its panels, predictions and actuals, so runs that knew it can no
longer be reproduced. Of anybody else, named by an identifier, the rows go; sums over many rows stay as they were.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain.contract import Role, Sensitive
from nightcast.domain.decision import Asked
from nightcast.domain.manifest import canonical_json, digest_json
from nightcast.domain.panel import panel_digest
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.rows import ContentHasher
from nightcast.domain.sensitive import pseudonym
from nightcast.errors import DecisionRefused, NotFound
from nightcast.steps.left_over import left_over
from nightcast.steps.open_run import folder_of
from nightcast.steps.rewriting import Rewritten, rewrite_panels, rewrite_results, rewrite_snapshots
from nightcast.steps.rooms import Rooms
from nightcast.store import connect, removals
from nightcast.store.connect import Connection

Values = Mapping[str, str | int]
SHORTEST = 3  # characters of a name that is looked for in messages; shorter ones are in many words


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was erased, or would be. `counts` are rows by where they were, `runs` those that are no longer whole."""

    pipeline: str
    counts: Mapping[str, int]
    runs: tuple[int, ...] = ()
    days: tuple[date, ...] = ()
    models: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was there."""
        return not any(self.counts.values())


class _OnlyAsked(Exception):  # ends the transaction of a dry run
    """Nothing is to be kept of what was done."""


@dataclass(kw_only=True)
class _Work:
    """An erasure under way. `keep` and `keep_text` take something to the lake and give its name."""

    pipeline: Pipeline
    values: Values
    rooms: Rooms
    keep: Callable[[pa.Table], str]
    keep_text: Callable[[str], str]
    days: set[date] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)

    @property
    def is_entity(self) -> bool:
        """Whether what names the subject are keys: then it has panels and forecasts of its own."""
        return set(self.values) <= set(self.pipeline.keys)


def run(pipeline: str, named: Values, asked: Asked, rooms: Rooms) -> Erasure:
    """Erase who is named by values of key columns or of identifiers, in clear also where pseudonyms are stored.

    All of it or nothing: tables change in one transaction, then replaced objects are deleted; where that is
    interrupted, the next call goes on. Repeating it finds nothing. Needs the owner's URL and NIGHTCAST_HASH_KEY.

    Raises:
        NotFound: a column is not declared, is not stored, or names nobody.
        NightRefused: a run of the pipeline is at work.
        DecisionRefused: the reason holds the name.
    """
    declared = folder_of(pipeline, rooms).pipeline
    values = _stored(declared, named, rooms)
    _check_reason(asked.reason, named)
    if not asked.dry_run:
        finish(rooms)
    keep, keep_text = (panel_digest, digest_json) if asked.dry_run else (rooms.lake.put_table, rooms.lake.put_text)
    work = _Work(pipeline=declared, values=values, rooms=rooms, keep=keep, keep_text=keep_text)
    found = Erasure(pipeline=pipeline, counts={})
    with suppress(_OnlyAsked), connect.transaction(rooms.settings.owner_url) as tx:
        found = _erased(tx, work, [*named.values(), *values.values()])
        if asked.dry_run:
            raise _OnlyAsked
        if not found.is_empty:
            _record(tx, work, found, asked)
    if not asked.dry_run:
        finish(rooms)
    return found


def finish(rooms: Rooms) -> int:
    """Delete the lake objects that removals replaced, where nothing else refers to them; how many removals."""
    with connect.transaction(rooms.settings.owner_url) as tx:
        waiting = removals.undone(tx)
    for removal in waiting:
        with connect.transaction(rooms.settings.owner_url) as tx:
            wanted = removals.still_wanted(tx, removal.objects)
            for name in set(removal.objects) - wanted:
                rooms.lake.delete(name)
            removals.done(tx, removal.removal_id)
    return len(waiting)


def digest_of(pipeline: str, values: Values, rooms: Rooms) -> str:
    """The keyed digest that stands for somebody in a removal: cannot be guessed without the key."""
    text = canonical_json([pipeline, dict(values)])
    return hashlib.blake2b(text.encode(), key=rooms.settings.hash_key, digest_size=32).hexdigest()


def _stored(pipeline: Pipeline, named: Values, rooms: Rooms) -> Values:
    """The values as they are stored."""
    naming = {n: c for n, c in pipeline.source.stored.items() if c.role in (Role.KEY, Role.IDENTIFIER)}
    for name in named:
        if name not in naming:
            raise NotFound(
                f"{name!r} names nobody in {pipeline.name}; expected a key or identifier that is stored: "
                f"{', '.join(naming)}"
            )
    hashed = {n: pseudonym(str(v), rooms.settings.hash_key) for n, v in named.items() if naming[n].sensitive}
    assert all(naming[n].sensitive is Sensitive.HASH for n in hashed)  # those to be dropped are not stored
    return {**named, **hashed}


def _check_reason(reason: str, named: Values) -> None:
    if any(str(value).casefold() in reason.casefold() for value in named.values()):
        raise DecisionRefused("the reason holds the name that is to be erased; expected one without, it is kept")


def _erased(tx: Connection, work: _Work, texts: Sequence[str | int]) -> Erasure:
    """Everything but the record, in one transaction."""
    name = work.pipeline.name
    removals.begin(tx, name)
    raw = _rewrite_raw(tx, work)
    panels, runs, forecasts, actuals, yardsticks = Rewritten(), set[int](), dict[int, int](), 0, 0
    if work.is_entity:
        panels = rewrite_panels(tx, name, lambda table: _without(table, work.values), work)
        runs, manifests = rewrite_snapshots(tx, name, panels, raw, work)
        forecasts, actuals = removals.delete_forecasts(tx, work.pipeline, work.values)
        yardsticks = _rewrite_yardsticks(tx, work)
        removals.delete_slices(tx, name, [f"{column}={value}" for column, value in work.values.items()])
        rewrite_results(tx, name, manifests)
    rewrite_results(tx, name, raw.objects | raw.digests)
    quarantined = removals.delete_quarantined(tx, name, work.values)
    orphans = left_over(tx, work.rooms.lake, lambda table: _without(table, work.values))
    work.doomed |= set(orphans)
    _clean_texts(tx, work, texts)
    counts = {
        "rows": raw.removed,
        "quarantined": quarantined,
        "panels": panels.removed,
        "predictions": sum(forecasts.values()),
        "actuals": actuals,
        "yardsticks": yardsticks,
        "left_over": sum(orphans.values()),
    }
    touched = tuple(sorted(runs | set(forecasts)))
    models = tuple(removals.models_of(tx, name, touched))
    return Erasure(pipeline=name, counts=counts, runs=touched, days=tuple(sorted(work.days)), models=models)


def _rewrite_raw(tx: Connection, work: _Work) -> Rewritten:
    """Every object with a day's rows in which the subject is, without its rows."""
    name, made = work.pipeline.name, Rewritten()
    days: dict[str, set[date]] = {}
    contents: dict[str, str] = {}
    for found in removals.revisions(tx, name):
        if found["raw_object"]:
            days.setdefault(found["raw_object"], set()).add(found["event_day"])
            contents[found["raw_object"]] = found["content_digest"] or ""
    for found in removals.extracted(tx, name):  # read and perhaps never taken in; what expired is named there, too
        if work.rooms.lake.has(found["raw_object"]):
            days.setdefault(found["raw_object"], set()).add(found["event_day"])
    for old in sorted(days):
        table = work.rooms.lake.get_table(old)
        kept = _without(table, work.values)
        if kept is None:
            continue
        hasher = ContentHasher(kept.schema)
        hasher.update(kept)
        new, content = work.keep(kept), hasher.hexdigest()
        removals.set_raw(tx, name, old, new, content)
        made.objects[old] = new
        if contents.get(old):
            made.digests[contents[old]] = content
        made.removed += table.num_rows - kept.num_rows
        work.days |= days[old]
    work.doomed |= set(made.objects)
    return made


def _rewrite_yardsticks(tx: Connection, work: _Work) -> int:
    removed = 0
    for old in removals.yardsticks(tx, work.pipeline.name):
        table = work.rooms.lake.get_table(old)
        if (kept := _without(table, work.values)) is not None:
            removals.set_yardstick(tx, work.pipeline.name, old, work.keep(kept))
            work.doomed.add(old)
            removed += table.num_rows - kept.num_rows
    return removed


def _without(table: pa.Table, values: Values) -> pa.Table | None:
    """The rows that are not the subject's; None where it has none, or the table does not know its columns."""
    its = None
    for name, value in values.items():
        kind = pa.string() if isinstance(value, str) else pa.int64()
        if name not in table.column_names or table[name].type != kind:
            return None
        same = pc.fill_null(pc.equal(table[name], pa.scalar(value, kind)), False)
        its = same if its is None else pc.and_(its, same)
    return table.filter(pc.invert(its)) if its is not None and pc.any(its).as_py() else None


def _clean_texts(tx: Connection, work: _Work, texts: Sequence[str | int]) -> None:
    words = sorted({str(v) for v in texts if len(str(v)) >= SHORTEST}, key=len, reverse=True)
    pattern = rf"(?<![[:alnum:]])({'|'.join(map(re.escape, words))})(?![[:alnum:]])" if words else None
    quoted = [json.dumps(v, ensure_ascii=False) for v in work.values.values() if isinstance(v, str)]
    removals.clean_texts(tx, work.pipeline.name, work.values, quoted, pattern)


def _record(tx: Connection, work: _Work, found: Erasure, asked: Asked) -> None:
    about: dict[str, Any] = {
        "pipeline": found.pipeline,
        "kind": "erased",
        "subject": digest_of(found.pipeline, work.values, work.rooms),
        "columns": sorted(work.values),
        "who": asked.who,
        "why": asked.reason,
        "first_day": min(found.days, default=None),
        "last_day": max(found.days, default=None),
    }
    removals.record(tx, **about, counts=found.counts, runs=list(found.runs), objects=sorted(work.doomed))
