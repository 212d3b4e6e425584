from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.retail_source import Retail, make
from nightcast.local import postgres


@pytest.fixture(scope="session")
def retail(server: postgres.Server) -> Iterator[Retail]:
    """The excerpt in original dates; tests that change it put it back."""
    with make(server) as made:
        yield made
