"""What every role may do on every object: `rights.yaml` says it, the server is asked for it, and it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg2
import pytest
import yaml

from conftest import new_server
from demo.retail_source import EXCERPT
from local import rights
from nightcast import spec
from nightcast.demo import source
from nightcast.local import databases, postgres
from nightcast.local.state import CHECKOUT, ROLES, Local, open_state
from nightcast.store import connect, layout, migrate, predictions, roles

DECLARED = yaml.safe_load((Path(__file__).parent / "rights.yaml").read_text())
# A view says what it is before the server asks for rights.
REFUSALS = ("permission denied", "is not a table", "cannot insert into view", "cannot delete from view")
STRANGER = "passer_by"  # what PUBLIC may do, everybody may
pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class Machine:
    """A server as `make demo` leaves it, but for Airflow's own tables."""

    server: postgres.Server
    local: Local

    def url(self, role: str, database: str) -> str:
        password = "passer-by" if role == STRANGER else self.local.password(role)
        return self.server.url(database, role, password)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with new_server() as server:
        local = open_state({"NIGHTCAST_STATE": str(tmp_path_factory.mktemp("rights"))})
        databases.ensure(local, server.url(), {}, shared=False)
        made = Machine(server, local)
        source.load(made.url("source_owner", "retail"), "source_reader", EXCERPT, 0, lambda _: None)
        owner = made.url("nightcast_owner", "nightcast")
        migrate.upgrade(owner)
        pipeline = spec.load_folder(CHECKOUT / "include/pipelines/daily_demand").pipeline
        with connect.transaction(owner) as tx:
            layout.apply(tx, pipeline)
            predictions.ensure_partition(tx, pipeline, date(2026, 1, 1))
        roles.create_role(server.url(), STRANGER, "passer-by")
        yield made


def test_databases_are_open_to_whom_the_file_says(machine: Machine) -> None:
    assert rights.of_server(machine.server.url(), [*ROLES, STRANGER]) == DECLARED["databases"]


@pytest.mark.parametrize("database", ["nightcast", "retail", "airflow"])
def test_every_role_may_do_on_every_object_what_the_file_says(machine: Machine, database: str) -> None:
    found = rights.of_database(machine.server.url(database), [*ROLES, STRANGER])
    declared = DECLARED[database]
    assert sorted(found) == sorted(declared), "an object without a line in rights.yaml, or a line without an object"
    owner = databases.OWNERS[database]
    for name, by_role in found.items():
        beside = {role: may for role, may in by_role.items() if role != owner}
        assert beside == (declared[name] or {}), name


@pytest.mark.parametrize("database", ["nightcast", "retail"])
def test_what_the_catalogs_say_is_what_the_server_does(machine: Machine, database: str) -> None:
    found, tried = rights.of_database(machine.server.url(database), list(ROLES)), 0
    for role in databases.VISITORS[database]:
        for statement, allowed, said in rights.attempts(machine.url(role, database), found, role):
            refused = any(reason in said for reason in REFUSALS)
            assert refused != allowed, f"{role}: {statement}: {said}"
            tried += 1
    assert tried > (250 if database == "nightcast" else 10)


def test_a_role_is_no_more_than_a_login(machine: Machine) -> None:
    powers = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    asked = [*ROLES, STRANGER]
    query = f"SELECT rolname FROM pg_roles WHERE ({powers}) AND rolname = ANY(%(roles)s)"
    assert rights.ask(machine.server.url(), query, roles=asked) == []
    members = "SELECT * FROM pg_auth_members WHERE member IN (SELECT oid FROM pg_roles WHERE rolname = ANY(%(roles)s))"
    assert rights.ask(machine.server.url(), members, roles=asked) == []


def test_what_is_in_a_database_belongs_to_its_owner(machine: Machine) -> None:
    query = f"""
        SELECT c.oid::regclass::text, r.rolname FROM pg_class AS c
        JOIN pg_namespace AS n ON c.relnamespace = n.oid AND {rights.SYSTEM} JOIN pg_roles AS r ON c.relowner = r.oid
        UNION ALL
        SELECT p.oid::regprocedure::text, r.rolname FROM pg_proc AS p
        JOIN pg_namespace AS n ON p.pronamespace = n.oid AND {rights.SYSTEM} JOIN pg_roles AS r ON p.proowner = r.oid
    """
    for database, owner in databases.OWNERS.items():
        assert {who for _, who in rights.ask(machine.server.url(database), query)} <= {owner}


REFUSED = [
    ("analyst", "nightcast", "SELECT * FROM internal.run"),
    ("analyst", "nightcast", "CREATE TEMPORARY TABLE mine (x int)"),
    ("analyst", "nightcast", "CREATE VIEW forecast.mine AS SELECT 1"),
    ("analyst", "nightcast", "SELECT internal.clear_shard(1, 0::smallint)"),
    ("nightcast_monitor", "nightcast", "SELECT sample FROM internal.check_result"),
    ("nightcast_monitor", "nightcast", "SELECT * FROM internal.quarantined_row"),
    ("nightcast_monitor", "nightcast", "SELECT * FROM internal.prediction_daily_demand"),
    ("nightcast_monitor", "nightcast", "INSERT INTO internal.actual_day DEFAULT VALUES"),
    ("nightcast_monitor", "nightcast", "UPDATE internal.run SET reason = ''"),
    ("nightcast_monitor", "nightcast", "CREATE TEMPORARY TABLE mine (x int)"),
    ("nightcast_monitor", "nightcast", "SELECT internal.ensure_partition('daily_demand', 1, '2026-02-01')"),
    ("nightcast_writer", "nightcast", "DELETE FROM internal.publication"),
    ("nightcast_writer", "nightcast", "UPDATE internal.publication SET published_at = now()"),
    ("nightcast_writer", "nightcast", "UPDATE internal.prediction_daily_demand SET mean = 1"),
    ("nightcast_writer", "nightcast", "DELETE FROM internal.prediction_daily_demand_2026_01"),
    ("nightcast_writer", "nightcast", "DROP TABLE internal.run"),
    ("nightcast_writer", "nightcast", "CREATE TABLE internal.mine (x int)"),
    ("nightcast_writer", "nightcast", "CREATE TABLE public.mine (x int)"),
    ("source_reader", "retail", "SELECT * FROM raw_line"),
    ("source_reader", "retail", "UPDATE replay SET lines = 1"),
    ("source_reader", "retail", "CREATE TABLE mine (x int)"),
    ("nightcast_owner", "nightcast", "CREATE ROLE mine"),
    ("nightcast_owner", "nightcast", "COPY (SELECT 1) TO PROGRAM 'true'"),
]  # fmt: skip


@pytest.mark.parametrize(("role", "database", "statement"), REFUSED)
def test_what_would_do_harm_is_refused(machine: Machine, role: str, database: str, statement: str) -> None:
    with (
        closing(psycopg2.connect(machine.url(role, database).replace("+psycopg2", ""))) as connection,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        connection.cursor().execute(statement)


def test_the_monitor_reads_what_dashboards_show(machine: Machine) -> None:
    url = machine.url("nightcast_monitor", "nightcast")
    for query in (
        "SELECT state, count(*) FROM internal.run GROUP BY state",
        "SELECT step, seconds, error_class FROM internal.run_step",
        "SELECT check_id, state, message FROM internal.check_result",
        "SELECT statistic, value, rank FROM internal.drift_score",
        "SELECT metric, value FROM internal.accuracy_score",
        "SELECT * FROM forecast.daily_demand_as_of(now())",
    ):
        rights.ask(url, query)
    assert rights.ask(url, "SELECT pipeline, last_published_origin FROM forecast.freshness") == [("daily_demand", None)]


def test_an_object_without_a_line_is_noticed(machine: Machine) -> None:
    with closing(psycopg2.connect(machine.url("nightcast_owner", "nightcast").replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        connection.cursor().execute(
            "CREATE TABLE internal.unheard_of (x int); GRANT SELECT ON internal.unheard_of TO PUBLIC"
        )
        try:
            found = rights.of_database(machine.server.url("nightcast"), [*ROLES, STRANGER])
            assert set(found) - set(DECLARED["nightcast"]) == {"internal.unheard_of"}
            assert found["internal.unheard_of"][STRANGER] == "SELECT"
        finally:
            connection.cursor().execute("DROP TABLE internal.unheard_of")
