"""What three published nights leave behind: rows, counts, provenance, drift, accuracy, and what analysts read."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nightcast import checks as room
from nightcast import models
from nightcast.domain import gates
from nightcast.domain.night import DayState, RunState
from nightcast.domain.own_past import same_weekday_reference
from nightcast.steps.drift_history import SLICED
from nightcast.store import checks, connect, scores
from steps.world import FIRST_DAY, NIGHTS, PIPELINE, TRAINED_THROUGH, World

pytestmark = pytest.mark.postgres

ACCEPTABLE = """
sold_at::date = ANY(ARRAY[{days}]::date[]) AND price >= 0 AND NOT (price = 0 AND quantity > 0)
AND CASE WHEN invoice LIKE 'C%%' THEN quantity <= 0 ELSE quantity >= 0 END
AND abs(quantity) <= 20000 AND upper(trim(stock_code)) NOT LIKE 'TEST%%'
""".replace("%%", "%")


def runs(world: World) -> dict[date, dict[str, Any]]:
    found = world.as_writer("SELECT * FROM internal.run WHERE kind = 'night' ORDER BY run_id")
    return {r["origin"]: r for r in found}


def source_rows(world: World, *days: date, columns: str = "count(*)", where: str = ACCEPTABLE) -> list[Any]:
    listed = ", ".join(f"'{d}'" for d in days)
    return world.retail.query(f"SELECT {columns} FROM sales_line WHERE {where.format(days=listed)}")


def test_every_night_is_published_once_and_adds_up(published: World) -> None:
    found = runs(published)
    assert tuple(found) == NIGHTS
    for origin, run in found.items():
        assert run["state"] == RunState.PUBLISHED
        ((pulled,),) = source_rows(published, origin, where="sold_at::date = ANY(ARRAY[{days}]::date[])")
        ((accepted,),) = source_rows(published, origin)
        assert (run["pulled"], run["accepted"], run["duplicates"]) == (pulled, accepted, 0)
        assert run["pulled"] == run["accepted"] + run["quarantined"] + run["duplicates"]
        rows = published.as_analyst(f"SELECT * FROM forecast.{PIPELINE}_history WHERE origin = '{origin}'")
        keys, days = {r["sku"] for r in rows}, {r["target_date"] for r in rows}
        assert len(rows) == len(keys) * len(days) == run["expected"] == run["predictions"]
    publications = published.as_writer("SELECT origin, revision, withdrawn_at FROM internal.publication ORDER BY 1")
    assert [(p["origin"], p["revision"], p["withdrawn_at"]) for p in publications] == [(o, 1, None) for o in NIGHTS]


def test_the_universe_and_the_days_are_those_that_were_declared(published: World) -> None:
    for origin in NIGHTS:
        rows = published.as_analyst(
            f"SELECT sku, target_date FROM forecast.{PIPELINE}_history WHERE origin = '{origin}'"
        )
        bounds = f"day > '{origin}' AND day <= '{origin + timedelta(days=14)}' AND open"
        open_days = published.retail.query(f"SELECT day FROM trading_calendar WHERE {bounds}")
        assert {r["target_date"] for r in rows} == {d for (d,) in open_days}
        assert {r["sku"] for r in rows} == active(published, origin)


def active(world: World, origin: date) -> set[str]:
    """Articles sold on at least 3 of the last 56 days, as an independent query finds them."""
    article = "upper(trim(stock_code))"
    first = origin - timedelta(days=55)
    voided = """EXISTS (SELECT FROM sales_line c WHERE c.invoice LIKE 'C%' AND c.customer_id = s.customer_id
        AND upper(trim(c.stock_code)) = upper(trim(s.stock_code)) AND c.sold_at::date = s.sold_at::date
        AND c.quantity = -s.quantity AND c.sold_at >= s.sold_at)"""
    found = world.retail.query(
        f"SELECT {article} FROM sales_line s JOIN trading_calendar t ON t.day = s.sold_at::date AND t.open"
        f" WHERE sold_at >= '{first}' AND sold_at < '{origin + timedelta(days=1)}' AND invoice NOT LIKE 'C%'"
        f" AND price > 0 AND quantity BETWEEN 1 AND 20000 AND {article} ~ '^\\d{{5}}[A-Z]{{0,2}}$' AND NOT {voided}"
        f" GROUP BY 1 HAVING count(DISTINCT sold_at::date) >= 3"
    )
    return {sku for (sku,) in found}


def test_the_row_digest_is_what_an_analyst_computes(published: World) -> None:
    for origin, run in runs(published).items():
        digest = hashlib.sha256()
        query = (
            f"COPY (SELECT sku, origin, target_date, mean, q10, q50, q90 FROM forecast.{PIPELINE}_history"
            f" WHERE origin = '{origin}' ORDER BY sku COLLATE \"C\", target_date) TO STDOUT (FORMAT binary)"
        )
        with connect.transaction(published.url("analyst")) as tx, tx.cursor() as cursor:
            cursor.copy_expert(query, Sink(digest))
        assert digest.hexdigest() == run["row_digest"]


class Sink:
    def __init__(self, digest: Any) -> None:
        self.digest = digest

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return len(data)


def test_one_query_leads_from_a_prediction_to_all_that_it_was_made_of(published: World) -> None:
    (found,) = published.as_writer(f"""
        SELECT f.sku, f.target_date, f.origin, r.run_id, r.spec_digest, r.manifest_digest, r.input_digest,
            r.code_commit, r.environment, v.version, v.bundle_digest, v.training_digest, v.trained_through,
            v.spec_digest AS trained_with, t.code_commit AS trained_by, t.kind AS made_by
        FROM forecast.{PIPELINE} AS f
        INNER JOIN internal.run AS r ON r.run_id = f.run
        INNER JOIN internal.model_version AS v ON (v.pipeline, v.version) = (r.pipeline, r.model_version)
        INNER JOIN internal.run AS t ON t.run_id = v.run_id
        ORDER BY f.sku, f.target_date LIMIT 1""")
    assert (found["origin"], found["version"], found["trained_through"]) == (NIGHTS[-1], 2, TRAINED_THROUGH)
    assert (found["code_commit"], found["trained_by"], found["made_by"]) == ("test", "test", "training")
    assert {"python", "scikit-learn", "code"} <= found["environment"].keys()
    lake = published.rooms.lake
    assert (
        lake.get_json(found["spec_digest"])["pipeline.yaml"]
        == (published.folder / PIPELINE / "pipeline.yaml").read_text()
    )
    manifest = lake.get_json(found["manifest_digest"])
    assert (manifest["origin"], manifest["days"][0]["day"]) == (str(NIGHTS[-1]), str(FIRST_DAY))
    assert manifest["days"][-1]["day"] == str(NIGHTS[-1])
    opened = models.open_bundle(lake.get(found["bundle_digest"]), found["bundle_digest"])
    assert opened.about["training"] == found["training_digest"]
    assert lake.get_json(found["training_digest"])["origin"] == str(TRAINED_THROUGH)
    assert opened.about["trained_through"] == str(TRAINED_THROUGH)
    assert lake.get_json(found["trained_with"])["extract.sql"]


def test_set_aside_rows_have_their_reasons(published: World) -> None:
    for origin, run in runs(published).items():
        found = published.as_writer(f"SELECT * FROM internal.quarantined_row WHERE run_id = {run['run_id']}")
        assert len(found) == run["quarantined"]
        assert {r["event_day"] for r in found} <= {origin}
        for row in found:
            assert ("free_goods" in row["reasons"]) == (row["row"]["free"] is True)
            assert ("negative_quantity" in row["reasons"]) == (row["row"]["quantity"] < 0 and not row["row"]["cancels"])
    assert sum(r["quarantined"] for r in runs(published).values()) > 0


def test_every_declared_check_of_a_night_has_a_result(published: World) -> None:
    expectations = room.load((published.folder / PIPELINE / "expectations.yaml").read_text())
    declared = {e.id for e in (*expectations.contract, *expectations.rows, *expectations.signals)}
    for run in runs(published).values():
        with published.writing() as tx:
            found = {
                step: {c.check_id for c in checks.of_run(tx, run["run_id"], step)} for step in ("validate", "audit")
            }
        assert declared | {"duplicates", "quarantine.share", "reconcile.rows", "days.missing"} <= found["validate"]
        assert {*room.CONTRACT_IDS, "rows.present"} <= found["validate"]
        assert {*gates.AUDIT_IDS, "audit.model_version"} == found["audit"]


def drift_of(world: World, origin: date) -> list[scores.DriftScore]:
    with world.writing() as tx:
        return scores.of_run(tx, runs(world)[origin]["run_id"])


def test_drift_is_there_for_every_column_and_both_references(published: World) -> None:
    found = drift_of(published, NIGHTS[0])
    names: dict[tuple[str, str], set[str]] = {}
    for score in (s for s in found if s.value is not None):
        names.setdefault((score.reference, score.kind), set()).add(score.column_name)
    columns = {"measure": {"quantity", "price", "amount"}, "attribute": {"country", "kind", "cancels", "free"}}
    assert names["same_weekday_8", "measure"] == names["training", "measure"] == columns["measure"]
    assert names["same_weekday_8", "attribute"] == names["training", "attribute"] == columns["attribute"]
    assert names["training", "prediction"] == {"mean", "q10", "q50", "q90"}
    assert names["training", "feature"] == set(published.pipeline.feature_names)
    assert ("same_weekday_8", "feature") not in names  # no Monday night was published before
    unmeasured = {(s.reference, s.kind, s.statistic, s.reason) for s in found if s.value is None and not s.slice}
    why = "no night was published before on this weekday"
    assert unmeasured >= {("same_weekday_8", kind, "presence", why) for kind in ("feature", "prediction")}
    both = {"presence", "psi", "jensen_shannon", "missing_share", "new_levels", "gone_levels"}
    for score in found:
        assert score.definition
        assert min(score.n_reference, score.n_current) >= 0
        assert score.value is None or score.value >= 0
    whole = [s for s in found if not s.slice]
    assert {s.statistic for s in whole if s.column_name == "quantity"} == both | {"kolmogorov_smirnov", "wasserstein"}
    assert {s.statistic for s in whole if s.column_name == "country"} == both | {"chi_square", "l_infinity"}
    assert all(bool(s.moved) is bool(s.value) for s in found)


def test_drift_is_ranked_among_the_days_of_the_import(published: World) -> None:
    """Every open day of the history that had twins before it is in the rank of the first night."""
    with published.writing() as tx:
        past = scores.past(tx, PIPELINE, NIGHTS[0])
    for score in drift_of(published, NIGHTS[0]):
        if score.reference == "training":
            assert (score.rank, score.rank_n) == (None, 0)  # no night was compared with it before
        elif score.value is not None:
            earlier = past.get(score.identity, [])
            assert score.rank_n == len(earlier)
            assert score.slice or len(earlier) > 240  # some have no value on days with few rows
            assert score.provisional is (len(earlier) < 30)
            rank = (1 + sum(v >= score.value for v in earlier)) / (1 + len(earlier))
            assert score.rank == (rank if earlier else None)
    again = [s for s in drift_of(published, NIGHTS[1]) if s.reference == "training" and s.value is not None]
    assert {s.rank_n for s in again} == {1}


def test_slices_are_the_countries_and_add_up_to_the_night(published: World) -> None:
    """Of the source itself: how many rows each country has tonight, and what moved in them."""
    origin = NIGHTS[0]
    rows: dict[str, int] = {}
    for (country,) in source_rows(published, origin, columns="country"):
        rows[country] = rows.get(country, 0) + 1
    shares = {s.slice: s for s in drift_of(published, origin) if s.statistic == "row_share"}
    assert 2 < len(shares) <= 9
    assert sum(s.n_current for s in shares.values()) == sum(rows.values())
    for name, score in shares.items():
        if name != "country=(other)":
            assert score.n_current == rows.get(name.removeprefix("country="), 0)
    home = [s for s in drift_of(published, origin) if s.slice == "country=United Kingdom"]
    assert {s.column_name for s in home} == {"country", "quantity", "price", "amount", "kind", "cancels", "free"}
    assert all(100 < (s.rank_n or 0) <= 2 * SLICED for s in home)  # the last days of each of two imports


def test_drift_of_a_measure_is_what_scipy_says_of_the_source(published: World) -> None:
    origin = NIGHTS[0]
    opened = published.retail.query(f"SELECT DISTINCT sold_at::date FROM sales_line WHERE sold_at < '{origin}'")
    twins = same_weekday_reference(dict.fromkeys((d for (d,) in opened), DayState.ACCEPTED), origin)
    assert len(twins) == 8
    tonight, before = (
        np.array([float(q) for (q,) in source_rows(published, *days, columns="quantity")]) for days in ([origin], twins)
    )
    found = {
        s.statistic: s
        for s in drift_of(published, origin)
        if (s.reference, s.column_name, s.slice) == ("same_weekday_8", "quantity", "")
    }
    assert (found["psi"].n_current, found["psi"].n_reference) == (len(tonight), len(before))
    assert found["kolmogorov_smirnov"].value == pytest.approx(stats.ks_2samp(tonight, before).statistic, abs=1e-12)
    assert found["wasserstein"].value == pytest.approx(
        stats.wasserstein_distance(tonight, before) / before.std(), rel=1e-9
    )


def test_analysts_see_the_latest_night_all_nights_and_how_fresh_they_are(published: World) -> None:
    latest = published.as_analyst(f"SELECT DISTINCT origin FROM forecast.{PIPELINE}")
    history = published.as_analyst(f"SELECT DISTINCT origin, revision FROM forecast.{PIPELINE}_history ORDER BY 1")
    assert [r["origin"] for r in latest] == [NIGHTS[-1]]
    assert [(r["origin"], r["revision"]) for r in history] == [(o, 1) for o in NIGHTS]
    (fresh,) = published.as_analyst("SELECT * FROM forecast.freshness")
    assert (fresh["pipeline"], fresh["last_published_origin"]) == (PIPELINE, NIGHTS[-1])
    changes = published.as_analyst("SELECT * FROM forecast.changes ORDER BY published_at")
    assert [c["origin"] for c in changes] == list(NIGHTS)
    then = published.as_analyst(
        f"SELECT DISTINCT origin FROM forecast.{PIPELINE}_as_of('{changes[0]['published_at'].isoformat()}')"
    )
    assert [r["origin"] for r in then] == [NIGHTS[0]]
    same = published.as_analyst(f"TABLE forecast.{PIPELINE} EXCEPT ALL SELECT * FROM forecast.{PIPELINE}_as_of(now())")
    assert not same
