"""Take kept rows in again, under the rules as the folder has them now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nightcast import checks
from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.domain.night import RunKind, RunMode, RunState
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.verdict import CheckResult, judge
from nightcast.errors import DecisionRefused
from nightcast.steps.calendar import read_calendar
from nightcast.steps.judging import judge_day
from nightcast.steps.levels import baseline_of
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import code_pins
from nightcast.steps.screening import ScreenedDay, softened
from nightcast.steps.taking_in import Extracted, rules_digest, set_aside_rows, take_in
from nightcast.store import checks as check_store
from nightcast.store import decisions, intake, layout, quarantine, runs
from nightcast.store.connect import Connection

COUNTS = ("pulled", "accepted", "quarantined", "duplicates")


@dataclass(frozen=True, kw_only=True)
class Again:
    """A day that the rules now sort otherwise than when it was taken in."""

    before: intake.Revision
    about: Extracted
    day: ScreenedDay
    results: tuple[CheckResult, ...]


def run(
    asked: Asked,
    rooms: Rooms,
    clock: Clock,
    *,
    pipeline: str,
    first: date,
    last: date | None = None,
    check_id: str | None = None,
) -> Outcome:
    """Judge the days from `first` to `last` (None: that day alone) of which rows are set aside, by one check or by any,
    once more from the lake. A day whose rows now come out otherwise gets a new revision in the intake, which nights
    after the newest one use; what is published stays.

    Raises:
        DecisionRefused: a day does not pass the rules as they are now; or it was taken in anew meanwhile.
        NotFound: no row is set aside there.
        SpecError, TablesDoNotFit: the folder, or the tables, are wrong.
    """
    folder = folder_of(pipeline, rooms)
    wanted = quarantine.Wanted(pipeline=pipeline, first=first, last=last or first, check_id=check_id, discarded=True)
    with rooms.transaction() as tx:
        layout.fits(tx, folder.pipeline)
        before = _in_use(tx, wanted)
    if not before:
        raise quarantine.nothing_in(pipeline)
    found = _judged(before, folder, rooms)
    again = _differing(found, rooms)
    if not again:
        rows = sum(b.quarantined or 0 for b in before)
        return Outcome(text=f"already so: the rules as they are now set the same {rows:,} rows aside")
    text = "\n".join(_told(each) for each in again)
    if asked.dry_run:
        return Outcome(text=f"would take in again\n{text}")
    opened, decision = _taken_in(again, wanted, asked, folder, rooms)
    after = f"nights after {opened.origin} use them (run {opened.run_id}); what is published stays"
    return Outcome(text=f"took in again\n{text}\n{after}", decision=decision)


def _taken_in(
    again: Sequence[Again], wanted: quarantine.Wanted, asked: Asked, folder: PipelineFolder, rooms: Rooms
) -> tuple[runs.Run, int]:
    """Store the days as new revisions, with the decision that they rest on: its run and its number."""
    digest, rules = rooms.lake.put_json(dict(folder.files)), rules_digest(folder.expectations)
    taken = take_in([each.day for each in again], {a.about.day: a.about for a in again}, folder, rules, rooms.lake)
    with rooms.transaction() as tx:
        decisions.lock(tx, wanted.pipeline)
        now = {b.event_day: b.revision for b in _in_use(tx, wanted)}
        if any(now.get(a.before.event_day) != a.before.revision for a in again):
            raise DecisionRefused(f"days of {wanted.pipeline} were taken in anew meanwhile; look again, then ask again")
        opened = _opened(tx, folder, digest, rooms)
        about = decisions.About(
            pipeline=wanted.pipeline,
            run_id=opened.run_id,
            check_id=wanted.check_id,
            first_day=min(t.event_day for t in taken),
            last_day=max(t.event_day for t in taken),
            evidence={"days": [t.event_day for t in taken]},
        )
        made = decisions.enter(tx, DecisionKind.REPLAY, about, asked)  # first: what follows is taken in because of it
        _stored(tx, opened, taken, again)
        reason = f"{len(taken)} days taken in again by decision {made.decision_id}"
        return runs.finish(tx, opened.run_id, RunState.DONE, reason), made.decision_id


def _in_use(tx: Connection, wanted: quarantine.Wanted) -> list[intake.Revision]:
    """The revisions in use of the days that have such rows, in the order of days."""
    counted = sorted(quarantine.days(tx, wanted), key=lambda d: d.event_day)
    revisions = ((d.revision, intake.history(tx, wanted.pipeline, d.event_day)) for d in counted)
    return [next(r for r in all_ if r.revision == revision) for revision, all_ in revisions]


def _judged(before: Sequence[intake.Revision], folder: PipelineFolder, rooms: Rooms) -> list[Again]:
    """Each day under the rules as they are now."""
    days = [b.event_day for b in before]
    calendar = read_calendar(folder, rooms.settings, min(days), max(days))
    opened = {c.day: c.open for c in calendar}
    expectations = checks.load(folder.expectations, pipeline=folder.pipeline.name)
    found, refused = [], []
    for each in before:
        with rooms.transaction() as tx:
            past = baseline_of(tx, folder.pipeline.name, each.event_day, None)
        about = Extracted(
            day=each.event_day,
            content=str(each.content_digest),
            raw_object=str(each.raw_object),
            rows=each.pulled or 0,
            restated=False,
        )
        judged = judge_day(about, folder, expectations, rooms.lake, opened=opened[each.event_day], past=past)
        results = _limited(judged.results, each.state)
        verdict = judge(results, []) if judged.day else judged.verdict
        if verdict.passed and judged.day is not None:
            found.append(Again(before=each, about=about, day=judged.day, results=results))
        else:
            refused.append(f"{each.event_day}: {verdict.summary}")
    if refused:
        raise DecisionRefused(
            f"{len(refused)} of {len(before)} days do not pass the rules of {folder.pipeline.name} as they are now; "
            "expected all of them to. Name other days, or correct the rules: " + "; ".join(refused)
        )
    return found


def _limited(results: Sequence[CheckResult], before: intake.IntakeState) -> tuple[CheckResult, ...]:
    """Limits only warn for an accepted day, as in an import; but for that on the share of rows that are set aside."""
    if before is intake.IntakeState.REJECTED:
        return tuple(results)
    return tuple(r if r.check_id == "quarantine.share" else s for r, s in zip(results, softened(results), strict=True))


def _differing(found: Sequence[Again], rooms: Rooms) -> list[Again]:
    """The days that were rejected, or of which other rows are set aside now, or for other reasons."""
    kept = []
    with rooms.transaction() as tx:
        for each in found:
            now = {s.position: s.reasons for s in each.day.set_aside}
            rejected = each.before.state is intake.IntakeState.REJECTED
            if rejected or now != quarantine.reasons(tx, each.before.run_id, each.before.event_day):
                kept.append(each)
    return kept


def _opened(tx: Connection, folder: PipelineFolder, digest: str, rooms: Rooms) -> runs.Run:
    """A run under which the days are taken in: of the newest origin, so that no earlier night knows of it."""
    newest = runs.newest_origin(tx, folder.pipeline.name)
    opened = runs.open_run(tx, folder.pipeline.name, newest, RunKind.REPLAY, RunMode.KNOWN_NOW)
    return runs.pin(tx, opened.run_id, spec_digest=digest, **code_pins(rooms))


def _stored(tx: Connection, opened: runs.Run, taken: Sequence[intake.Taken], again: Sequence[Again]) -> None:
    name, run_id = opened.pipeline, opened.run_id
    for each in taken:
        intake.record(tx, name, run_id, each)
    check_store.replace(tx, run_id, "validate", [r for each in again for r in each.results])
    days = [t.event_day for t in taken]
    check_store.quarantine(tx, run_id, name, days, [r for each in again for r in set_aside_rows(each.day)])
    runs.count(tx, run_id, **{name: sum(getattr(t, name) or 0 for t in taken) for name in COUNTS})


def _told(again: Again) -> str:
    day, before = again.day, again.before
    then = "rejected" if before.state is intake.IntakeState.REJECTED else f"{before.quarantined:,} set aside"
    return (
        f"{before.event_day}: {then} before; now of {day.pulled:,} rows {day.accepted.num_rows:,} accepted, "
        f"{len(day.set_aside):,} set aside, {day.duplicates:,} duplicates"
    )
