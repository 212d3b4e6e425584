"""Shared tables, roles and rights."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psycopg2
import pytest

import nightcast
from nightcast.domain.decision import DecisionKind
from nightcast.domain.night import RunKind, RunMode, RunState, StepState
from nightcast.domain.verdict import CheckState
from nightcast.errors import SettingMissing, StoreUnavailable, TablesDoNotFit
from nightcast.store import ddl, layout, migrate, roles, tables
from nightcast.store.connect import transaction
from nightcast.store.intake import IntakeState
from nightcast.store.models import ModelEvent, ModelState
from nightcast.store.queries import as_json, execute, rows

pytestmark = pytest.mark.postgres

UNCOMMENTED = """
    SELECT c.oid::regclass::text || coalesce('.' || a.attname, '') AS what
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('internal', 'forecast')
    LEFT JOIN LATERAL (
        SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT NULL, 0
    ) a ON true
    WHERE c.relkind IN ('r', 'p', 'v', 'm')
    AND CASE a.attnum WHEN 0 THEN obj_description(c.oid, 'pg_class') ELSE col_description(c.oid, a.attnum) END IS NULL
    UNION ALL
    SELECT p.oid::regprocedure::text FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname IN ('internal', 'forecast')
    WHERE obj_description(p.oid, 'pg_proc') IS NULL
"""


def test_upgrade_from_empty_is_at_head_and_repeating_it_changes_nothing(bare):
    owner = bare.url("nightcast_owner")
    with transaction(owner) as tx:
        assert migrate.current(tx) is None
    migrate.upgrade(owner)
    with transaction(owner) as tx:
        assert migrate.current(tx) == migrate.HEAD
        before = rows(tx, "SELECT oid, relname, relacl::text FROM pg_class ORDER BY oid")
    migrate.upgrade(owner)
    with transaction(owner) as tx:
        assert rows(tx, "SELECT oid, relname, relacl::text FROM pg_class ORDER BY oid") == before


def test_head_is_what_alembic_calls_head(bare):
    from alembic.script import ScriptDirectory

    folder = Path(migrate.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [migrate.HEAD]


def test_two_upgrades_at_once_both_succeed(bare):
    failures = []

    def upgrade():
        try:
            migrate.upgrade(bare.url("nightcast_owner"))
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_database_newer_than_the_code_is_refused(memory):
    with memory.owning() as tx:
        execute(tx, "UPDATE internal.alembic_version SET version_num = 'v9999_later'")
    with pytest.raises(TablesDoNotFit, match="v9999_later, which this code does not know"):
        migrate.upgrade(memory.url("nightcast_owner"))


def test_a_missing_role_is_named(bare):
    with pytest.raises(TablesDoNotFit, match='role "nobody_made_it" does not exist'):
        migrate.upgrade(bare.url("nightcast_owner"), analyst_role="nobody_made_it")


def test_everything_has_a_comment(memory):
    memory.live_model()
    memory.scored_run()  # makes a partition
    with memory.owning() as tx:
        assert rows(tx, UNCOMMENTED) == []


def test_states_of_the_schema_are_those_of_the_code(memory):
    expected = {
        ("run", "state"): RunState,
        ("run", "kind"): RunKind,
        ("run", "mode"): RunMode,
        ("run_step", "state"): StepState,
        ("check_result", "state"): CheckState,
        ("intake", "state"): IntakeState,
        ("model_version", "state"): ModelState,
        ("model_event", "event"): ModelEvent,
        ("decision", "kind"): DecisionKind,
    }
    query = """
        SELECT regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''::text', 'g') AS found FROM pg_constraint
        WHERE conrelid = %(table)s::regclass AND conname = %(name)s
    """
    with memory.owning() as tx:
        for (table, column), kind in expected.items():
            found = rows(tx, query, {"table": f"internal.{table}", "name": f"{table}_{column}_check"})
            assert {each["found"][0] for each in found} == {str(state) for state in kind}, table


def test_the_analyst_reads_forecast_and_nothing_else(memory):
    memory.live_model()
    with memory.reading() as tx:
        for view in (*(f"demand{view}" for view in tables.VIEWS), "freshness", "changes", "unpublished"):
            rows(tx, f"SELECT * FROM forecast.{view}")
        rows(tx, "SELECT * FROM forecast.demand_as_of(now())")
        visible = """
            SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'forecast') AND nspname NOT LIKE 'pg_t%'
            AND relkind IN ('r', 'p', 'v', 'm', 'S') AND has_schema_privilege(nspname, 'USAGE')
        """
        assert rows(tx, visible) == []
    for statement in (
        "SELECT * FROM internal.run",
        "SELECT * FROM internal.decision",
        "SELECT internal.ensure_partition('demand', 1, '2011-10-31')",
        "SELECT internal.clear_shard(1, 0::smallint)",
        "UPDATE internal.pipeline SET title = 'x'",
        "CREATE TABLE public.mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE VIEW forecast.mine AS SELECT 1",
    ):
        with pytest.raises(TablesDoNotFit, match="permission denied"), memory.reading() as tx:
            execute(tx, statement)


def test_the_writer_cannot_change_tables_or_the_past(memory):
    memory.live_model()
    memory.scored_run()
    for statement in (
        "DROP TABLE internal.run",
        "CREATE TABLE internal.mine (x int)",
        "DELETE FROM internal.run",
        "UPDATE internal.prediction_demand SET mean = 1",
        "DELETE FROM internal.prediction_demand",
        "UPDATE internal.model_event SET why = 'x'",
        "DELETE FROM internal.publication",
        "UPDATE internal.publication SET published_at = now()",
        "UPDATE internal.intake SET state = 'missing'",
        "UPDATE internal.decision SET reason = 'x'",
        "DELETE FROM internal.decision",
        "TRUNCATE internal.decision",
        "UPDATE internal.model_version SET bundle_digest = bundle_digest",
        "ALTER TABLE internal.prediction_demand ADD x int",
    ):
        with pytest.raises(TablesDoNotFit, match=r"permission denied|must be owner"), memory.writing() as tx:
            execute(tx, statement)


def test_strangers_may_not_enter(memory):
    roles.create_role(memory.server.url(), "passer_by", "x")
    with (
        pytest.raises(SettingMissing, match="permission denied"),
        transaction(memory.server.url(memory.name, "passer_by", "x")),
    ):
        pass


def test_passwords_are_kept_out_of_errors_and_of_the_server(memory):
    wrong = memory.server.url(memory.name, "nightcast_writer", "s3cr3t-nobody-sees")
    with pytest.raises(SettingMissing, match="refuses nightcast_writer@127") as refused, transaction(wrong):
        pass
    assert "s3cr3t" not in str(refused.value)
    with (
        pytest.raises(SettingMissing, match="cannot be read") as unreadable,
        transaction("postgresql://u:s3cr3t@[::1/x"),
    ):
        pass
    assert "s3cr3t" not in str(unreadable.value)
    with (
        pytest.raises(StoreUnavailable, match="does not answer") as down,
        transaction("postgresql+psycopg2://u:s3cr3t@127.0.0.1:1/x"),
    ):
        pass
    assert "s3cr3t" not in str(down.value)


def test_sessions_have_timeouts_and_utc(memory):
    with memory.writing() as tx:
        found = rows(
            tx,
            "SELECT name, setting FROM pg_settings "
            "WHERE name LIKE '%timeout' OR name IN ('TimeZone', 'application_name')",
        )
    settings = {each["name"]: each["setting"] for each in found}
    assert settings["lock_timeout"] == "30000"
    assert settings["idle_in_transaction_session_timeout"] == "300000"
    assert settings["statement_timeout"] == "1800000"
    assert settings["TimeZone"] == "UTC"
    assert settings["application_name"] == "nightcast"


def test_what_ends_a_transaction_says_what_to_do(memory):
    with memory.owning() as holder:
        execute(holder, "LOCK TABLE internal.run")
        with pytest.raises(StoreUnavailable, match="LockNotAvailable"), memory.writing() as tx:
            execute(tx, "SET LOCAL lock_timeout = '10ms'; SELECT * FROM internal.run")
    with pytest.raises(StoreUnavailable, match="QueryCanceled"), memory.writing() as tx:
        execute(tx, "SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(5)")
    with pytest.raises(StoreUnavailable, match="ended the transaction"), memory.writing() as tx:
        end_session(memory, tx)
    with pytest.raises(TablesDoNotFit, match=r"internal\.nothing.*nightcast db apply"), memory.writing() as tx:
        execute(tx, "SELECT * FROM internal.nothing")
    with pytest.raises(psycopg2.errors.DivisionByZero), memory.writing() as tx:
        execute(tx, "SELECT 1/0")


def end_session(memory, tx):
    with transaction(memory.server.url(memory.name)) as other:
        execute(other, "SELECT pg_terminate_backend(%(pid)s)", {"pid": tx.info.backend_pid})
    execute(tx, "SELECT 1")


def test_an_error_rolls_back(memory):
    with pytest.raises(psycopg2.errors.DivisionByZero), memory.owning() as tx:
        execute(tx, "UPDATE internal.pipeline SET title = 'changed'; SELECT 1/0")
    with memory.owning() as tx:
        assert rows(tx, "SELECT title FROM internal.pipeline") == [{"title": memory.pipeline.title}]


def test_migrations_run_from_wherever_the_package_is_installed(bare, tmp_path):
    place = tmp_path / "100% elsewhere"
    shutil.copytree(Path(nightcast.__file__).parent, place / "nightcast", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; from nightcast.store import migrate; migrate.upgrade(sys.argv[1]); print(migrate.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code, bare.url("nightcast_owner")],
        env={"PYTHONPATH": str(place)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(place))
    with bare.writing() as tx:
        assert migrate.current(tx) == migrate.HEAD


BEFORE = """
INSERT INTO internal.pipeline (name, version, layout, title, owner, cron, timezone, first_night, ready_by, late_arrival)
VALUES ('demand', 1, %(layout)s, 't', 'o', '0 2 * * *', 'UTC', '2011-10-24', '06:00', 3);
INSERT INTO internal.run (pipeline, tables_version, origin, kind, mode, attempt, state)
VALUES ('demand', 1, '2011-10-31', 'night', 'known_then', 1, 'open');
INSERT INTO internal.actual_day (pipeline, tables_version, event_day, run_id, recorded_at)
VALUES ('demand', 1, '2011-11-01', 1, now());
INSERT INTO internal.accuracy_score
(pipeline, origin, run_id, horizon_bucket, method, metric, maturity, value, n, sum_actual)
VALUES
('demand', '2011-10-31', 1, 'all', 'model', 'wape', 'provisional', 0.5, 3, 8),
('demand', '2011-10-31', 1, 'all', 'model', 'bias', 'provisional', NULL, 3, 0);
CREATE VIEW forecast.demand AS SELECT 1 AS x;
CREATE VIEW forecast.demand_history AS SELECT 1 AS x;
CREATE VIEW forecast.demand_vs_actual AS SELECT 1 AS x;
CREATE VIEW forecast.demand_accuracy AS SELECT metric, value AS metric_value, sum_actual FROM internal.accuracy_score
"""


def test_a_database_of_the_migration_before_is_brought_here_with_its_scores(bare):
    owner, pipeline = bare.url("nightcast_owner"), bare.pipeline
    migrate._run_migrations(owner, "v0002_drift")
    old = {"keys": [["sku", "text"]], "target": "units", "views": "0" * 64}
    with bare.owning() as tx:
        for statement in ddl.create(tables.of(pipeline)):
            execute(tx, statement)
        execute(tx, BEFORE, {"layout": as_json(old)})
    with pytest.raises(TablesDoNotFit, match=r"v0002_drift.*nightcast db apply"), bare.owning() as tx:
        layout.fits(tx, pipeline)
    migrate.upgrade(owner)
    with bare.owning() as tx:
        done = [change.summary for change in layout.apply(tx, pipeline)]
        assert done[0] == "make the views forecast.demand…"
        assert layout.plan(tx, pipeline) == []
        assert rows(tx, UNCOMMENTED) == []
    with bare.reading() as tx:
        found = rows(tx, "SELECT * FROM forecast.demand_accuracy_history ORDER BY metric")
        rows(tx, "SELECT * FROM forecast.demand_accuracy")
    assert [(f["metric"], f["metric_value"], f["reason"], f["unit"]) for f in found] == [
        ("bias", None, "the actuals do not sum to more than 0", "share"),
        ("wape_day", 0.5, None, "share"),
    ]
    with bare.writing() as tx:
        assert rows(tx, "SELECT panel_digest FROM internal.actual_day") == [{"panel_digest": None}]
        assert rows(tx, "SELECT * FROM internal.accuracy_basis") == []
