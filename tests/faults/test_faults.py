"""The quick share of the catalogue, and that the harness itself notices what it is there for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import truths
from faults.catalogue import Fault, load
from faults.conditions import CONDITIONS
from faults.nights import CHAIN, TASKS, forge
from faults.page import page
from faults.playing import play
from faults.points import ACTS, POINTS
from faults.reader import Reader
from faults.stage import BEFORE, TONIGHT, Stage, retail_stage
from nightcast import errors
from nightcast.store import connect
from nightcast.store.queries import execute
from steps.world import PIPELINE, World

pytestmark = pytest.mark.postgres

CATALOGUE = load()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"


@pytest.fixture(scope="module")
def stage(early: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = tmp_path_factory.mktemp("faults")
    with forge(place), retail_stage(early, place) as made:
        yield made


@pytest.mark.parametrize("fault", [pytest.param(f, id=f.id) for f in CATALOGUE if f.quick])
def test_a_fault_comes_to_what_the_catalogue_says(fault: Fault, stage: Stage, tmp_path: Path) -> None:
    outcome = play(fault, stage, tmp_path)
    log = tmp_path / "tries.log"
    assert not outcome.wrong, "\n".join([*outcome.wrong, log.read_text() if log.exists() else ""])


def test_every_word_of_the_catalogue_means_something() -> None:
    kinds = {"MemoryError", "AirflowTaskTimeout", *vars(errors)}
    for fault in CATALOGUE:
        assert fault.task in TASKS, fault.id
        assert fault.place == "retail" or not fault.quick, f"{fault.id}: quick ones are played on one installation"
        assert fault.needs == "nothing" or not fault.quick, f"{fault.id}: quick ones need no root"
        assert fault.point is None or fault.point in POINTS, fault.id
        assert fault.act in ACTS, fault.id
        assert set(fault.world) <= set(CONDITIONS), fault.id
        assert {name for name in fault.expect.told if name[0].isupper()} <= kinds, fault.id
    assert {f.point for f in CATALOGUE if f.point} == set(POINTS), "points that no fault uses"
    assert {name for f in CATALOGUE for name in (*f.before, *f.world)} == set(CONDITIONS), (
        "conditions that no fault uses"
    )


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text() == page(), "run `make docs` and commit the page"


def test_every_point_is_a_function_of_the_engine() -> None:
    for point in POINTS.values():
        module, _, path = point.function.partition(":")
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        assert callable(found)


def test_the_tasks_are_those_of_the_dag_in_their_order() -> None:
    from nightcast.orchestration.inference import MINUTES

    assert tuple(MINUTES) == TASKS
    assert TASKS[: len(CHAIN)] == CHAIN


PLANTED = {
    "a row is gone": ("DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table} WHERE {run})", "lost"),
    "a row is twice": (
        f"ALTER TABLE internal.prediction_{PIPELINE} DROP CONSTRAINT prediction_{PIPELINE}_pkey; "
        "INSERT INTO {table} SELECT * FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table} WHERE {run})",
        "duplicate",
    ),
    "an unpublished run is shown": (
        "UPDATE internal.run SET state = 'failed' WHERE run_id = {number}",
        "wrong",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_must_not_be_is_noticed(name: str, stage: Stage, tmp_path: Path) -> None:
    """Planted as the superuser: nobody else could."""
    statement, kind = PLANTED[name]
    with stage.at("publish", tmp_path, source=False) as (world, _):
        (shown,) = world.as_analyst(f"SELECT DISTINCT run FROM forecast.{PIPELINE}")
        words = {
            "table": f"internal.prediction_{PIPELINE}_{TONIGHT + BEFORE[-1]:%Y_%m}",
            "run": f"run_id = {shown['run']}",
            "number": shown["run"],
        }
        with Reader(world.url("analyst"), world.name, ("sku",)) as reader:
            reader.until(2)
            assert truths.of(world, reader).wrong == []
            with connect.transaction(world.server.url(world.database)) as tx:
                execute(tx, statement.format(**words))
            reader.until(2)
        found = truths.of(world, reader)
    assert found.wrong
    assert getattr(found, kind)
    assert bool(found.partial) == (kind != "wrong")
