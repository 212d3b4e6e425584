"""Installations for tests of steps, of the command line and of the wheel; made once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # a session that asks for none of these need not import the engine's libraries
    from demo.retail_source import Retail
    from nightcast.local import postgres
    from steps.other_worlds import Riding
    from steps.world import Installation, World


@pytest.fixture(scope="session")
def retail(server: postgres.Server) -> Iterator[Retail]:
    """The excerpt in original dates; tests that change it put it back."""
    from demo.retail_source import make

    with make(server) as made:
        yield made


@pytest.fixture(scope="session")
def early(server: postgres.Server, retail: Retail, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation that knows the days up to 2010-12-05, with a small model that is live from then on."""
    from steps.world import prepared

    with prepared(server, retail, tmp_path_factory.mktemp("early")) as made:
        yield made


@pytest.fixture(scope="session")
def imported(early: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation before its first night, with the model of the whole recipe live."""
    from steps.world import EARLY, TRAINED_THROUGH, copied

    with copied(early, tmp_path_factory.mktemp("imported")) as made:
        made.import_days(EARLY + timedelta(days=1), TRAINED_THROUGH)
        made.promote(made.train(TRAINED_THROUGH)["version"], TRAINED_THROUGH)
        yield made


@pytest.fixture(scope="session")
def published(imported: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation after its first three nights. For reading only."""
    from steps.world import NIGHTS, copied, scheduled

    with copied(imported, tmp_path_factory.mktemp("published")) as made:
        for origin in NIGHTS:
            made.night(origin, **scheduled(origin))
        yield made


@pytest.fixture(scope="session")
def doubled(early: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation that published 2010-12-05 and was stopped on 2010-12-06, which the source has twice. To read."""
    from nightcast.errors import NightStopped
    from steps.world import DOUBLED, EARLY, copied, scheduled

    with copied(early, tmp_path_factory.mktemp("doubled")) as made:
        made.night(EARLY, **scheduled(EARLY))
        with pytest.raises(NightStopped):
            made.night(DOUBLED, **scheduled(DOUBLED))
        yield made


@pytest.fixture(scope="session")
def riding(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Riding]:
    """Trips by station (a number) and direction, from hourly counts in Postgres, after three nights. To read."""
    from steps.other_worlds import riding

    with riding(server, tmp_path_factory.mktemp("riding")) as made:
        yield made


@pytest.fixture(scope="session")
def metered(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Energy per meter from a folder of Parquet files, after two nights. To read."""
    from steps.other_worlds import metered

    with metered(server, tmp_path_factory.mktemp("metered")) as made:
        yield made


@pytest.fixture(scope="session")
def delivering(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Parcels per courier from files that name people, after two nights. To read."""
    from steps.personal_world import delivering

    with delivering(server, tmp_path_factory.mktemp("delivering")) as made:
        yield made


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that makes a copy of an installation, of the test's own."""
    from steps.world import copied

    with ExitStack() as held:
        made: list[Any] = []

        def make_copy(world: Any, *, lake: bool = False) -> Any:
            place = tmp_path / f"copy{len(made)}"
            made.append(held.enter_context(copied(world, place, lake=lake)))
            return made[-1]

        yield make_copy


@pytest.fixture
def world(imported: World, copy: Callable[..., World]) -> World:
    """An installation of the test's own, before its first night."""
    return copy(imported)


@pytest.fixture
def served(published: World, copy: Callable[..., World]) -> World:
    """An installation of the test's own, after its first three nights."""
    return copy(published)
