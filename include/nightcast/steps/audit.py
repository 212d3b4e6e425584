"""Judge what was predicted before anybody can read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from nightcast import checks
from nightcast.domain import gates
from nightcast.domain.baseline import Baseline, compared, level_at, way_out
from nightcast.domain.decision import waived
from nightcast.domain.manifest import Manifest
from nightcast.domain.night import RunState, StepState
from nightcast.domain.universe import universe
from nightcast.domain.verdict import CheckResult, judge
from nightcast.domain.windows import History
from nightcast.errors import NightStopped
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import Attempt, attempt, committing, finish, night_result, over
from nightcast.steps.snapshot import cubes, load_manifest
from nightcast.store import checks as check_store
from nightcast.store import decisions, fence, predictions, publication, runs
from nightcast.store import models as registry
from nightcast.store.connect import Connection


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Check that every expected key is there on every open day once, that numbers are sane, and that all adds up.

    What is expected is computed here anew from the snapshot, not taken from `predict`.

    Raises:
        NightStopped: a check failed or could not run; the last good night stays published.
    """
    if done := over(night, rooms):
        return done
    with attempt(night, rooms, "audit") as trial:
        expectations = checks.load(trial.folder.expectations)
        manifest = load_manifest(rooms.lake, str(trial.run.manifest_digest))
        keys, days = expected(trial, manifest, rooms)
        with rooms.transaction() as tx:
            results, facts = _results(tx, trial, keys, days, expectations)
        declared = [*gates.AUDIT_IDS, "audit.model_version", *(e.id for e in expectations.predictions)]
        verdict = judge(results, declared)
        with committing(trial, rooms) as tx:
            check_store.replace(tx, trial.run.run_id, "audit", results)
            runs.count(tx, trial.run.run_id, expected=facts["expected"], predictions=facts["rows"])
            if verdict.passed:
                runs.pin(tx, trial.run.run_id, row_digest=facts["digest"])
                finish(tx, trial, counts=facts, result=facts)
            else:
                runs.finish(tx, trial.run.run_id, RunState.STOPPED, verdict.summary)
                finish(tx, trial, counts=facts, result={}, state=StepState.STOPPED)
        if not verdict.passed:
            raise NightStopped(f"audit stopped {trial.run.pipeline} {trial.run.origin}: {verdict.summary}")
        return night_result(trial.run, trial.folder, **facts)


def expected(trial: Attempt, manifest: Manifest, rooms: Rooms) -> tuple[pa.Table, list[date]]:
    """The keys of the universe at the origin, and the open days of the horizon.

    Only the days that decide who belongs to the universe are read, so that the cost does not grow with the history.
    """
    forecast = trial.folder.pipeline.forecast
    recent = replace(manifest, days=manifest.days[-forecast.universe.trailing_days :])
    parts = []
    for cube in cubes(rooms.lake, recent, trial.folder, (0, 1)):
        members = universe(History(cube), manifest.origin, forecast)
        parts.append(cube.keys.take(pa.array(members)))
    last = manifest.origin + timedelta(days=forecast.horizon)
    days = [c.day for c in manifest.calendar if c.open and manifest.origin < c.day <= last]
    return pa.concat_tables(parts), days


def _results(
    tx: Connection, trial: Attempt, keys: pa.Table, days: list[date], expectations: checks.Expectations
) -> tuple[list[CheckResult], dict[str, Any]]:
    pipeline, run_id = trial.folder.pipeline, trial.run.run_id
    numbers = predictions.aggregates(tx, pipeline, run_id)
    complete = predictions.completeness(tx, pipeline, run_id, keys, days)
    steps = fence.results_of(tx, run_id, "predict")
    since = level_at(decisions.levels(tx, pipeline.name), trial.run.origin)
    last = publication.before(tx, pipeline.name, trial.run.origin)
    if last and since and last.origin < since:
        last = None
    results = gates.audit(
        asdict(numbers) | {"shards_done": len(steps)},
        asdict(complete),
        keys=keys.num_rows,
        days=len(days),
        shards=pipeline.shards,
    )
    pinned = registry.get(tx, pipeline.name, trial.run.model_version or 0).bundle_digest
    results.append(gates.model_version([str(found.get("bundle")) for found in steps.values()], pinned))
    before = predictions.totals_by_day(tx, pipeline, last.run_id) if last else {}
    told = Baseline(way_out=way_out(pipeline.name, last.origin + timedelta(days=1) if last else trial.run.origin))
    totals = gates.totals(predictions.totals_by_day(tx, pipeline, run_id), before, pipeline.audit, since)
    results += (compared(r, told) for r in totals)
    if expectations.predictions:
        table = predictions.of_run(tx, pipeline, run_id)
        results += [o.result for o in checks.run(expectations.predictions, table, {}, scope="")]
    waivers = decisions.waivers(tx, pipeline.name, run_id)
    facts = {
        "rows": numbers.rows,
        "expected": complete.expected,
        "keys": keys.num_rows,
        "open_days": len(days),
        "digest": predictions.row_digest(tx, pipeline, run_id),
    }
    return [waived(r, waivers) for r in results], facts
