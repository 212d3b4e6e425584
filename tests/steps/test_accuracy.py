"""Accuracy of published nights: as an analyst computes it, by what the night knew, and anew when truth changes."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from nightcast.domain.accuracy_metrics import POINT, definitions
from nightcast.steps import monitor_accuracy
from nightcast.steps.scoring import scored
from nightcast.store import accuracy, connect
from nightcast.store.queries import execute
from steps.world import (
    FIRST_DAY,
    FIRST_NIGHT,
    LATE,
    NEXT,
    NIGHTS,
    NOT_LATE,
    PIPELINE,
    RESTATED,
    World,
    changed,
    scheduled,
)

pytestmark = pytest.mark.postgres


def beside(world: World, origin: date) -> list[dict[str, Any]]:
    """Forecasts of a night beside what happened, as analysts read them."""
    return world.as_analyst(
        f"SELECT * FROM forecast.{PIPELINE}_vs_actual WHERE origin = '{origin}' AND actual IS NOT NULL"
        " ORDER BY sku, target_date"
    )


def scores(world: World, origin: date, view: str = "accuracy", **where: str) -> dict[tuple[str, str], dict[str, Any]]:
    conditions = {"horizon_bucket": "all", "slice": "", **where}
    listed = " AND ".join(f"{name} = '{value}'" for name, value in conditions.items())
    found = world.as_analyst(
        f"SELECT * FROM forecast.{PIPELINE}_{view} WHERE origin = '{origin}' AND {listed} ORDER BY computed_at"
    )
    return {(each["method"], each["metric"]): each for each in found}


def sold_before(world: World, origin: date) -> dict[tuple[str, date], int]:
    """Units by article and day up to the origin: a plain pass over the source, without the pipeline's SQL."""
    lines = world.retail.query(
        "SELECT delivery, invoice, upper(trim(stock_code)), quantity, sold_at, price, customer_id FROM sales_line"
        f" WHERE sold_at >= '{FIRST_DAY}' AND sold_at < '{origin + timedelta(days=1)}' ORDER BY sold_at, line"
    )
    newest: dict[tuple[str, date], int] = defaultdict(int)
    for delivery, invoice, _, _, at, _, _ in lines:
        newest[invoice, at.date()] = max(newest[invoice, at.date()], delivery)
    sales, taken_back = defaultdict(list), defaultdict(list)
    for delivery, invoice, sku, quantity, at, price, customer in lines:
        if delivery == newest[invoice, at.date()] and re.fullmatch(r"\d{5}[A-Z]{0,2}", sku):
            if invoice.startswith("C"):
                taken_back[customer, sku, at.date(), -quantity].append(at)
            elif price > 0 and 0 < quantity <= 20000:
                sales[customer, sku, at.date(), quantity].append(at)
    units: dict[tuple[str, date], int] = defaultdict(int)
    for (customer, sku, day, quantity), sold in sales.items():
        back = taken_back[customer, sku, day, quantity] if customer else []
        void = sum(s <= c for s, c in zip(sold, back, strict=False))
        units[sku, day] += quantity * (len(sold) - void)
    return units


def test_every_metric_is_there_once_for_each_bucket_that_has_begun(published: World) -> None:
    for origin, buckets in zip(NIGHTS, ({"1", "2-7", "all"}, {"1", "all"}, set()), strict=True):
        found = published.as_analyst(
            f"SELECT * FROM forecast.{PIPELINE}_accuracy WHERE origin = '{origin}' AND metric <> 'churn'"
        )
        assert {f["horizon_bucket"] for f in found} == buckets
        identities = [(f["horizon_bucket"], f["slice"], f["method"], f["metric"]) for f in found]
        assert len(identities) == len(set(identities))
        for bucket in buckets:
            here = [f for f in found if (f["horizon_bucket"], f["slice"]) == (bucket, "")]
            wanted = definitions(published.pipeline.forecast.quantiles)
            assert {f["metric"] for f in here if f["method"] == "model"} == wanted.keys() - {"churn"}
            assert {f["metric"] for f in here if f["method"] == "seasonal_naive"} == set(POINT)
            assert all(f["unit"] and f["definition"] and (f["metric_value"] is None) == bool(f["reason"]) for f in here)


def test_metrics_are_what_an_analyst_computes(published: World) -> None:
    origin = NIGHTS[0]
    rows, found = beside(published, origin), scores(published, origin)
    days = len({r["target_date"] for r in rows})
    for score in found.values():
        assert (score["days_compared"], score["maturity"]) == (days, "provisional")
    actual, mean = (np.array([float(r[name]) for r in rows]) for name in ("actual", "mean"))
    summed: dict[str, np.ndarray[Any, Any]] = defaultdict(lambda: np.zeros(2))
    for row in rows:
        summed[row["sku"]] += [row["actual"], row["mean"]]
    sums = np.array(list(summed.values()))
    q10, q90 = (np.array([r[name] for r in rows]) for name in ("q10", "q90"))
    expected = {
        "wape_day": np.abs(actual - mean).sum() / actual.sum(),
        "wape_horizon": np.abs(sums[:, 0] - sums[:, 1]).sum() / actual.sum(),
        "bias": mean.sum() / actual.sum() - 1,
        "pinball_q90": np.maximum(0.9 * (actual - q90), -0.1 * (actual - q90)).mean(),
        "share_below_q10": (actual <= q10).mean(),
        "coverage": ((q10 <= actual) & (actual <= q90)).mean(),
        "interval_width": (q90 - q10).mean(),
    }
    assert {m: found["model", m]["metric_value"] for m in expected} == pytest.approx(expected, rel=1e-12)
    assert {found["model", m]["n"] for m in expected} == {len(rows)}
    assert {found["model", m]["sum_actual"] for m in expected} == {actual.sum()}


def test_yardsticks_are_what_the_night_knew_of_the_source(published: World) -> None:
    """Seasonal naive, and the scales of MASE and RMSSE, by plain loops over the source up to the origin."""
    origin = NIGHTS[0]
    rows, found, sold = beside(published, origin), scores(published, origin), sold_before(published, origin)
    opened = [d for (d,) in published.retail.query(
        f"SELECT day FROM trading_calendar WHERE open AND day BETWEEN '{FIRST_DAY}' AND '{origin}' ORDER BY 1"
    )]  # fmt: skip
    naive = np.array([sold.get((r["sku"], r["target_date"] - timedelta(days=7)), 0) for r in rows])
    actual = np.array([r["actual"] for r in rows])
    missed = np.abs(actual - naive).sum() / actual.sum()
    assert found["seasonal_naive", "wape_day"]["metric_value"] == pytest.approx(missed, rel=1e-12)
    added = missed - found["model", "wape_day"]["metric_value"]
    assert found["model", "value_added_day"]["metric_value"] == pytest.approx(added, rel=1e-9)
    scaled: dict[str, list[float]] = defaultdict(list)
    window = [d for d in opened if d > origin - timedelta(days=364)]
    for sku in sorted({r["sku"] for r in rows}):
        series = [sold.get((sku, d), 0) for d in opened]
        first = opened[next(i for i, units in enumerate(series) if units > 0)]
        lately = [sold.get((sku, d), 0) for d in window if d >= first]
        differences = np.abs(np.diff(lately))
        if len(differences) >= 28 and differences.any():
            errors = [abs(r["actual"] - r["mean"]) for r in rows if r["sku"] == sku]
            scaled["mase"].append(np.mean(errors) / differences.mean())
            scaled["rmsse"].append(np.sqrt(np.mean(np.square(errors)) / np.mean(differences**2)))
    for metric, values in scaled.items():
        assert found["model", metric]["metric_value"] == pytest.approx(np.mean(values), rel=1e-9), metric


def test_slices_are_of_what_the_model_saw_and_add_up(published: World) -> None:
    origin = NIGHTS[0]
    found = published.as_analyst(
        f"SELECT slice, n, sum_actual, metric_value FROM forecast.{PIPELINE}_accuracy WHERE origin = '{origin}'"
        " AND horizon_bucket = '1' AND method = 'model' AND metric = 'wape_day' ORDER BY slice"
    )
    whole, *slices = found
    assert [s["slice"] for s in slices] == [
        f"active_share_91 {interval}" for interval in ("[0, 0.2)", "[0.2, 0.5)", "[0.5, 0.9)", "[0.9, 1]")
    ]
    for column in ("n", "sum_actual"):
        assert sum(s[column] for s in slices) == whole[column]
    errors = sum(s["metric_value"] * s["sum_actual"] for s in slices)
    assert errors == pytest.approx(whole["metric_value"] * whole["sum_actual"])
    daily = [s["metric_value"] for s in slices]
    assert daily[0] == max(daily) > daily[-1] == min(daily)  # what sells rarely is harder
    assert not published.as_analyst(  # a bucket that has not wholly come has none yet
        f"SELECT 1 FROM forecast.{PIPELINE}_accuracy WHERE horizon_bucket = '2-7' AND slice <> '' AND metric <> 'churn'"
    )


def test_churn_is_the_change_against_the_night_before(published: World) -> None:
    query = f"SELECT sku, target_date, mean FROM forecast.{PIPELINE}_history WHERE origin = '{{}}'"
    before, now = (
        {(r["sku"], r["target_date"]): r["mean"] for r in published.as_analyst(query.format(o))} for o in NIGHTS[:2]
    )
    both = before.keys() & now.keys()
    found = scores(published, NIGHTS[1])["model", "churn"]
    moved = sum(abs(now[k] - before[k]) for k in both) / sum(before[k] for k in both)
    assert found["metric_value"] == pytest.approx(moved, rel=1e-12)
    assert (found["n"], found["maturity"], found["sum_actual"]) == (len(both), "final", None)
    assert not scores(published, NIGHTS[0], metric="churn")  # no night was published before


def test_a_forecast_stands_once_beside_each_actual(published: World) -> None:
    """Actuals are those of the source, and no row of the view is there twice."""
    rows = beside(published, NIGHTS[0])
    keys = [(r["sku"], r["target_date"]) for r in rows]
    assert len(keys) == len(set(keys))
    assert {r["target_date"] for r in rows} == set(NIGHTS[1:])
    sold = sold_before(published, NIGHTS[-1])
    assert {k: r["actual"] for k, r in zip(keys, rows, strict=True)} == {k: sold.get(k, 0) for k in keys}
    assert {(r["horizon"], (r["target_date"] - r["origin"]).days) for r in rows} == {(1, 1), (2, 2)}


def history(world: World, origin: date, bucket: str = "1") -> list[tuple[Any, ...]]:
    found = world.as_analyst(
        f"SELECT * FROM forecast.{PIPELINE}_accuracy_history WHERE origin = '{origin}' AND metric = 'wape_day'"
        f" AND method = 'model' AND slice = '' AND horizon_bucket = '{bucket}' ORDER BY computed_at"
    )
    return [(f["metric_value"], f["maturity"], f["sum_actual"]) for f in found]


def test_a_restated_day_is_scored_anew_and_earlier_values_are_kept(served: World) -> None:
    """The lines of a past day are doubled: tonight takes them in, and each night that forecast it is scored."""
    before = {o: history(served, o, "all") for o in NIGHTS[:2]}
    with changed(served.retail, LATE, NOT_LATE):
        served.night(NEXT, **scheduled(NEXT))
    closed, opened = (
        served.as_writer(f"SELECT count(*) AS n FROM internal.actual_{PIPELINE} WHERE event_day = '{RESTATED}' AND {c}")
        for c in ("known_to IS NOT NULL", "known_to IS NULL")
    )
    assert opened[0]["n"] == closed[0]["n"] > 50  # what was known stays
    first = history(served, NIGHTS[0])  # its day 1 is the restated one
    assert [maturity for _, maturity, _ in first] == ["provisional", "provisional"]
    assert first[1][2] > 1.9 * first[0][2]
    rows = [r for r in beside(served, NIGHTS[0]) if r["target_date"] == RESTATED]
    now = sum(abs(r["actual"] - r["mean"]) for r in rows) / sum(r["actual"] for r in rows)
    assert first[1][0] == pytest.approx(now, rel=1e-12)
    assert scores(served, NIGHTS[0], horizon_bucket="1")["model", "wape_day"]["metric_value"] == first[1][0]
    for origin, old in before.items():
        assert history(served, origin, "all")[: len(old)] == old  # kept, and one more
        assert len(history(served, origin, "all")) == len(old) + 1


def test_scores_become_final_and_are_not_computed_again(served: World) -> None:
    """Four days on, no night pulls the first target day again: the same value, now final. Nothing else is appended."""
    final = NIGHTS[1] + timedelta(days=3)
    for day in range(1, 3):
        served.night(NIGHTS[-1] + timedelta(days=day), **scheduled(NIGHTS[-1] + timedelta(days=day)))
    one, two = history(served, NIGHTS[0])
    assert (one[0], one[1], two[0], two[1]) == (two[0], "provisional", one[0], "final")
    assert served.last_run().origin == final
    step = served.as_writer(
        f"SELECT counts FROM internal.run_step WHERE run_id = {served.last_run().run_id} AND step = 'monitor_accuracy'"
    )[0]["counts"]
    assert (step["nights"], step["nights_left"], step["days"]) == (5, 0, 1)
    before = served.fingerprint()
    night = {"run_id": served.last_run().run_id, "pipeline": PIPELINE, "origin": str(final), "shards": 1}
    assert served.step("monitor_accuracy", night, final)["nights"] == 0
    assert served.fingerprint() == before


def test_truth_that_changes_meanwhile_is_not_overwritten(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another monitor records a restated day while this one computes: its scores are not of what is known now."""
    with connect.transaction(served.url("nightcast_owner")) as tx:
        execute(tx, "UPDATE internal.accuracy_basis SET truth = repeat('0', 64)")
    kept = served.fingerprint()

    def overtaken(night: accuracy.Night, *more: Any) -> list[accuracy.AccuracyScore]:
        with served.writing() as tx:
            change = "UPDATE internal.actual_day SET panel_digest = repeat('f', 64) WHERE event_day = %(day)s"
            execute(tx, change, {"day": NIGHTS[-1]})
        found = scored(night, *more)
        return [replace(s, value=0.0, reason=None) for s in found] if night.origin == NIGHTS[1] else found

    monkeypatch.setattr(monitor_accuracy, "scored", overtaken)
    monkeypatch.setattr(monitor_accuracy, "MOST_NIGHTS", 2)
    night = {"run_id": served.last_run().run_id, "pipeline": PIPELINE, "origin": str(NIGHTS[-1]), "shards": 1}
    first = served.step("monitor_accuracy", night, NIGHTS[-1])
    assert (first["nights"], first["nights_left"]) == (2, 1)  # the newest two
    assert served.fingerprint()["accuracy_score"] == kept["accuracy_score"]
    monkeypatch.undo()
    second = served.step("monitor_accuracy", night, NIGHTS[-1])
    assert (second["days"], second["nights"], second["new_scores"]) == (1, 2, 0)
    assert served.fingerprint()["accuracy_score"] == kept["accuracy_score"]


def test_a_spec_that_can_no_longer_be_read_holds_up_no_other_night(served: World) -> None:
    """As after an upgrade that has become stricter."""
    old = served.rooms.lake.put_json({"pipeline.yaml": "title: of an age gone by"})
    with connect.transaction(served.url("nightcast_owner")) as tx:
        execute(tx, "UPDATE internal.accuracy_basis SET truth = repeat('0', 64)")
        execute(tx, f"UPDATE internal.run SET spec_digest = '{old}' WHERE origin = '{NIGHTS[1]}' AND kind = 'night'")
    kept = scores(served, NIGHTS[1])
    night = {"run_id": served.last_run().run_id, "pipeline": PIPELINE, "origin": str(NIGHTS[-1]), "shards": 1}
    found = served.step("monitor_accuracy", night, NIGHTS[-1])
    assert (found["nights"], found["nights_left"]) == (2, 1)
    assert scores(served, NIGHTS[1]) == kept


def test_what_a_monitor_could_not_do_is_made_up_for(world: World, published: World) -> None:
    """The first nights were never scored, and their days are no longer in the window: the next monitor does it all."""
    for origin in NIGHTS[:2]:
        night = world.step(
            "open_run", {"pipeline": PIPELINE, "partition_key": str(origin), **scheduled(origin)}, origin
        )
        for name in ("wait_for_source", "extract", "validate", "predict", "audit", "publish"):
            world.step(name, night, origin)
    assert not scores(world, NIGHTS[0])
    world.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    for origin in NIGHTS:
        made_up, live = scores(world, origin), scores(published, origin)
        assert {k: v["metric_value"] for k, v in made_up.items()} == {k: v["metric_value"] for k, v in live.items()}
    assert scores(world, FIRST_NIGHT)
