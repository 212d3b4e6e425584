"""Personal data: what is not declared never leaves the source, what is sensitive is never stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import hunting
from nightcast.domain.sensitive import pseudonym
from nightcast.errors import NightStopped, SettingMissing, SourceMismatch
from nightcast.settings import from_environment
from nightcast.steps import import_history, rooms, sequence
from nightcast.store import connect, layout
from steps.other_worlds import NEXT, NIGHTS
from steps.personal_world import CUSTOMER, PHONE, QUARANTINED, REMARK, SIGNATURE
from steps.world import Installation, clock_of, scheduled

pytestmark = pytest.mark.postgres

TOO_LONG = """
  - id: phone_is_short
    type: expect_column_value_lengths_to_be_between
    kwargs: {column: phone, max_value: 4}
    on_fail: stop
"""
NEVER = {"undeclared": REMARK, "dropped": SIGNATURE, "hashed": PHONE, "hashed, in part": PHONE[4:]}


def stand_in(world: Installation) -> str:
    return pseudonym(PHONE, from_environment(world.environment).hash_key)


def test_what_is_undeclared_dropped_or_hashed_is_nowhere(delivering: Installation) -> None:
    """In no lake object (days, panels, profiles, bundles) and in no table; what is stored is found in this way."""
    stored = {"customer": CUSTOMER, "pseudonym": stand_in(delivering)}
    lake = hunting.in_files(delivering.lake.rglob("*"), NEVER | stored)
    assert set().union(*lake.values()) == stored.keys()
    tables = hunting.in_database(delivering.server.url(delivering.database), NEVER | stored)
    assert tables == {f"internal.{table}": set(stored) for table in ("quarantined_row", "check_result")}
    (kept,) = delivering.as_writer(f"SELECT row FROM internal.quarantined_row WHERE event_day = '{QUARANTINED}'")
    assert kept["row"]["phone"] == stand_in(delivering)
    assert "signature" not in kept["row"]


def test_a_failing_check_shows_no_more_than_is_stored(
    delivering: Installation, copy: Callable[..., Installation], caplog: pytest.LogCaptureFixture
) -> None:
    world = copy(delivering, lake=True)
    world.edit("expectations.yaml", "rows:\n", f"rows:\n{TOO_LONG}")
    with pytest.raises(NightStopped, match="phone_is_short") as stopped:
        world.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    assert not hunting.in_bytes((str(stopped.value) + caplog.text).encode(), NEVER)
    assert world.as_writer("SELECT 1 FROM internal.check_result WHERE check_id = 'phone_is_short' AND sample <> '[]'")
    found = hunting.in_database(world.server.url(world.database), NEVER)
    assert found == {}
    assert hunting.in_files(world.lake.rglob("*"), NEVER) == {}


def test_without_the_key_nothing_is_read(delivering: Installation, copy: Callable[..., Installation]) -> None:
    world = copy(delivering)
    for key, said in (("", "NIGHTCAST_HASH_KEY is not set; expected a secret"), ("short", "has 5 characters")):
        lacking = rooms.build(from_environment(world.environment | {"NIGHTCAST_HASH_KEY": key}))
        with pytest.raises(SettingMissing, match=said):
            sequence.run_night(world.asked(NIGHTS[2]), lacking, clock_of(NIGHTS[2]))
    assert world.last_run().manifest_digest is None


def test_another_key_than_before_is_refused(delivering: Installation, copy: Callable[..., Installation]) -> None:
    """For nights and imports: everybody would be a stranger. A new version of the tables may begin with a new key."""
    world = copy(delivering)
    other = rooms.build(from_environment(world.environment | {"NIGHTCAST_HASH_KEY": "other" * 8}))
    with pytest.raises(
        SettingMissing,
        match=r"another key .* than the one that the pseudonyms of parcel_rounds were made with.*version: 2",
    ):
        sequence.run_night(world.asked(NIGHTS[2]), other, clock_of(NIGHTS[2]))
    days = {"pipeline": world.name, "first": NIGHTS[2].isoformat(), "last": NIGHTS[2].isoformat()}
    with pytest.raises(SettingMissing, match="is another key"):
        import_history.run(days, other, clock_of(NIGHTS[2]))
    world.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    world.edit("pipeline.yaml", "version: 1\n", "version: 2\n")
    with connect.transaction(world.url("nightcast_owner")) as tx:
        layout.apply(tx, world.pipeline)
    assert import_history.run(days, other, clock_of(NIGHTS[2]))["state"] == "done"


def test_a_value_that_does_not_fit_is_not_quoted(
    delivering: Installation, copy: Callable[..., Installation], tmp_path: Path
) -> None:
    """A sensitive one; of any other column it is."""
    world, files = copy(delivering), tmp_path / "files/rounds"
    files.mkdir(parents=True)
    world = replace(world, sources={"rounds": f"file://{files.parent}"})
    header = "courier,delivered_at,parcels,vehicle,customer,phone,signature\n"
    file = files / f"{NEXT}.csv"
    world.edit("pipeline.yaml", "signature: {type: string,", "signature: {type: integer,")
    file.write_text(f"{header}a,{NEXT} 09:00:00,1,v,c,p,{SIGNATURE}\n")
    with pytest.raises(SourceMismatch, match="column signature: found a value that is not told") as refused:
        world.night(NEXT, mode="known_now")
    assert SIGNATURE not in str(refused.value)
    file.write_text(f"{header}a,{NEXT} 09:00:00,many,v,c,p,1\n")
    with pytest.raises(SourceMismatch, match="column parcels: found 'many'"):
        world.night(NEXT, mode="known_now")
    file.write_text(f"{header}a,{NEXT} 09:00:00,1,v,c,p,\n")
    world.edit("pipeline.yaml", "nullable: true, sensitive: drop", "sensitive: drop")
    with pytest.raises(SourceMismatch, match="column signature is null in 1 of 1 rows"):
        world.night(NEXT, mode="known_now")
