"""How far published forecasts were off: scores, each time they were computed, and what the newest rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.pipeline import Pipeline
from nightcast.store.queries import execute, insert_many, load, rows, the_row
from nightcast.store.queries import lock as lock_name

_SQL = load("accuracy")


@dataclass(frozen=True, kw_only=True)
class AccuracyScore:
    """One row of internal.accuracy_score, of the run that made the forecast. No `value`: `reason` says why."""

    run_id: int
    horizon_bucket: str
    method: str  # model | seasonal_naive
    metric: str
    maturity: str  # provisional | final
    value: float | None
    reason: str | None
    n: int
    sum_actual: float | None  # None where no actual has part in the metric
    days_compared: int
    days_forecast: int
    slice: str = ""


@dataclass(frozen=True, kw_only=True)
class StoredAccuracy(AccuracyScore):
    """A stored score."""

    origin: date
    model_version: int | None
    computed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Night:
    """A published night whose model did not look ahead, and what its newest scores rest on (None before the first).

    `before` is the run of the night published before it. The comments of internal.accuracy_basis say what the others
    mean.
    """

    origin: date
    run_id: int
    before: int | None
    yardstick: str | None
    last_target: date | None
    truth: str | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The newest scores of all entities in one bucket of a night, for people. Units: shares, None where undefined.

    Before any of its days has come, a bucket has nothing but its churn.
    """

    origin: date
    run_id: int
    horizon_bucket: str
    maturity: str | None
    days_compared: int | None
    days_forecast: int | None
    n: int | None
    wape_day: float | None
    naive_wape_day: float | None
    value_added_day: float | None
    wape_horizon: float | None
    bias: float | None
    coverage: float | None
    churn: float | None

    @property
    def shares(self) -> tuple[float | None, ...]:
        """The seven scores, in the order of the fields."""
        added, over = self.value_added_day, self.wape_horizon
        return self.wape_day, self.naive_wape_day, added, over, self.bias, self.coverage, self.churn

    @property
    def come(self) -> str | None:
        """How much of the bucket is compared."""
        return f"{self.days_compared} of {self.days_forecast} days" if self.days_compared else None


def lock(tx: Connection, pipeline: Pipeline) -> None:
    """Wait for others who store scores of the pipeline."""
    lock_name(tx, "accuracy", pipeline.name)


def nights(tx: Connection, pipeline: Pipeline) -> list[Night]:
    """The nights that can be scored, in the order of origins."""
    asked = {"pipeline": pipeline.name, "version": pipeline.version}
    return [Night(**found) for found in rows(tx, _SQL["nights"], asked)]


def seen(tx: Connection, pipeline: Pipeline) -> date | None:
    """The newest event day that was taken in, in whatever state."""
    found: date | None = the_row(tx, _SQL["seen"], {"pipeline": pipeline.name})["seen"]
    return found


def keep_basis(tx: Connection, run_id: int, *, yardstick: str, last_target: date, truth: str) -> None:
    """Remember what the newest scores of a run rest on."""
    what = {"run_id": run_id, "yardstick": yardstick, "last_target": last_target, "truth": truth}
    execute(tx, _SQL["keep_basis"], what)


def add(tx: Connection, scores: Sequence[AccuracyScore]) -> int:
    """Store scores beside those computed before; those equal to the newest stored are left out. How many were new."""
    known = {_identity(old): old for run_id in {s.run_id for s in scores} for old in of_run(tx, run_id)}
    fresh = [s for s in scores if (old := known.get(_identity(s))) is None or _said(old) != _said(s)]
    return insert_many(tx, _SQL["add"], [(*_identity(s), *_said(s)) for s in fresh], _SQL["score"])


def of_run(tx: Connection, run_id: int) -> list[StoredAccuracy]:
    """The newest scores of the forecasts that a run made."""
    return [StoredAccuracy(**found) for found in rows(tx, _SQL["of_run"], {"run_id": run_id})]


def summary(tx: Connection, pipeline: str, run_id: int, before: date, nights: int = 7) -> list[Summary]:
    """Every bucket of a run, and the whole horizon of the last nights published before an origin; newest first."""
    asked = {"pipeline": pipeline, "run_id": run_id, "before": before, "nights": nights}
    return [Summary(**found) for found in rows(tx, _SQL["summary"], asked)]


def _identity(s: AccuracyScore) -> tuple[int, str, str, str, str]:
    return s.run_id, s.horizon_bucket, s.slice, s.method, s.metric


def _said(s: AccuracyScore) -> tuple[object, ...]:
    return s.maturity, s.value, s.reason, s.n, s.sum_actual, s.days_compared, s.days_forecast
