"""Drift scores: how far a night lies from its references, and where its own past lay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.store.queries import execute, insert_many, load, rows

_SQL = load("scores")
Identity = tuple[str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class DriftScore:
    """One row of internal.drift_score. `value` is None where the statistic does not apply.

    `origin` is the night that is scored: None for the run's own; an import scores many.
    """

    reference: str  # same_weekday_8 | training
    kind: str  # measure | attribute | feature | prediction
    column_name: str
    statistic: str
    value: float | None
    definition: str  # formula, base of the logarithm, bins
    n_reference: int
    n_current: int
    rank: float | None = None  # (1 + past values at least as large) / (1 + past values): small is unusual
    rank_n: int | None = None
    slice: str = ""
    origin: date | None = None

    @property
    def identity(self) -> Identity:
        """What is scored: reference, kind, column, slice and statistic."""
        return self.reference, self.kind, self.column_name, self.slice, self.statistic


def replace(tx: Connection, run_id: int, scores: Sequence[DriftScore]) -> int:
    """Store a run's drift scores in the place of its earlier ones; how many."""
    execute(tx, _SQL["delete"], {"run_id": run_id})
    return insert_many(tx, _SQL["insert"], [(run_id, *astuple(score)) for score in scores], _SQL["score"])


def of_run(tx: Connection, run_id: int) -> list[DriftScore]:
    """A run's drift scores, by reference, kind, column, slice and statistic."""
    return [DriftScore(**found) for found in rows(tx, _SQL["of_run"], {"run_id": run_id})]


def past(tx: Connection, pipeline: str, before: date, nights: int = 400) -> dict[Identity, list[float]]:
    """Values of each score's own past: the last `nights` nights strictly before an origin, oldest first.

    One run per night counts, the newest that ended well: a stopped night is never a baseline, nor is one whose model
    looked ahead. Keys are `DriftScore.identity`.
    """
    found: dict[Identity, list[float]] = {}
    for each in rows(tx, _SQL["past"], {"pipeline": pipeline, "before": before, "nights": nights}):
        identity = (each["reference"], each["kind"], each["column_name"], each["slice"], each["statistic"])
        found.setdefault(identity, []).append(each["value"])
    return found
