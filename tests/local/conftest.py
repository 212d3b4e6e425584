"""A machine's state of its own for each test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import new_server
from nightcast.local import environment, postgres
from nightcast.local.state import Local, open_state


@pytest.fixture
def state_folder(enterable: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the state is to be; a developer's own `.env` is left out."""
    monkeypatch.setattr(environment, "user_environment", dict)
    return enterable / "state"


@pytest.fixture
def local(state_folder: Path) -> Local:
    """A new state."""
    return open_state({"NIGHTCAST_STATE": str(state_folder)})


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition; it must come, however slow the machine is."""

    def wait(condition: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not so after {seconds:g} s: {condition}"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Server]:
    """A server for these tests alone, because roles belong to a whole server."""
    with new_server() as made:
        yield made
