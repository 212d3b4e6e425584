"""Judge the fresh rows, keep what passes, and pin the snapshot that the forecast will be made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from nightcast import checks
from nightcast.domain import gates, past_days
from nightcast.domain.decision import Waivers, waived
from nightcast.domain.feature_matrix import CALENDAR_AHEAD
from nightcast.domain.manifest import CalendarDay, Manifest, content_digest, digest_json, manifest_json
from nightcast.domain.night import RunKind, RunState, StepState
from nightcast.domain.verdict import CheckResult, Verdict, judge
from nightcast.errors import NightStopped
from nightcast.steps.calendar import read_calendar
from nightcast.steps.judging import judge_day
from nightcast.steps.levels import baseline_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import Attempt, attempt, committing, finish, known_at, night_result, over
from nightcast.steps.snapshot import load_manifest, manifest_of, missing_lately
from nightcast.steps.taking_in import Extracted, empty, extracted, rejected, rules_digest, set_aside_rows, take_in
from nightcast.store import checks as check_store
from nightcast.store import decisions, fence, intake, publication, runs
from nightcast.store import models as registry
from nightcast.store.connect import Connection

COUNTS = ("pulled", "accepted", "quarantined", "duplicates")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What validation found: lines for the intake, results, rows set aside, and the verdict on the night."""

    taken: Sequence[intake.Taken]
    results: Sequence[CheckResult]
    set_aside: Sequence[check_store.QuarantinedRow]
    waivers: Waivers
    verdict: Verdict = field(default_factory=lambda: Verdict(passed=True))


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Take in the days that `extract` found new, pin the manifest, and stop the night where a check says so.

    The results, the rows that were set aside and the verdict are committed before anything is raised. A night whose
    inputs equal those of its published revision ends here as `unchanged`.

    Raises:
        NightStopped: a check failed or could not run; the last good night stays published.
    """
    if done := over(night, rooms):
        return done
    with attempt(night, rooms, "validate") as trial:
        if trial.run.manifest_digest is not None:
            return _from_pins(trial, rooms)
        with rooms.transaction() as tx:
            found = fence.result_of(tx, trial.run.run_id, "extract") or {"days": []}
            calendar = _calendar(tx, trial, rooms)
            waivers = decisions.waivers(tx, trial.run.pipeline, trial.run.run_id)
        judged = _judge([extracted(d) for d in found["days"]], calendar, waivers, trial, rooms)
        with committing(trial, rooms) as tx:
            _store(tx, trial, judged)
            manifest = _snapshot(tx, trial, judged, calendar)
            judged = _with_gaps(tx, trial, judged, manifest)
            ended = _pin(tx, trial, manifest, judged, rooms)
        return _told(ended, trial, **{name: getattr(ended, name) for name in COUNTS})


def _told(ended: runs.Run, trial: Attempt, **more: Any) -> dict[str, Any]:
    """The step's answer, once the verdict is committed."""
    if ended.state is RunState.STOPPED:
        raise NightStopped(f"validate stopped {ended.pipeline} {ended.origin}: {ended.reason}")
    return night_result(ended, trial.folder, **more)


def _calendar(tx: Connection, trial: Attempt, rooms: Rooms) -> tuple[CalendarDay, ...]:
    """From the first day that is known to the end of the horizon, and the days after it that features look at."""
    origin, pipeline = trial.run.origin, trial.folder.pipeline
    known = intake.newest(tx, pipeline.name, last=origin, known_at=known_at(trial.run))
    window = trial.run.window
    first = min([*known, window.start if window else origin])
    last = origin + timedelta(days=pipeline.forecast.horizon)
    return read_calendar(trial.folder, rooms.settings, first, last, CALENDAR_AHEAD)


def _judge(
    days: Sequence[Extracted], calendar: Sequence[CalendarDay], waivers: Waivers, trial: Attempt, rooms: Rooms
) -> Judged:
    """Screen each new day on its own, so that a bad past day does not take tonight with it."""
    origin, folder = trial.run.origin, trial.folder
    opened = {c.day: c.open for c in calendar}
    expectations = checks.load(folder.expectations)
    taken: list[intake.Taken] = []
    results: list[CheckResult] = []
    set_aside: list[check_store.QuarantinedRow] = []
    verdict = Verdict(passed=True)
    for about in days:
        with rooms.transaction() as tx:
            past = baseline_of(tx, trial.run.pipeline, about.day, known_at(trial.run))
        judged = judge_day(
            about, folder, expectations, rooms.lake, opened=opened[about.day], past=past, waivers=waivers
        )
        day = judged.day
        if judged.verdict.passed and day is not None:
            rules = rules_digest(folder.expectations)
            taken += take_in([day], {about.day: about}, folder, rules, rooms.lake)
        else:
            taken.append(rejected(day, about, folder, rooms.lake))
        results += judged.results
        set_aside += set_aside_rows(day) if day else []
        verdict = judged.verdict if about.day == origin else verdict
    taken += _empty_days(days, opened, trial, rooms)
    if origin in {t.event_day for t in taken if t.pulled == 0} and opened[origin]:
        absent = waived(gates.rows_present(0, opened=True, scope=origin.isoformat()), waivers)
        results.append(absent)
        verdict = judge([absent], [])
    return Judged(taken=taken, results=results, set_aside=set_aside, waivers=waivers, verdict=verdict)


def _empty_days(
    days: Sequence[Extracted], opened: Mapping[date, bool], trial: Attempt, rooms: Rooms
) -> list[intake.Taken]:
    """Days of the window that the source has no rows for and that never had any."""
    window = trial.run.window
    if window is None:
        return []
    with rooms.transaction() as tx:
        known = intake.newest(tx, trial.run.pipeline, window.start, window.end, known_at=known_at(trial.run))
    there = {d.day for d in days} | {day for day, taken in known.items() if taken.content_digest is not None}
    span = [window.start + timedelta(days=n) for n in range((window.end - window.start).days + 1)]
    return [empty(day, opened=opened[day]) for day in span if day not in there]


def _store(tx: Connection, trial: Attempt, judged: Judged) -> None:
    """Keep what was taken in. A trial leaves no trace in the intake, which nights read."""
    run_id, pipeline = trial.run.run_id, trial.run.pipeline
    for taken in judged.taken if trial.run.kind is not RunKind.TRY else ():
        intake.record(tx, pipeline, run_id, taken)
    check_store.quarantine(tx, run_id, pipeline, [t.event_day for t in judged.taken], judged.set_aside)


def _snapshot(tx: Connection, trial: Attempt, judged: Judged, calendar: tuple[CalendarDay, ...]) -> Manifest:
    accepted: dict[date, intake.Taken] = dict(
        intake.newest(
            tx,
            trial.run.pipeline,
            last=trial.run.origin,
            known_at=known_at(trial.run),
            states=[intake.IntakeState.ACCEPTED],
        )
    )
    accepted |= {t.event_day: t for t in judged.taken if t.state is intake.IntakeState.ACCEPTED}
    return manifest_of(trial.folder, trial.run.origin, accepted, calendar)


def _with_gaps(tx: Connection, trial: Attempt, judged: Judged, manifest: Manifest) -> Judged:
    """Add the checks of missing and of restated days, store all results, and come to the final verdict."""
    most = trial.folder.pipeline.forecast.max_missing_days
    gap = waived(past_days.missing_days(missing_lately(manifest), most), judged.waivers)
    taken = (*intake.of_run(tx, trial.run.run_id), *judged.taken)  # by this run, in any attempt
    restated = past_days.restated_days({t.event_day for t in taken if t.restated}, trial.run.pipeline)
    results = [*judged.results, gap, restated]
    judged_now = {r.scope for r in results}  # what an earlier attempt of this run said of other days stands
    check_store.replace(tx, trial.run.run_id, "validate", results, judged_now)
    reasons = (*judged.verdict.reasons, *judge([gap], []).reasons)
    return replace(judged, results=results, verdict=Verdict(passed=not reasons, reasons=reasons))


def _pin(tx: Connection, trial: Attempt, manifest: Manifest, judged: Judged, rooms: Rooms) -> runs.Run:
    run_id, counts = trial.run.run_id, _counts(tx, trial, judged)
    runs.count(tx, run_id, **counts)
    if not judged.verdict.passed:
        finish(tx, trial, counts=counts, result={}, state=StepState.STOPPED)
        return runs.finish(tx, run_id, RunState.STOPPED, judged.verdict.summary)
    return _settle(tx, trial, manifest, rooms.lake.put_text(manifest_json(manifest)), counts)


def _settle(tx: Connection, trial: Attempt, manifest: Manifest, digest: str, counts: Mapping[str, int]) -> runs.Run:
    """Pin the snapshot. A run whose inputs are those of the published revision is over; one whose inputs made what a
    person withdrew is stopped.
    """
    run_id, inputs = trial.run.run_id, _input_digest(tx, trial.run, manifest)
    runs.pin(tx, run_id, manifest_digest=digest, input_digest=inputs)
    shown = publication.same_inputs(tx, trial.run.pipeline, trial.run.origin, inputs)
    withheld = None if shown else publication.withdrawn_inputs(tx, trial.run.pipeline, trial.run.origin, inputs)
    stopped = bool(withheld) and trial.run.kind is RunKind.NIGHT  # a trial is scored all the same
    state = StepState.STOPPED if stopped else StepState.DONE
    finish(tx, trial, counts=counts, result={} if stopped else {"manifest": digest}, state=state)
    if stopped:
        return runs.finish(tx, run_id, RunState.STOPPED, withheld)
    if shown and shown.run_id != run_id and trial.run.kind is RunKind.NIGHT:
        reason = f"the same inputs are published by run {shown.run_id} (revision {shown.revision})"
        return runs.finish(tx, run_id, RunState.UNCHANGED, reason)
    return runs.get(tx, run_id)


def _from_pins(trial: Attempt, rooms: Rooms) -> dict[str, Any]:
    """A run that was given its snapshot, or whose validation is done: nothing to take in."""
    digest = str(trial.run.manifest_digest)
    manifest = load_manifest(rooms.lake, digest)
    with committing(trial, rooms) as tx:
        if trial.run.pulled is None:
            runs.count(tx, trial.run.run_id, **dict.fromkeys(COUNTS, 0))
        ended = _settle(tx, trial, manifest, digest, {})
    return _told(ended, trial)


def _input_digest(tx: Connection, run_: runs.Run, manifest: Manifest) -> str:
    """Snapshot, bundle and spec together: equal inputs give equal rows."""
    bundle = registry.get(tx, run_.pipeline, run_.model_version or 0).bundle_digest
    return digest_json([content_digest(manifest), bundle, run_.spec_digest])


def _counts(tx: Connection, trial: Attempt, judged: Judged) -> dict[str, int]:
    """Rows of what this run took in, over all its attempts. Of a stopped night: what was judged."""
    if judged.verdict.passed and trial.run.kind is not RunKind.TRY:
        return intake.counts_of(tx, trial.run.run_id)
    return {name: sum(getattr(t, name) or 0 for t in judged.taken) for name in COUNTS}
