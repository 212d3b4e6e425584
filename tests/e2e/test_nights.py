"""A real scheduler runs training and nights, and what it leaves is whole, reproducible and readable."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors

from e2e.installation import INFERENCE, PIPELINE, RETRAINING, Installation, dsn
from nightcast.domain.night import RunKind, RunState
from nightcast.domain.statistic import Statistic

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

STEPS = {
    "open_run", "wait_for_source", "extract", "validate", "predict", "audit", "publish", "monitor_drift",
    "monitor_accuracy",
}  # fmt: skip
HISTORY = f"SELECT * FROM forecast.{PIPELINE}_history ORDER BY origin, sku, target_date"


def test_training_through_its_dag_makes_version_one_live(machine: Installation, first_model: str) -> None:
    tasks = machine.task_states(first_model, RETRAINING)
    assert tasks == dict.fromkeys(("build_training_set", "train", "evaluate", "register"), "success")
    (version,) = machine.read("SELECT * FROM internal.model_version")
    assert (version["version"], version["state"]) == (1, "live")
    assert version["trained_through"] < machine.calendar.first_night
    promoted = machine.read("SELECT * FROM internal.model_event WHERE event = 'promote'")
    assert [event["version"] for event in promoted] == [1]
    assert promoted[0]["why"]


def test_the_schedule_makes_up_the_nights_that_are_due(machine: Installation, nights: dict[str, str]) -> None:
    assert sorted(nights) == [night.isoformat() for night in machine.calendar.nights]
    for run in machine.client.runs(INFERENCE):
        assert run["run_type"] == "scheduled"
        tasks = machine.client.tasks(INFERENCE, run["dag_run_id"])
        assert {task["task_id"] for task in tasks} == STEPS
        assert {task["state"] for task in tasks} == {"success"}
        assert {task["try_number"] for task in tasks} == {1}
    for origin, run_id in nights.items():
        night = machine.night(run_id)
        assert (night.origin.isoformat(), night.state, night.attempt) == (origin, RunState.PUBLISHED, 1)
        assert (night.model_version, night.look_ahead, night.code_commit) == (1, False, "test")


def test_nothing_is_lost_or_invented(machine: Installation, nights: dict[str, str]) -> None:
    for run_id in nights.values():
        night = machine.night(run_id)
        assert night.pulled == (night.accepted or 0) + (night.quarantined or 0) + (night.duplicates or 0)
        assert bool(night.pulled) == (night.origin in machine.calendar.open_nights)
        (kept,) = machine.read(
            "SELECT (SELECT count(*) FROM internal.quarantined_row WHERE run_id = %(run)s) AS quarantined, "
            "(SELECT sum(accepted) FROM internal.intake WHERE run_id = %(run)s) AS accepted",
            run=night.run_id,
        )
        assert (kept["quarantined"], kept["accepted"] or 0) == (night.quarantined, night.accepted)
        (rows,) = machine.read(
            "SELECT count(*) AS rows, count(DISTINCT (sku, target_date)) AS distinct, count(DISTINCT sku) AS keys, "
            "count(DISTINCT target_date) AS days, min(target_date - origin) AS first, "
            "max(target_date - origin) AS last, "
            "bool_and(0 <= q10 AND q10 <= q50 AND q50 <= q90 AND mean >= 0) AS sane "
            f"FROM internal.prediction_{PIPELINE} WHERE run_id = %(run)s",
            run=night.run_id,
        )
        assert rows["rows"] == rows["distinct"] == rows["keys"] * rows["days"] == night.predictions == night.expected
        assert rows["rows"] > 1000
        assert rows["first"] >= 1
        assert rows["last"] <= 14
        assert rows["sane"]
        checks = machine.read("SELECT state FROM internal.check_result WHERE run_id = %(run)s", run=night.run_id)
        assert len(checks) > 10
        assert {check["state"] for check in checks} <= {"pass", "warn", "quarantine"}


def test_readers_see_every_night_once_and_the_newest_by_default(machine: Installation, nights: dict[str, str]) -> None:
    seen = machine.read(
        f"SELECT origin, count(*) AS rows, max(revision) AS revision FROM forecast.{PIPELINE}_history "
        "GROUP BY origin ORDER BY origin",
        "analyst",
    )
    records = [machine.night(nights[origin]) for origin in sorted(nights)]
    assert [(s["origin"], s["rows"], s["revision"]) for s in seen] == [(n.origin, n.predictions, 1) for n in records]
    newest = machine.read(f"SELECT DISTINCT origin, run FROM forecast.{PIPELINE}", "analyst")
    assert newest == [{"origin": records[-1].origin, "run": records[-1].run_id}]
    fresh = machine.read("SELECT * FROM forecast.freshness", "analyst")
    assert [f["last_published_origin"] for f in fresh] == [records[-1].origin]


@pytest.mark.parametrize("more", [["--threads", "1"], ["--shards", "3", "--threads", "2"]], ids=" ".join)
def test_a_published_night_comes_out_the_same_to_the_byte(
    machine: Installation, nights: dict[str, str], more: list[str]
) -> None:
    night = machine.night(nights[max(nights)])
    said = machine.command("reproduce", str(night.run_id), *more)
    assert said.startswith(f"identical: run {night.run_id}, {night.predictions:,} rows, digest {night.row_digest}")


def test_drift_of_inputs_features_and_predictions_is_recorded(machine: Installation, nights: dict[str, str]) -> None:
    for origin in machine.calendar.open_nights:
        run = machine.night(nights[origin.isoformat()]).run_id
        scores = machine.read("SELECT * FROM internal.drift_score WHERE run_id = %(run)s", run=run)
        found = {(s["kind"], s["reference"]) for s in scores}
        assert found >= {
            ("measure", "same_weekday_8"), ("attribute", "same_weekday_8"), ("measure", "training"),
            ("attribute", "training"), ("feature", "training"), ("prediction", "training"),
        }  # fmt: skip
        assert {s["column_name"] for s in scores if s["kind"] == "prediction"} == {"mean", "q10", "q50", "q90"}
        assert {"quantity", "price", "amount"} <= {s["column_name"] for s in scores if s["kind"] == "measure"}
        assert {s["statistic"] for s in scores} == set(Statistic)
        assert all((s["value"] is None) is bool(s["reason"]) for s in scores)
        assert all(bool(s["moved"]) is bool(s["value"]) for s in scores)
        for score in (s for s in scores if s["value"] is not None and not s["slice"]):
            assert score["origin"] == origin
            assert score["definition"]
            assert score["n_current"] > 0
            assert score["n_reference"] > 0
        ranked = [s for s in scores if s["reference"] == "same_weekday_8" and s["kind"] == "measure" and s["rank_n"]]
        assert ranked, "the import gives the first night a past to be compared with"


def test_the_accuracy_of_the_first_night_is_known_after_the_next_open_day(
    machine: Installation, nights: dict[str, str]
) -> None:
    first, after = machine.calendar.open_nights[:2]
    scores = machine.read(
        f"SELECT * FROM forecast.{PIPELINE}_accuracy"
        " WHERE origin = %(first)s AND horizon_bucket = 'all' AND slice = ''",
        "analyst",
        first=first,
    )
    assert {(s["metric"], s["method"]) for s in scores} >= {
        ("wape_day", "model"), ("wape_day", "seasonal_naive"), ("bias", "model"), ("coverage", "model"),
    }  # fmt: skip
    assert {s["maturity"] for s in scores} == {"provisional"}
    assert {s["run"] for s in scores} == {machine.night(nights[first.isoformat()]).run_id}
    (matured,) = machine.read(
        "SELECT count(*) AS rows, sum(actual) AS actual, min(target_date) AS first, max(target_date) AS last "
        f"FROM forecast.{PIPELINE}_vs_actual WHERE origin = %(first)s AND actual IS NOT NULL",
        "analyst",
        first=first,
    )
    assert matured["first"] == matured["last"] == after
    assert {s["sum_actual"] for s in scores} == {float(matured["actual"])}
    assert {s["n"] for s in scores if s["unit"] != "scaled"} == {matured["rows"]}


def test_a_published_night_is_announced_with_its_partition_key(machine: Installation, nights: dict[str, str]) -> None:
    events = machine.client.call("GET", "/assets/events", source_dag_id=INFERENCE)["asset_events"]
    assert {event["partition_key"]: event["source_run_id"] for event in events} == nights
    assert len(events) == len(nights)
    for event in events:
        night = machine.night(event["source_run_id"])
        assert event["name"] == f"forecast.{PIPELINE}"
        said = {"pipeline": PIPELINE, "origin": night.origin.isoformat(), "revision": 1, "run": night.run_id}
        assert event["extra"] == said


def test_clearing_a_published_night_changes_nothing(machine: Installation, nights: dict[str, str]) -> None:
    before, changes = machine.digest(HISTORY), machine.read("SELECT * FROM forecast.changes", "analyst")
    run = nights[min(nights)]
    machine.client.clear(INFERENCE, run)
    assert machine.ended(INFERENCE, run) == "success"
    assert set(machine.task_states(run).values()) <= {"success", "skipped"}
    again = {task["try_number"] for task in machine.client.tasks(INFERENCE, run) if task["task_id"] == "open_run"}
    assert again == {2}
    assert machine.digest(HISTORY) == before
    assert machine.read("SELECT * FROM forecast.changes", "analyst") == changes
    assert machine.night(run).state is RunState.PUBLISHED


def test_asking_for_a_published_night_again_ends_unchanged(machine: Installation, nights: dict[str, str]) -> None:
    before, origin = machine.digest(HISTORY), max(nights)
    run = machine.client.trigger(INFERENCE, partition_key=origin)
    assert machine.ended(INFERENCE, run) == "success"
    night, first = machine.night(run), machine.night(nights[origin])
    assert (night.origin, night.attempt, night.state) == (first.origin, 2, RunState.UNCHANGED)
    assert night.input_digest == first.input_digest
    tasks = machine.task_states(run)
    assert (tasks["open_run"], tasks["predict"], tasks["publish"]) == ("success", "skipped", "skipped")
    assert machine.digest(HISTORY) == before


def test_a_run_without_a_partition_key_says_how_to_give_one(machine: Installation, nights: dict[str, str]) -> None:
    recorded = len(machine.recorded(RunKind.NIGHT))
    run = machine.client.trigger(INFERENCE)
    assert machine.ended(INFERENCE, run) == "failed"
    opened = [task for task in machine.client.tasks(INFERENCE, run) if task["task_id"] == "open_run"]
    assert [(task["state"], task["try_number"]) for task in opened] == [("failed", 1)]
    log = machine.task_log(run, "open_run")
    assert "NightRefused" in log
    assert "expected the origin as YYYY-MM-DD" in log
    assert "Trigger > Partition key" in log
    assert len(machine.recorded(RunKind.NIGHT)) == recorded


def test_the_analyst_reads_schema_forecast(machine: Installation, nights: dict[str, str]) -> None:
    views = machine.read(
        "SELECT c.oid::regclass::text AS name FROM pg_class AS c "
        "WHERE c.relnamespace = 'forecast'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY 1"
    )
    names = [view["name"] for view in views]
    ending = ("", "_accuracy", "_accuracy_history", "_history", "_vs_actual")
    shared = {"changes", "freshness", "unpublished"}
    assert names == sorted(f"forecast.{name}" for name in {f"{PIPELINE}{e}" for e in ending} | shared)
    names.remove("forecast.unpublished")
    assert machine.read("SELECT * FROM forecast.unpublished", "analyst") == []  # readers have every night
    for name in [*names, f"forecast.{PIPELINE}_as_of(now())"]:
        (counted,) = machine.read(f"SELECT count(*) AS rows FROM {name}", "analyst")
        assert counted["rows"] > 0, name


def test_the_analyst_can_do_nothing_else(machine: Installation, nights: dict[str, str]) -> None:
    with closing(psycopg2.connect(dsn(machine.url("analyst")))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(
            "SELECT n.nspname, c.relname, p.privilege FROM pg_class AS c "
            "INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid "
            "CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege) "
            "WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
            "AND has_table_privilege(c.oid, p.privilege) AND NOT (n.nspname = 'forecast' AND p.privilege = 'SELECT')"
        )
        assert cursor.fetchall() == []
        internal = [row["name"] for row in machine.read(
            "SELECT c.oid::regclass::text AS name FROM pg_class AS c "
            "WHERE c.relnamespace = 'internal'::regnamespace AND c.relkind IN ('r', 'p')"
        )]  # fmt: skip
        assert {"internal.run", f"internal.prediction_{PIPELINE}"} <= set(internal)
        forbidden = [f"SELECT FROM {table}" for table in internal] + [
            "SELECT internal.clear_shard(1, 0::smallint)",
            "CREATE TABLE forecast.mine (x int)",
            "CREATE TABLE public.mine (x int)",
            "CREATE SCHEMA mine",
            "SET ROLE nightcast_writer",
        ]
        for statement in forbidden:
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)
    for database in ("airflow", "postgres", "retail"):
        analyst = machine.local.password("analyst")
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            psycopg2.connect(dsn(machine.server.url(database, "analyst", analyst)))
