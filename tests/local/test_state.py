"""The state folder: made once, kept, private."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nightcast.errors import SettingMissing
from nightcast.local.state import (
    CHECKOUT,
    Local,
    existing,
    folder_of,
    move_ports,
    open_state,
    port_is_free,
    write_private,
)

pytestmark = pytest.mark.unit


def test_ports_and_secrets_are_made_once(local: Local) -> None:
    assert open_state({"NIGHTCAST_STATE": str(local.folder)}) == local
    assert existing({"NIGHTCAST_STATE": str(local.folder)}) == local


def test_two_states_share_nothing(local: Local, tmp_path: Path) -> None:
    other = open_state({"NIGHTCAST_STATE": str(tmp_path / "other")})
    assert other.instance != local.instance
    assert not set(other.secrets.values()) & set(local.secrets.values())
    assert len(set(local.secrets.values())) == len(local.secrets)
    assert len(set(local.ports.values())) == len(local.ports)


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    assert existing({"NIGHTCAST_STATE": str(tmp_path / "none")}) is None
    assert not (tmp_path / "none").exists()


def test_only_the_owner_reads_it(local: Local) -> None:
    assert stat.S_IMODE((local.folder / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(local.folder.stat().st_mode) & 0o066 == 0
    shown = repr(local)
    assert not any(secret in shown for secret in local.secrets.values())


def test_keys_are_as_long_as_their_use_demands(local: Local) -> None:
    assert len(base64.urlsafe_b64decode(local.secrets["fernet_key"])) == 32
    assert len(local.secrets["jwt_secret"].encode()) >= 64


def test_a_state_of_an_older_version_is_completed_and_keeps_what_it_has(local: Local) -> None:
    file = local.folder / "state.json"
    kept = json.loads(file.read_text())
    del kept["secrets"]["jwt_secret"], kept["ports"]["supervisor"]
    file.write_text(json.dumps(kept))
    again = open_state({"NIGHTCAST_STATE": str(local.folder)})
    assert again.secrets["fernet_key"] == local.secrets["fernet_key"]
    assert again.ports["api"] == local.ports["api"]
    assert again.secrets["jwt_secret"]
    assert again == open_state({"NIGHTCAST_STATE": str(local.folder)})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"instance": "x"}'])
def test_a_broken_file_is_named_and_not_overwritten(local: Local, text: str) -> None:
    file = local.folder / "state.json"
    file.write_text(text)
    with pytest.raises(SettingMissing, match=r"state\.json.*demo-reset"):
        open_state({"NIGHTCAST_STATE": str(local.folder)})
    assert file.read_text() == text


def test_a_failed_write_leaves_the_old_text(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "new \ud800")
    assert file.read_text() == "old"
    write_private(file, "new")
    assert file.read_text() == "new"


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = "from nightcast.local.state import open_state; print(open_state().instance)"
    settings = os.environ | {"NIGHTCAST_STATE": str(tmp_path / "race"), "PYTHONPATH": str(CHECKOUT / "include")}
    started = [subprocess.Popen([sys.executable, "-c", code], env=settings, stdout=subprocess.PIPE) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_a_relative_folder_lies_below_the_checkout_and_dot_run_is_the_default() -> None:
    assert folder_of({}) == folder_of({"NIGHTCAST_STATE": ""}) == CHECKOUT / ".run"
    assert folder_of({"NIGHTCAST_STATE": "elsewhere"}) == CHECKOUT / "elsewhere"
    assert folder_of({"NIGHTCAST_STATE": "/absolute"}) == Path("/absolute")
    assert (CHECKOUT / "Makefile").exists()


def test_a_taken_port_is_seen_and_moved_and_the_others_stay(local: Local) -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", local.ports["api"]))
        foreign.listen()
        assert not port_is_free(local.ports["api"])
        moved = move_ports(local, ["api"])
    assert moved.ports["api"] != local.ports["api"]
    assert moved.ports["postgres"] == local.ports["postgres"]
    assert open_state({"NIGHTCAST_STATE": str(local.folder)}) == moved
