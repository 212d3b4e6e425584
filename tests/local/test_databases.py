"""Roles and databases: who may enter which, and what belongs to somebody else stays untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from nightcast.errors import SettingMissing
from nightcast.local import databases, postgres
from nightcast.local.place import Place, place_of
from nightcast.local.state import ROLES, Local, open_state

pytestmark = pytest.mark.postgres


@pytest.fixture
def place(local: Local, cluster: postgres.Server) -> Iterator[Place]:
    found = place_of(local, {"NIGHTCAST_POSTGRES_URL": cluster.url()})
    yield found
    databases.drop(local, cluster.url())


def ask(url: str, *statements: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def may_enter(place: Place, local: Local, role: str) -> set[str]:
    entered = set()
    for database in (*databases.OWNERS, "postgres"):
        try:
            ask(place.url(role, local.password(role), database), "SELECT 1")
        except psycopg2.OperationalError as error:
            if "permission denied" not in str(error):  # it must be the right that is lacking
                raise
        else:
            entered.add(database)
    return entered - {"postgres"}


def test_every_role_enters_its_own_databases_and_no_other(local: Local, place: Place) -> None:
    for _ in range(2):  # safe to repeat
        databases.ensure(local, str(place.admin_url), {}, shared=True)
    assert {role: may_enter(place, local, role) for role in ROLES} == {
        "nightcast_owner": {"nightcast"},
        "nightcast_writer": {"nightcast"},
        "nightcast_monitor": {"nightcast"},
        "analyst": {"nightcast"},
        "source_owner": {"retail"},
        "source_reader": {"retail"},
        "airflow": {"airflow"},
    }


def test_no_role_has_rights_beyond_its_databases(local: Local, place: Place) -> None:
    databases.ensure(local, str(place.admin_url), {}, shared=True)
    powers = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    names = ", ".join(f"'{role}'" for role in ROLES)
    assert ask(str(place.admin_url), f"SELECT rolname FROM pg_roles WHERE ({powers}) AND rolname IN ({names})") == []


def test_a_database_of_somebody_elses_is_refused_and_left(local: Local, place: Place) -> None:
    admin = str(place.admin_url)
    theirs = f"{admin.rpartition('/')[0]}/retail"
    ask(admin, "CREATE DATABASE retail")
    try:
        ask(theirs, "CREATE TABLE theirs AS SELECT 1 AS x")
        with pytest.raises(SettingMissing, match="database 'retail' that this installation did not make"):
            databases.ensure(local, admin, {}, shared=True)
        assert "retail" not in databases.drop(local, admin)
        assert ask(theirs, "SELECT x FROM theirs") == [(1,)]
    finally:
        ask(admin, "DROP DATABASE retail")


def test_two_installations_do_not_share_a_server(local: Local, place: Place, tmp_path: Path) -> None:
    databases.ensure(local, str(place.admin_url), {}, shared=True)
    other = open_state({"NIGHTCAST_STATE": str(tmp_path / "other")})
    with pytest.raises(SettingMissing, match="nightcast_owner"):
        databases.ensure(other, str(place.admin_url), {}, shared=True)
    assert databases.drop(other, str(place.admin_url)) == []
    assert may_enter(place, local, "nightcast_writer") == {"nightcast"}


def test_an_analyst_role_that_was_there_keeps_its_password_and_may_read(local: Local, place: Place) -> None:
    admin = str(place.admin_url)
    ask(admin, "CREATE ROLE finance LOGIN PASSWORD 'theirs'")
    try:
        databases.ensure(local, admin, {"NIGHTCAST_ANALYST_ROLE": "finance"}, shared=True)
        assert ask(place.url("finance", "theirs", "nightcast"), "SELECT current_user") == [("finance",)]
        assert "finance" not in databases.drop(local, admin)
    finally:
        ask(admin, "DROP ROLE finance")


def test_what_was_made_is_dropped_and_nothing_else(local: Local, place: Place) -> None:
    before = ask(
        str(place.admin_url), "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1"
    )
    databases.ensure(local, str(place.admin_url), {}, shared=True)
    assert set(databases.drop(local, str(place.admin_url))) == {*ROLES, *databases.OWNERS}
    after = ask(
        str(place.admin_url), "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1"
    )
    assert after == before


def test_a_login_that_may_create_roles_and_databases_is_enough(local: Local, place: Place) -> None:
    admin = str(place.admin_url)
    ask(admin, "CREATE ROLE chief LOGIN CREATEROLE CREATEDB PASSWORD 'chief'")
    chief = place.url("chief", "chief", "postgres")
    try:
        databases.ensure(local, chief, {}, shared=True)
        databases.ensure(local, chief, {}, shared=True)
        assert may_enter(place, local, "source_reader") == {"retail"}
        assert set(databases.drop(local, chief)) == {*ROLES, *databases.OWNERS}
    finally:
        databases.drop(local, admin)
        ask(admin, "DROP ROLE chief")
