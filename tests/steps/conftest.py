from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.retail_source import Retail, make
from nightcast.local import postgres
from steps.world import World, copied, prepared


@pytest.fixture(scope="session")
def retail(server: postgres.Server) -> Iterator[Retail]:
    """The excerpt in original dates; tests that change it put it back."""
    with make(server) as made:
        yield made


@pytest.fixture(scope="session")
def imported(
    server: postgres.Server, retail: Retail, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """An installation before its first night. Tests take a copy of it: `world`."""
    with prepared(server, retail, tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def world(imported: World, tmp_path: Path) -> Iterator[World]:
    """An installation of the test's own, before its first night."""
    with copied(imported, tmp_path) as made:
        yield made
