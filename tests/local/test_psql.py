"""`make psql`: the session that it opens, against a real server."""

from __future__ import annotations

import subprocess

import pytest

from nightcast.errors import SettingMissing
from nightcast.local import databases, postgres, psql
from nightcast.local.state import Local

pytestmark = pytest.mark.postgres


def said(made: psql.Session, cluster: postgres.Server, script: str) -> subprocess.CompletedProcess[str]:
    command = [str(cluster.binaries / "psql"), *made.command[1:]]  # the one that is there without any on the PATH
    return subprocess.run(command, env=made.environment, input=script, capture_output=True, text=True, timeout=60)


def test_each_role_comes_into_its_own_database(local: Local, cluster: postgres.Server) -> None:
    user = {"NIGHTCAST_STATE": str(local.folder), "NIGHTCAST_POSTGRES_URL": cluster.url()}
    databases.ensure(local, cluster.url(), user, shared=True)
    try:
        for role, database in {"analyst": "nightcast", "source_owner": "retail", "postgres": "postgres"}.items():
            made = psql.session(user, role, interactive=False)
            assert not [
                part for part in made.command if (local.secrets.get(f"role:{role}") or cluster.password) in part
            ]
            done = said(made, cluster, "\\pset tuples_only\nSELECT current_user || ' in ' || current_database();")
            assert f"{role} in {database}" in done.stdout, done.stderr
        there = psql.session(user, "postgres", "retail", interactive=False)
        assert "retail" in said(there, cluster, "SELECT current_database();").stdout
    finally:
        databases.drop(local, cluster.url())


def test_a_script_ends_at_its_first_error(local: Local, cluster: postgres.Server) -> None:
    user = {"NIGHTCAST_STATE": str(local.folder), "NIGHTCAST_POSTGRES_URL": cluster.url()}
    done = said(psql.session(user, "postgres", interactive=False), cluster, "SELECT 1/0; SELECT 'after';")
    assert (done.returncode, "division by zero" in done.stderr, "after" in done.stdout) == (3, True, False)


def test_what_cannot_be_opened_is_said(local: Local) -> None:
    user = {"NIGHTCAST_STATE": str(local.folder)}
    with pytest.raises(SettingMissing, match="'reader'; expected one of nightcast_owner, "):
        psql.session(user, "reader")
    with pytest.raises(SettingMissing, match="does not run"):
        psql.session(user, "analyst")
    with pytest.raises(SettingMissing, match="make demo"):
        psql.session({"NIGHTCAST_STATE": str(local.folder / "none")}, "analyst")
