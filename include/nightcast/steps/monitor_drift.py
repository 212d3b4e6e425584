"""How far tonight lies from its references, recorded and not yet judged. Of a stopped night too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from nightcast import models
from nightcast.domain.night import DayState, RunState
from nightcast.domain.own_past import same_weekday_reference
from nightcast.domain.profile import ColumnProfile, from_json
from nightcast.lake import Lake
from nightcast.steps.drifting import (
    HISTORY,
    SAME_WEEKDAY,
    TRAINING,
    Comparison,
    Day,
    compared,
    compared_slices,
    day_of,
    declared,
    merged,
)
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import Attempt, attempt, committing, finish, night_result
from nightcast.store import fence, intake, publication, runs, scores
from nightcast.store import models as registry
from nightcast.store.connect import Connection


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Compare inputs, features and predictions with the same weekday's past and with the model's training.

    A failure here takes nothing back that was published.
    """
    with rooms.transaction() as tx:
        state = runs.get(tx, night["run_id"]).state
    if state in (RunState.UNCHANGED, RunState.TOO_OLD):
        return {**night, "skip": True, "why": f"run {night['run_id']} is {state}: nothing new to compare"}
    with attempt(night, rooms, "monitor_drift", judges=False) as trial:
        with rooms.transaction() as tx:
            past = scores.past(tx, trial.run.pipeline, trial.run.origin, HISTORY)
            tonight, scored = _inputs_tonight(tx, trial, rooms.lake), _of_run(tx, trial.run.run_id, rooms.lake)
            before, scored_before = _inputs_before(tx, trial, rooms.lake), _nights_before(tx, trial, rooms.lake)
            trained = _training(tx, trial, rooms.lake)
        weekday, training = (Comparison(reference=r, past=past, words=True) for r in (SAME_WEEKDAY, TRAINING))
        inputs = declared(trial.folder.pipeline)
        found = [
            *compared(
                weekday, {**tonight.columns, **scored}, merged(d.columns for d in before) | scored_before, inputs
            ),
            *compared_slices(weekday, tonight, before),
            *compared(training, {**tonight.columns, **scored}, trained, inputs),
        ]
        with committing(trial, rooms) as tx:
            scores.replace(tx, trial.run.run_id, found)
            finish(tx, trial, counts=_counted(found), result={})
        return night_result(trial.run, trial.folder, scores=len(found))


def _counted(found: Sequence[scores.DriftScore]) -> dict[str, int]:
    """Of a night's scores: columns, slices, and how many have no value."""
    return {
        "columns": len({(s.kind, s.column_name) for s in found}),
        "slices": len({s.slice for s in found if s.slice}),
        "scores": len(found),
        "without_value": sum(s.value is None for s in found),
    }


def _inputs_tonight(tx: Connection, trial: Attempt, lake: Lake) -> Day:
    """The night's own day, also if it was rejected: that is when people look. A closed day has no profiles."""
    origin = trial.run.origin
    own = [t for t in intake.of_run(tx, trial.run.run_id) if t.event_day == origin]
    known = own[-1] if own else intake.newest(tx, trial.run.pipeline, origin, origin, known_at=origin).get(origin)
    return day_of(lake, known.profile_object if known else None)


def _inputs_before(tx: Connection, trial: Attempt, lake: Lake) -> list[Day]:
    origin = trial.run.origin
    known = intake.newest(tx, trial.run.pipeline, last=origin, known_at=origin, states=[intake.IntakeState.ACCEPTED])
    twins = same_weekday_reference(dict.fromkeys(known, DayState.ACCEPTED), origin)
    return [day_of(lake, known[day].profile_object) for day in twins]


def _nights_before(tx: Connection, trial: Attempt, lake: Lake) -> dict[tuple[str, str], ColumnProfile]:
    """Features and predictions of the published nights of the same weekday whose model did not look ahead."""
    published = publication.published(tx, trial.run.pipeline, last=trial.run.origin)
    shown = {p.origin: p.run_id for p in published if not runs.get(tx, p.run_id).look_ahead}
    twins: tuple[date, ...] = same_weekday_reference(dict.fromkeys(shown, DayState.ACCEPTED), trial.run.origin)
    return merged(_of_run(tx, shown[day], lake) for day in twins)


def _of_run(tx: Connection, run_id: int, lake: Lake) -> dict[tuple[str, str], ColumnProfile]:
    """Features and predictions of a run, over its shards."""
    digests = [str(r["profile"]) for r in fence.results_of(tx, run_id, "predict").values()]
    return merged(from_bundle(lake.get_json(d)) for d in digests)


def _training(tx: Connection, trial: Attempt, lake: Lake) -> dict[tuple[str, str], ColumnProfile]:
    if trial.run.model_version is None:
        return {}
    digest = registry.get(tx, trial.run.pipeline, trial.run.model_version).bundle_digest
    return from_bundle(models.profiles_of(lake.get(digest), digest))


def from_bundle(raw: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], ColumnProfile]:
    """Profiles as `predict` and `evaluate` keep them: kind -> column -> profile."""
    return {(kind, name): from_json(p) for kind, columns in raw.items() for name, p in columns.items()}
