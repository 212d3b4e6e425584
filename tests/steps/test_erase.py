"""Somebody asks to be forgotten: an entity, and a customer in other entities' rows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import hunting
from cli.calling import ENGINE, bad, good
from docs.pages import Block, Terminal, blocks, follow
from nightcast.domain.decision import Asked
from nightcast.domain.panel import panel_digest, totals
from nightcast.domain.sensitive import pseudonym
from nightcast.errors import (
    DecisionRefused,
    LakeUnavailable,
    NightRefused,
    NightStopped,
    NotFound,
    RemovedOnPurpose,
    SettingMissing,
)
from nightcast.settings import from_environment
from nightcast.steps import erase, reproduce, rooms
from nightcast.store import connect, intake, removals
from nightcast.store.queries import execute
from steps.other_worlds import NIGHTS
from steps.personal_world import COURIER, CUSTOMER, PHONE, write_rounds
from steps.world import Installation, scheduled

pytestmark = pytest.mark.postgres

REASON = "request 2026-117"
ASKED = Asked(who="test", reason=REASON)


@pytest.fixture
def world(delivering: Installation, copy: Callable[..., Installation], tmp_path: Path) -> Installation:
    """An installation of the test's own, its lake and its source too."""
    made: Installation = copy(delivering, lake=True)
    files = tmp_path / "source"
    shutil.copytree(delivering.sources["rounds"].removeprefix("file://"), files)
    return replace(made, sources={"rounds": f"file://{files}"})


def everywhere(world: Installation, **wanted: str) -> set[str]:
    """Which texts are in the lake or in a table."""
    lake = hunting.in_files(world.lake.rglob("*"), wanted)
    tables = hunting.in_database(world.server.url(world.database), wanted)
    return set().union(*lake.values(), *tables.values())


def test_an_entity_is_nowhere_afterwards_and_nights_go_on(world: Installation) -> None:
    before = {r["courier"] for r in world.as_analyst("SELECT DISTINCT courier FROM forecast.parcel_rounds_history")}
    assert COURIER in before
    assert everywhere(world, it=COURIER) == {"it"}
    runs = {r["run_id"] for r in world.as_writer("SELECT run_id FROM internal.run WHERE manifest_digest IS NOT NULL")}
    found = erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)

    assert everywhere(world, it=COURIER) == set()
    after = {r["courier"] for r in world.as_analyst("SELECT DISTINCT courier FROM forecast.parcel_rounds_history")}
    assert after == before - {COURIER}
    assert set(found.runs) == runs
    assert found.models == (1,)
    assert found.counts["predictions"] == 2 * 3  # two nights of three days
    assert found.counts["quarantined"] == 1
    assert found.counts["rows"] == 4 * len(found.days) + 1
    assert found.counts["panels"] == len(found.days) > 80
    assert found.counts["actuals"] == 2
    for row in world.as_writer("SELECT * FROM internal.run WHERE state = 'published'"):
        (there,) = world.as_writer(
            f"SELECT count(*) AS n FROM internal.prediction_parcel_rounds WHERE run_id = {row['run_id']}"
        )
        assert row["predictions"] == row["expected"] == there["n"]

    write_rounds(Path(world.sources["rounds"].removeprefix("file://")), without=COURIER)  # the source forgets, too
    world.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    run = world.last_run()
    assert str(run.state) == "published"
    assert reproduce.run(run.run_id, world.rooms).identical
    restated = world.as_writer(f"SELECT 1 FROM internal.intake WHERE restated AND run_id = {run.run_id}")
    assert restated == []  # days are known as the source has them now
    assert everywhere(world, it=COURIER) == set()


def test_a_touched_run_says_so_when_it_is_to_be_reproduced(world: Installation) -> None:
    run = world.last_run()
    assert reproduce.run(run.run_id, world.rooms).identical
    erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    with pytest.raises(RemovedOnPurpose, match=rf"run {run.run_id} cannot be reproduced.*erased.*{REASON}") as said:
        reproduce.run(run.run_id, world.rooms)
    assert COURIER not in str(said.value)


def test_what_is_left_is_what_the_source_gives_without_them(world: Installation) -> None:
    """Rows and panels of every day, to the digest: nothing is restated once the source has forgotten them, too."""
    with world.writing() as tx:
        before = intake.newest(tx, world.name)
    panels = {day: panel_of(world, taken) for day, taken in before.items()}
    erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    with world.writing() as tx:
        after = intake.newest(tx, world.name)
    assert before.keys() == after.keys()
    for day, taken in after.items():
        left = panel_of(world, taken)
        assert left == panels[day].filter(pc.not_equal(panels[day]["courier"], COURIER))
        assert taken.panel_digest == panel_digest(left) != before[day].panel_digest
        assert taken.totals == totals(left)
    write_rounds(Path(world.sources["rounds"].removeprefix("file://")), without=COURIER)
    done = world.night(NIGHTS[1], mode="known_now")
    with world.writing() as tx:
        assert intake.of_run(tx, done["run_id"]) == []  # all days of the window have the rows that are known
    (old,) = world.as_analyst("SELECT reason FROM forecast.changes WHERE withdrawn_at IS NOT NULL")
    assert re.search(rf"erased on \S+ by test \({REASON}\)", old["reason"])


def panel_of(world: Installation, taken: intake.Revision) -> pa.Table:
    table = world.rooms.lake.get_table(str(taken.panel_object))
    return table.filter(pc.equal(table["day"], taken.event_day))


def test_a_customer_goes_from_rows_and_sums_stay(world: Installation) -> None:
    run, shown = world.last_run(), world.shown()
    found = erase.run(world.name, {"customer": CUSTOMER}, ASKED, world.rooms)
    assert everywhere(world, it=CUSTOMER) == set()
    assert everywhere(world, it=COURIER) == {"it"}
    assert (found.counts["rows"], found.counts["quarantined"]) == (len(found.days) + 1, 1)
    assert not any(found.counts[name] for name in ("panels", "predictions", "actuals", "yardsticks"))
    assert (found.runs, found.models) == ((), ())
    assert world.shown() == shown
    assert reproduce.run(run.run_id, world.rooms).identical


def test_what_an_interrupted_run_left_is_found(world: Installation) -> None:
    """Rows that were read and never taken in, in an object to which nothing refers; and only those."""
    rows = (pa.table({"courier": [COURIER, "courier 1"], "parcels": [number, 1]}) for number in (7, 8, 9))
    old, young, of_others = map(world.rooms.lake.put_table, rows)
    for name in (old, of_others):
        os.utime(next(world.lake.rglob(name)), (0, 0))
    with connect.transaction(world.url("nightcast_owner")) as tx:  # another pipeline refers to it
        execute(tx, OTHERS, {"name": of_others})
    found = erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    assert found.counts["left_over"] == 1
    assert [world.rooms.lake.has(name) for name in (old, young, of_others)] == [False, True, True]


OTHERS = """
INSERT INTO internal.pipeline (name, version, layout, title, owner, cron, timezone, first_night, ready_by, late_arrival)
SELECT 'other', 1, '{}', 't', 'o', cron, timezone, first_night, ready_by, late_arrival FROM internal.pipeline;
INSERT INTO internal.run (pipeline, tables_version, origin, kind, mode, attempt, state, ended_at)
VALUES ('other', 1, '2024-01-01', 'import', 'known_then', 1, 'done', now());
INSERT INTO internal.intake (pipeline, event_day, revision, run_id, state, raw_object)
SELECT 'other', '2024-01-01', 1, max(run_id), 'rejected', %(name)s FROM internal.run
"""


def test_a_pseudonym_is_erased_by_the_name(world: Installation) -> None:
    its = pseudonym(PHONE, world.rooms.settings.hash_key)
    assert everywhere(world, its=its) == {"its"}
    assert erase.run(world.name, {"phone": PHONE}, ASKED, world.rooms).counts["rows"] > 80
    assert everywhere(world, its=its) == set()


def test_the_tombstone_tells_who_did_it_and_names_nobody(world: Installation) -> None:
    found = erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    (kept,) = world.as_writer("SELECT * FROM internal.removal")
    assert (kept["kind"], kept["columns"], kept["why"], kept["runs"]) == (
        "erased",
        ["courier"],
        REASON,
        list(found.runs),
    )
    assert kept["counts"] == found.counts
    assert (kept["first_day"], kept["last_day"]) == (min(found.days), max(found.days))
    assert kept["who"] == "test"
    assert kept["done_at"]
    assert kept["subject"] == erase.digest_of(world.name, {"courier": COURIER}, world.rooms)
    assert erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms).is_empty  # again: nothing is there
    assert len(world.as_writer("SELECT * FROM internal.removal")) == 1


def test_a_dry_run_changes_nothing_and_counts_the_same(world: Installation) -> None:
    before, lake = world.fingerprint(), sorted(file.name for file in world.lake.rglob("*"))
    asked = erase.run(world.name, {"courier": COURIER}, replace(ASKED, dry_run=True), world.rooms)
    assert world.fingerprint() == before
    assert sorted(file.name for file in world.lake.rglob("*")) == lake
    assert erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms) == asked


def test_an_interrupted_deletion_is_ended_by_the_next_call(
    world: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise LakeUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr("nightcast.lake.Lake.delete", away)
        with suppress(LakeUnavailable):
            erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    with world.writing() as tx:
        (waiting,) = removals.undone(tx)
    assert waiting.objects
    assert hunting.in_database(world.server.url(world.database), {"it": COURIER}) == {}
    assert everywhere(world, it=COURIER) == {"it"}  # in objects that nothing refers to
    assert erase.finish(world.rooms) == 1
    assert everywhere(world, it=COURIER) == set()


def test_a_stopped_night_goes_on_with_what_is_left(world: Installation) -> None:
    """Its rows are read and not taken in; clearing it must neither miss the object nor bring anybody back."""
    world.edit("expectations.yaml", "signals: []", STOP)
    with pytest.raises(NightStopped):
        world.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    stopped = world.last_run()
    assert str(stopped.state) == "stopped"
    erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    assert everywhere(world, it=COURIER) == set()
    with pytest.raises(NightStopped):
        world.step("validate", {"run_id": stopped.run_id, "pipeline": world.name, "shards": 1}, NIGHTS[2])
    assert "never_enough: found 37;" in str(stopped.reason)
    assert "never_enough: found 33;" in str(world.run(stopped.run_id).reason)  # judged again, without four rows
    assert everywhere(world, it=COURIER) == set()


STOP = """signals:
  - id: never_enough
    type: expect_table_row_count_to_be_between
    kwargs: {min_value: 100000}
    on_fail: stop
"""


@pytest.mark.parametrize(
    ("named", "reason", "error", "said"),
    [
        ({"courier": COURIER}, f"{COURIER.upper()} asked", DecisionRefused, "the reason holds the name"),
        ({"vehicle": "van 0"}, REASON, NotFound, "'vehicle' names nobody.*courier, customer, phone"),
        ({"signature": "x"}, REASON, NotFound, "'signature' names nobody"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    delivering: Installation, named: dict[str, str], reason: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        erase.run(delivering.name, named, replace(ASKED, reason=reason), delivering.rooms)


def test_a_run_at_work_and_a_missing_key_or_owner_are_refused(world: Installation) -> None:
    opened = world.step("open_run", world.asked(NIGHTS[2]), NIGHTS[2])
    with pytest.raises(NightRefused, match=f"run {opened['run_id']} of parcel_rounds is at work"):
        erase.run(world.name, {"courier": COURIER}, ASKED, world.rooms)
    for name in ("NIGHTCAST_HASH_KEY", "NIGHTCAST_OWNER_URL"):
        lacking = rooms.build(from_environment(world.environment | {name: ""}))
        with pytest.raises(SettingMissing, match=name):
            erase.run(world.name, {"phone": PHONE}, ASKED, lacking)


def test_the_command_reads_the_name_from_standard_input(world: Installation) -> None:
    """Where neither the shell's history nor the list of processes shows it."""
    command = [sys.executable, "-m", "nightcast.cli", "erase", world.name, "--where", "customer=-", "--reason", REASON]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ENGINE), **world.environment}
    done = subprocess.run(command, env=env, input=f"{CUSTOMER}\n", capture_output=True, text=True, check=True)
    assert "erased from parcel_rounds: rows" in done.stdout
    assert CUSTOMER not in done.stdout + done.stderr
    assert everywhere(world, it=CUSTOMER) == set()
    said = good(world, "erase", world.name, "--entity", COURIER, "--reason", REASON)
    assert any("runs that can no longer be reproduced" in line for line in said)
    assert any("model versions that learned from it: 1" in line for line in said)
    run = world.last_run().run_id
    assert any(f"something of it is erased: {REASON}" in line for line in good(world, "show", run))
    assert "RemovedOnPurpose" in bad(world, "reproduce", run)
    assert good(world, "erase", world.name, "--entity", COURIER, "--reason", REASON) == [
        "nothing of them is in parcel_rounds"
    ]
    assert "expected either --entity KEY or --where" in bad(world, "erase", world.name, "--reason", REASON)


def test_the_page_is_followed(world: Installation, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/nightcast"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nightcast.cli "$@"\n')
    program.chmod(0o755)
    text = (world.folder / world.name / "pipeline.yaml").read_text()

    def declared(block: Block) -> str:
        if block.text.startswith("retention"):
            world.edit("pipeline.yaml", "\nmonitoring:\n", f"\n{block.text}\nmonitoring:\n")
            assert world.pipeline.retention.rows == 400
        else:
            assert block.text in text
        return ""

    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ENGINE), **world.environment}
    with Terminal(tmp_path, env) as terminal:
        follow(blocks("protect-personal-data.md"), {"yaml": declared, "bash": terminal.type})
    assert everywhere(world, it=COURIER) == {"it"}  # the page only asks what would be erased
    assert everywhere(world, it=CUSTOMER) == set()
