"""Drift scores as readers see them, and those of an earlier migration."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from nightcast.store import runs, scores
from nightcast.store.connect import transaction
from nightcast.store.queries import execute
from nightcast.store.scores import DriftScore

pytestmark = pytest.mark.postgres
ORIGIN = date(2011, 10, 31)


def drift(value, column="price", **more):
    given = {"reference": "training", "kind": "measure", "column_name": column, "statistic": "psi"}
    return DriftScore(value=value, definition="10 bins, ln", n_reference=100, n_current=10, **given | more)


def test_readers_are_shown_the_most_unusual_score_of_each_column_first(memory):
    found = [
        drift(0.5, column="price", statistic="psi", rank=0.01, rank_n=99),
        drift(0.4, column="price", statistic="gone_levels", rank=0.01, rank_n=99),
        drift(0.3, column="price", statistic="psi", slice="country=EIRE", rank=0.01, rank_n=29),
        drift(0.2, column="sku", statistic="psi", rank=0.5, rank_n=1),
        drift(0.0, column="free", statistic="psi", rank=1.0, rank_n=99),
        drift(0.9, column="kind", statistic="psi", rank=None, rank_n=0),
        drift(1.0, column="gone", statistic="presence", rank=None, rank_n=0),
        drift(None, column="old", statistic="presence", reason="the day is closed"),
        drift(None, column="odd", statistic="psi", slice="country=EIRE", reason="the day is closed"),
    ]
    shown = [(s.what, s.statistic, s.ranked) for s in scores.most_unusual(found, 9)]
    assert shown == [
        ("gone", "presence", "0 nights, provisional"),
        ("price", "gone_levels", "0.010 of 99 nights"),  # the plainest of those that are equally unusual
        ("country=EIRE: price", "psi", "0.010 of 29 nights, provisional"),
        ("sku", "psi", "0.500 of 1 nights, provisional"),
    ]
    assert len(scores.most_unusual(found, 2)) == 2
    assert scores.without_value(found) == {"the day is closed (training)": ["old", "country=EIRE: odd"]}


def test_scores_of_before_keep_why_they_had_no_value(memory):
    """The second migration's SQL, on a table as the first one made it."""
    file = Path(scores.__file__).parent / "migrations/sql/v0002_1_drift.sql"
    with memory.writing() as tx:
        run = runs.open_run(tx, "demand", ORIGIN).run_id
    with transaction(memory.url("nightcast_owner")) as tx:
        execute(tx, "ALTER TABLE internal.drift_score DROP COLUMN reason, DROP COLUMN moved")
        execute(
            tx,
            "INSERT INTO internal.drift_score VALUES ('demand', %(origin)s, %(run)s, 'training', 'measure', 'x', '',"
            " 'psi', NULL, 'ten bins; no value: current without rows', 1, 0), ('demand', %(origin)s, %(run)s,"
            " 'training', 'measure', 'y', '', 'psi', 0.5, 'ten bins', 1, 1)",
            {"origin": ORIGIN, "run": run},
        )
        execute(tx, file.read_text().replace("%", "%%"))
        found = {s.column_name: (s.value, s.definition, s.reason) for s in scores.of_run(tx, run)}
    assert found == {"x": (None, "ten bins", "current without rows"), "y": (0.5, "ten bins", None)}
