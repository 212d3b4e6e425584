"""docs/how-to/bring-your-own-postgres.md, on a server that was there before."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import new_server
from docs.pages import ROOT, Block, blocks, follow
from nightcast import spec
from nightcast.local import databases, postgres, psql
from nightcast.local.environment import read_env_file
from nightcast.local.place import place_of
from nightcast.local.state import Local
from nightcast.store import connect, layout, migrate

PAGE = "bring-your-own-postgres.md"
pytestmark = pytest.mark.postgres


@pytest.fixture
def theirs() -> Iterator[postgres.Server]:
    """A server with nothing of ours: the page makes roles."""
    with new_server() as made:
        yield made


def test_a_reader_of_the_page_has_a_server_with_our_roles_and_nothing_else_changed(
    theirs: postgres.Server, local: Local, tmp_path: Path
) -> None:
    user = {"NIGHTCAST_STATE": str(local.folder)}
    database = "postgres"

    def asked(block: Block) -> str:
        """As the administrator, by psql."""
        url = theirs.url(database).replace("+psycopg2", "")
        command = [str(theirs.binaries / "psql"), "-X", "-v", "ON_ERROR_STOP=1", url]
        done = subprocess.run(
            command, input=block.text, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
        )
        assert done.returncode == 0, f"{block}: {done.stderr}"
        return done.stdout

    def set_(block: Block) -> str:
        """The setting, with the address of this server."""
        (tmp_path / ".env").write_text(re.sub(r"@[\w.]+:\d+/", f"@{theirs.host}:{theirs.port}/", block.text))
        user.update(read_env_file(tmp_path / ".env"))
        return ""

    def started(block: Block) -> str:
        """What `make demo` does to a Postgres that it is told of: roles, databases, tables."""
        nonlocal database
        assert block.text == "make demo\n"
        url = str(place_of(local, user).admin_url)
        assert "nightcast_admin" in url
        databases.ensure(local, url, user, shared=True)
        owner = place_of(local, user).url("nightcast_owner", local.password("nightcast_owner"), "nightcast")
        migrate.upgrade(owner)
        with connect.transaction(owner) as tx:
            layout.apply(tx, spec.load_folder(ROOT / "include/pipelines/daily_demand").pipeline)
        database = "nightcast"
        return ""

    follow(blocks(PAGE), {"sql": asked, "ini": set_, "bash": started})
    assert user["NIGHTCAST_ANALYST_ROLE"] == "finance"
    asked(Block(PAGE, 0, "sql", "CREATE ROLE finance LOGIN PASSWORD 'theirs'"))
    databases.ensure(local, str(place_of(local, user).admin_url), user, shared=True)
    made = psql.session(user, "nightcast_writer", interactive=False)
    shown = [str(theirs.binaries / "psql"), *made.command[1:], "-Atc", "SELECT current_user"]
    done = subprocess.run(shown, env=made.environment, capture_output=True, text=True)
    assert done.stdout.strip() == "nightcast_writer", done.stderr
