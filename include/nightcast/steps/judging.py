"""Judge the rows of one event day: what a night and a replay share."""

from __future__ import annotations

from dataclasses import dataclass

from nightcast import checks
from nightcast.domain.baseline import Baseline
from nightcast.domain.decision import NO_WAIVERS, Waivers
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.verdict import CheckResult, Verdict, judge
from nightcast.lake import Lake
from nightcast.steps.screening import ScreenedDay, screen, signals
from nightcast.steps.taking_in import Extracted


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedDay:
    """A day with its rows sorted out (None where the contract is broken), every result, and the verdict on it."""

    about: Extracted
    day: ScreenedDay | None
    results: tuple[CheckResult, ...]
    verdict: Verdict


def judge_day(
    about: Extracted,
    folder: PipelineFolder,
    expectations: checks.Expectations,
    lake: Lake,
    *,
    opened: bool,
    past: Baseline,
    waivers: Waivers = NO_WAIVERS,
) -> JudgedDay:
    """Screen a day on its own, and judge it as a whole where the calendar has it as open."""
    scope = about.day.isoformat()
    table = lake.get_table(about.raw_object)
    screened = screen({about.day: table}, folder, expectations, {about.day: opened}, scope, waivers)
    day = screened.days[0] if screened.days else None
    if day is None or not opened:
        return JudgedDay(about=about, day=day, results=screened.results, verdict=screened.verdict)
    results = (*screened.results, *signals(day, expectations, past, scope, waivers))
    declared = [e.id for e in (*expectations.rows, *expectations.signals)]
    return JudgedDay(about=about, day=day, results=results, verdict=judge(results, declared))
