"""Drift scores: how far a night lies from its references, and where its own past lay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain import own_past
from nightcast.domain.statistic import Statistic
from nightcast.store.queries import execute, insert_many, load, rows

_SQL = load("scores")
Identity = tuple[str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class DriftScore:
    """One row of internal.drift_score. `value` is None where there is a `reason` why the statistic has none.

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
    reason: str | None = None
    moved: str | None = None  # in words, which part of the distribution moved

    @property
    def identity(self) -> Identity:
        """What is scored: reference, kind, column, slice and statistic."""
        return self.reference, self.kind, self.column_name, self.slice, self.statistic

    @property
    def provisional(self) -> bool:
        """Whether the rank is among too few nights to be relied on."""
        return own_past.provisional(self.rank_n or 0)

    @property
    def ranked(self) -> str:
        """The rank, and among how many nights, for readers."""
        nights = f"{self.rank_n or 0} nights{', provisional' if self.provisional else ''}"
        return nights if self.rank is None else f"{self.rank:.3f} of {nights}"

    @property
    def what(self) -> str:
        """The column, and of which part of the rows, for readers."""
        return f"{self.slice}: {self.column_name}" if self.slice else self.column_name


def replace(tx: Connection, run_id: int, scores: Sequence[DriftScore]) -> int:
    """Store a run's drift scores in the place of its earlier ones; how many."""
    execute(tx, _SQL["delete"], {"run_id": run_id})
    return insert_many(tx, _SQL["insert"], [(run_id, *astuple(score)) for score in scores], _SQL["score"])


def of_run(tx: Connection, run_id: int) -> list[DriftScore]:
    """A run's drift scores, by reference, kind, column, slice and statistic."""
    return [DriftScore(**found) for found in rows(tx, _SQL["of_run"], {"run_id": run_id})]


def most_unusual(scores: Iterable[DriftScore], most: int) -> list[DriftScore]:
    """The columns and slices that lie furthest in their own past, each with its most unusual score; lowest rank first.

    Nothing that did not move, and nothing without a rank, but a column that only one side has.
    """
    order = {name.value: at for at, name in enumerate(Statistic)}
    moved = [s for s in scores if s.value and (s.rank is not None or s.statistic == Statistic.PRESENCE)]
    best: dict[tuple[str, str, str], DriftScore] = {}
    for score in sorted(moved, key=lambda s: (s.rank or 0, s.slice != "", order.get(s.statistic, 0), s.identity)):
        best.setdefault((score.kind, score.column_name, score.slice), score)
    return list(best.values())[:most]


def without_value(scores: Iterable[DriftScore]) -> dict[str, list[str]]:
    """Why scores have no value, and of which columns and slices: a monitor that could not measure is not calm."""
    found: dict[str, dict[str, None]] = {}
    for score in scores:
        if score.reason is not None:
            found.setdefault(f"{score.reason} ({score.reference})", {})[score.what] = None
    return {reason: list(columns) for reason, columns in found.items()}


def past(tx: Connection, pipeline: str, before: date, nights: int = 400) -> dict[Identity, list[float]]:
    """Values of each score's own past: the last `nights` nights strictly before an origin, oldest first.

    One run per night counts, the newest that ended well: a stopped night is never a baseline, nor is one whose model
    looked ahead. Keys are `DriftScore.identity`.
    """
    found = rows(tx, _SQL["past"], {"pipeline": pipeline, "before": before, "nights": nights})
    return {(r["reference"], r["kind"], r["column_name"], r["slice"], r["statistic"]): r["earlier"] for r in found}
