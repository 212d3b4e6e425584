"""Take in the history before a pipeline's first night, through the same extract and validate; limits warn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NoReturn

from nightcast import checks
from nightcast.domain.baseline import DAYS, Baseline, level_at
from nightcast.domain.night import RunKind, RunState, Window
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.verdict import CheckResult, Verdict, judge
from nightcast.errors import NightRefused, NightStopped
from nightcast.steps import drift_history, failure
from nightcast.steps.calendar import read_calendar
from nightcast.steps.extract import news, pull
from nightcast.steps.open_run import folder_of
from nightcast.steps.pseudonyms import key_pin
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import code_pins
from nightcast.steps.screening import ScreenedDay, screen, signals, softened
from nightcast.steps.taking_in import Extracted, empty, rules_digest, set_aside_rows, take_in
from nightcast.store import checks as check_store
from nightcast.store import decisions, intake, layout, runs

ACCEPTED = intake.IntakeState.ACCEPTED

Progress = Callable[[str], None]


@dataclass
class _History:
    """Row counts of accepted days, and the levels that were accepted: what signals are compared with."""

    levels: Sequence[date]
    rows: dict[date, int] = field(default_factory=dict)

    def before(self, day: date) -> Baseline:
        since = level_at(self.levels, day)
        twins = sorted(d for d in self.rows if (since or d) <= d < day and d.weekday() == day.weekday())
        return Baseline(rows=tuple(self.rows[d] for d in twins[-DAYS:]), since=since)

    def add(self, known: Mapping[date, intake.Revision]) -> None:
        self.rows |= {day: int(taken.signals["rows"]) for day, taken in known.items() if "rows" in taken.signals}


def run(
    request: Mapping[str, Any],
    rooms: Rooms,
    clock: Clock,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Import the event days from `first` to `last` (ISO, both included) of `pipeline`, a month at a time.

    Days that are known with the same rows are left alone, so an interrupted import goes on where it was.

    Raises:
        NightRefused: `first` is after `last`.
        NightStopped: a check could not run, or the contract is broken: what came before is kept.
    """
    first, last = date.fromisoformat(request["first"]), date.fromisoformat(request["last"])
    if first > last:
        raise NightRefused(f"the days to import go from {first} to {last}; expected a first day that is not later")
    folder = folder_of(request["pipeline"], rooms)
    opened = _open(folder, first, last, rooms)
    with failure.recording({"run_id": opened.run_id}, "import", rooms, clock, BaseException):
        counts = _months(folder, opened, first, last, rooms, progress)
        progress("drift of past days, for the ranks of the nights to come")
        drift_history.run(opened, folder, first, last, rooms)
        with rooms.transaction() as tx:
            runs.count(tx, opened.run_id, **{n: v for n, v in counts.items() if n != "days"})
            ended = runs.finish(tx, opened.run_id, RunState.DONE, f"{counts['days']} days from {first} to {last}")
    return {"run_id": ended.run_id, "pipeline": ended.pipeline, "state": ended.state, **counts}


def _months(
    folder: PipelineFolder, opened: runs.Run, first: date, last: date, rooms: Rooms, progress: Progress
) -> dict[str, int]:
    """Take in month after month; what was counted."""
    calendar = read_calendar(folder, rooms.settings, first, last)
    counts = dict.fromkeys(("days", "pulled", "accepted", "quarantined", "duplicates"), 0)
    with rooms.transaction() as tx:
        history = _History(decisions.levels(tx, folder.pipeline.name))
        history.add(intake.newest(tx, folder.pipeline.name, last=first - timedelta(days=1), states=[ACCEPTED]))
    for window in months(first, last):
        taken = _month(window, {c.day: c.open for c in calendar}, folder, opened, history, rooms)
        for name in counts:
            counts[name] += sum(1 if name == "days" else getattr(t, name) or 0 for t in taken)
        progress(f"{window.start:%Y-%m}: {counts['days']} days, {counts['pulled']} rows so far")
    return counts


def months(first: date, last: date) -> Iterator[Window]:
    """The calendar months from `first` to `last`, the outer ones cut."""
    start = first
    while start <= last:
        after = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield Window(start=start, end=min(last, after - timedelta(days=1)))
        start = after


def _open(folder: PipelineFolder, first: date, last: date, rooms: Rooms) -> runs.Run:
    digest = rooms.lake.put_json(dict(folder.files))
    with rooms.transaction() as tx:
        layout.fits(tx, folder.pipeline)
        opened = runs.open_run(tx, folder.pipeline.name, last, RunKind.IMPORT)
        return runs.pin(
            tx,
            opened.run_id,
            spec_digest=digest,
            window_start=first,
            window_end=last,
            **code_pins(rooms, key_pin(tx, folder, rooms)),
        )


def _month(
    window: Window,
    opened: Mapping[date, bool],
    folder: PipelineFolder,
    run_: runs.Run,
    history: _History,
    rooms: Rooms,
) -> list[intake.Taken]:
    name, scope = folder.pipeline.name, f"{window.start:%Y-%m}"
    pulled = pull(folder, window, rooms)
    with rooms.transaction() as tx:
        known = intake.newest(tx, name, window.start, window.end)
    history.add(known)
    about = {e.day: e for e in news(pulled, known)}
    taken, results, days, verdict = _screened(about, opened, folder, history, scope, rooms)
    if not verdict.passed:
        _stop(run_, f"{scope}: {verdict.summary}", results, rooms)
    span = [window.start + timedelta(days=n) for n in range((window.end - window.start).days + 1)]
    taken += [empty(day, opened=opened[day]) for day in span if day not in pulled and day not in known]
    with rooms.transaction() as tx:
        for each in taken:
            intake.record(tx, name, run_.run_id, each)
        check_store.replace(tx, run_.run_id, "validate", results, {r.scope for r in results})
        check_store.quarantine(
            tx, run_.run_id, name, [d.day for d in days], [row for d in days for row in set_aside_rows(d)]
        )
    return taken


def _screened(
    about: Mapping[date, Extracted],
    opened: Mapping[date, bool],
    folder: PipelineFolder,
    history: _History,
    scope: str,
    rooms: Rooms,
) -> tuple[list[intake.Taken], list[CheckResult], list[ScreenedDay], Verdict]:
    if not about:
        return [], [], [], Verdict(passed=True)
    expectations = checks.load(folder.expectations)
    tables = {day: rooms.lake.get_table(e.raw_object) for day, e in about.items()}
    screened = screen(tables, folder, expectations, opened, scope)
    results = list(screened.results)
    for day in screened.days:
        if opened[day.day]:
            results += signals(day, expectations, history.before(day.day), day.day.isoformat())
            history.rows[day.day] = day.distinct_rows
    verdict = _verdict(screened.verdict, bool(screened.days), results)
    if not verdict.passed:
        return [], results, [], verdict
    taken = take_in(screened.days, about, folder, rules_digest(folder.expectations), rooms.lake)
    return taken, softened(results), list(screened.days), verdict


def _stop(run_: runs.Run, reason: str, results: Sequence[CheckResult], rooms: Rooms) -> NoReturn:
    """Keep what was found before it is raised, as a night does."""
    with rooms.transaction() as tx:
        check_store.replace(tx, run_.run_id, "validate", results, {r.scope for r in results})
        runs.finish(tx, run_.run_id, RunState.STOPPED, reason)
    raise NightStopped(f"the import of {run_.pipeline} stopped at {reason}")


def _verdict(contract: Verdict, screened: bool, results: Sequence[CheckResult]) -> Verdict:
    """An import stops where the contract is broken or a check could not run; limits only warn."""
    return judge(softened(results), []) if screened else contract
