"""Commands that only read: runs, show, explain, reproduce."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from cli.calling import bad, cli, good
from nightcast.domain.night import RunKind
from nightcast.store import connect
from nightcast.store.queries import execute
from steps.world import DOUBLED, EARLY, NIGHTS, PIPELINE, World

pytestmark = pytest.mark.postgres


def test_runs_lists_nights_newest_first(published: World) -> None:
    header, rule, *rows = good(published, "runs")
    assert header.split()[:5] == ["run", "pipeline", "origin", "kind", "state"]
    assert set(rule) == {"-", " "}
    assert [row.split()[2:5] for row in rows] == [[str(o), "night", "published"] for o in reversed(NIGHTS)]
    assert [row.split()[2] for row in good(published, "runs", PIPELINE, "--limit", 1)[2:]] == [str(NIGHTS[-1])]
    kinds = {row.split()[3] for row in good(published, "runs", "--all")[2:]}
    assert kinds == {"night", "import", "training"}


def test_show_of_a_stopped_night_says_first_what_broke_and_what_readers_see(doubled: World) -> None:
    run = doubled.last_run()
    first, second, *rest = good(doubled, "show", run.run_id)
    assert first.startswith(f"{PIPELINE} {DOUBLED} (run {run.run_id}, night, attempt 1): STOPPED: duplicates")
    assert "50 %" in first
    assert second.startswith(f"Readers see the last published night: origin {EARLY}, revision 1 (run ")
    text = "\n".join(rest)
    assert re.search(r"^fail +duplicates +2010-12-06 ", text, re.MULTILINE)
    assert re.search(r"^validate +0 +1 +stopped ", text, re.MULTILINE)
    assert re.search(r"^runbooks: docs/runbooks/checks/duplicates\.md", text, re.MULTILINE)
    assert len(rest) < 40  # one screen


def test_show_of_a_published_night_has_its_pins_counts_and_timings(published: World) -> None:
    run = published.last_run()
    first, second, *rest = good(published, "show", run.run_id)
    assert first == f"{PIPELINE} {NIGHTS[-1]} (run {run.run_id}, night, attempt 1): PUBLISHED"
    assert second.startswith(f"Readers see this run for {NIGHTS[-1]}: revision 1, since ")
    text = "\n".join(rest)
    for digest in (run.spec_digest, run.manifest_digest, run.input_digest, run.row_digest):
        assert str(digest)[:12] in text
    assert f"pulled {run.pulled} = accepted {run.accepted} + quarantined {run.quarantined} + duplicates 0" in text
    assert f"expected {run.expected:,} = predictions {run.predictions:,}" in text
    steps = ("wait_for_source", "extract", "validate", "predict", "audit", "publish", "monitor_drift")
    assert [line.split()[0] for line in rest if line.startswith(steps)] == list(steps)
    assert len(rest) < 50  # one tall screen, with accuracy and drift
    (drift,) = [n for n, line in enumerate(rest) if re.match(r"drift: \d+ scores, the most unusual first", line)]
    assert rest[drift + 1].split() == ["what", "against", "statistic", "value", "rank", "what", "moved"]
    assert re.search(r" same_weekday_8 .* 0\.\d{3} of \d+ nights .*(rose|fell|gone|new)", rest[drift + 3])
    assert any("no night was published before on this weekday" in line for line in rest)


def test_show_has_the_accuracy_of_the_night_and_of_those_before(published: World) -> None:
    first, *_, last = sorted(published.as_writer("SELECT run_id FROM internal.run WHERE kind = 'night'"), key=str)
    (score,) = published.as_analyst(
        f"SELECT metric_value FROM forecast.{PIPELINE}_accuracy WHERE origin = '{NIGHTS[0]}' AND method = 'model'"
        " AND metric = 'wape_day' AND horizon_bucket = 'all' AND slice = ''"
    )
    early = [line.split() for line in good(published, "show", first["run_id"]) if line.startswith("this night")]
    assert [line[2] for line in early] == ["1", "2-7", "all"]
    assert (early[0][3:7], early[2][7]) == (["1", "of", "1", "days"], "provisional")
    assert early[2][8] == f"{score['metric_value']:.3f}"
    late = [line.split() for line in good(published, "show", last["run_id"])]
    (before,) = [line for line in late if line[:2] == [str(NIGHTS[0]), "all"]]
    assert f"{score['metric_value']:.3f}" in before
    assert {line[2] for line in late if line[:2] == ["this", "night"]} == {"all"}  # churn alone


def test_show_of_an_import_is_no_concern_of_readers(published: World) -> None:
    run = published.last_run(RunKind.IMPORT)
    first, second, *_ = good(published, "show", run.run_id)
    assert f"(run {run.run_id}, import, attempt 1): DONE" in first
    assert second == "Readers: not concerned, this run publishes nothing."


def row_of(world: World) -> dict[str, Any]:
    """The largest forecast of a day that every night has forecast."""
    statement = f"SELECT * FROM forecast.{PIPELINE} WHERE horizon <= 7 ORDER BY mean DESC, target_date LIMIT 1"
    return world.as_analyst(statement)[0]


def test_explain_leads_from_a_prediction_to_features_model_and_data(published: World) -> None:
    row, run = row_of(published), published.last_run()
    lines = good(published, "explain", PIPELINE, row["sku"], row["target_date"])
    assert lines[0].startswith(f"{PIPELINE} {row['sku']} on {row['target_date']}: mean ")
    shown = dict(re.findall(r"(mean|q\d\d) ([\d.,]+)", lines[0]))
    assert {k: float(v.replace(",", "")) for k, v in shown.items()} == {
        k: pytest.approx(row[k], abs=0.51 if row[k] >= 100 else 0.001) for k in ("mean", "q10", "q50", "q90")
    }
    assert lines[1] == f"made from {NIGHTS[-1]} by run {run.run_id}, revision 1"
    text = "\n".join(lines)
    for pinned in (run.spec_digest, run.manifest_digest, run.code_commit):
        assert str(pinned) in text
    (model,) = published.as_writer("SELECT bundle_digest FROM internal.model_version WHERE version = 2")
    assert f"v2, trained through 2011-10-23, bundle {model['bundle_digest']}" in text
    features = [line.split()[0] for line in lines[lines.index("") :] if line]
    assert set(published.pipeline.feature_names) <= set(features)
    recent = dict(re.findall(r"(\d\d-\d\d) (-?\d+)", next(line for line in lines if line.startswith("last days"))))
    assert recent == units_of(published, row["sku"])


def units_of(world: World, sku: str) -> dict[str, str]:
    """What was sold on the last 14 days, straight from the source."""
    first = NIGHTS[-1] - timedelta(days=13)
    sold = dict(
        world.retail.query(
            "SELECT sold_at::date, sum(quantity) FROM sales_line WHERE invoice NOT LIKE 'C%' AND price > 0"
            f" AND quantity > 0 AND upper(trim(stock_code)) = '{sku}' AND sold_at >= '{first}' GROUP BY 1"
        )
    )
    days = [first + timedelta(days=n) for n in range(14)]
    return {f"{d:%m-%d}": str(int(sold.get(d, 0))) for d in days}


def test_explain_of_an_older_origin_and_of_nothing(published: World) -> None:
    row = row_of(published)
    lines = good(published, "explain", PIPELINE, f"sku={row['sku']}", row["target_date"], "--origin", NIGHTS[0])
    assert lines[1].startswith(f"made from {NIGHTS[0]} by run ")
    assert "NotFound: daily_demand has no published prediction" in bad(
        published, "explain", PIPELINE, "NOSUCH", row["target_date"]
    )
    assert "expected values for sku, as sku=…" in bad(published, "explain", PIPELINE, "a=1", row["target_date"])
    assert "SpecError" in bad(published, "explain", "nosuch", "A", row["target_date"])


def test_reproduce_says_identical_or_ends_with_1(served: World) -> None:
    run = served.last_run()
    assert good(served, "reproduce", run.run_id, "--threads", 1, "--shards", 3) == [
        f"identical: run {run.run_id}, {run.predictions:,} rows, digest {run.row_digest} (3 shard(s), 1 thread(s))"
    ]
    with connect.transaction(served.url("nightcast_owner")) as tx:
        execute(tx, f"UPDATE internal.run SET row_digest = repeat('0', 64) WHERE run_id = {run.run_id}")
    done = cli(served, "reproduce", run.run_id)
    assert done.returncode == 1
    first, published, now, why = done.stdout.splitlines()
    assert first.startswith(f"DIFFERENT: run {run.run_id}, ")
    assert (published.split()[1], now.split()[1]) == ("0" * 64, run.row_digest)
    assert why == "not as then: nothing that is recorded"
