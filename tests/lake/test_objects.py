"""The lake keeps objects whole, under their digest, and says what is wrong with those that are not."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightcast.errors import LakeObjectCorrupt, LakeObjectMissing, LakeUnavailable, SettingMissing
from nightcast.lake import Lake, tables

pytestmark = pytest.mark.unit


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def path_of(tmp_path: Path, digest: str) -> Path:
    return tmp_path / "lake" / "objects" / digest[:2] / digest


def test_an_object_is_named_by_its_bytes_and_kept_private(lake: Lake, tmp_path: Path) -> None:
    digest = lake.put(b"night")
    assert digest == hashlib.sha256(b"night").hexdigest()
    assert lake.get(digest) == b"night"
    assert lake.has(digest)
    assert not lake.has("0" * 64)
    path = path_of(tmp_path, digest)
    assert path.read_bytes() == b"night"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path.parent.parent, tmp_path / "lake")} == {0o700}
    assert [p.name for p in path.parent.iterdir()] == [digest]


@pytest.mark.parametrize("url", ["{}/lake", "file://{}/lake", "memory://{}/lake"])
def test_every_file_system_gives_back_what_it_was_given(url: str, tmp_path: Path) -> None:
    lake = Lake(url.format(tmp_path))
    file = tmp_path / "file"
    file.write_bytes(b"from a file")
    assert lake.get(lake.put(b"")) == b""
    assert lake.get(lake.put_file(file)) == b"from a file"
    assert lake.put(b"from a file") == lake.put_file(file)
    assert lake.get_text(lake.put_text("ünï\n")) == "ünï\n"
    assert lake.get_json(lake.put_json({"b": date(2011, 1, 1), "a": [1, None]})) == {"a": [1, None], "b": "2011-01-01"}
    with pytest.raises(LakeObjectMissing):
        lake.get("0" * 64)


def test_equal_values_have_one_json_and_nan_has_none(lake: Lake) -> None:
    assert lake.put_json({"a": 1, "b": 2}) == lake.put_json({"b": 2, "a": 1})
    assert json.loads(lake.get(lake.put_json({"ü": "ü"}))) == {"ü": "ü"}
    with pytest.raises(ValueError, match="JSON"):
        lake.put_json({"a": float("nan")})


def test_an_object_that_is_there_is_not_written_again(lake: Lake, tmp_path: Path) -> None:
    digest = lake.put(b"night")
    path = path_of(tmp_path, digest)
    os.utime(path, (1, 1))
    before = path.stat().st_ino
    lake.put(b"night")
    assert path.stat().st_ino == before
    assert path.stat().st_mtime > 1, "its age starts anew when it is used again"


@pytest.mark.parametrize("damage", [b"", b"nigh", b"nighT", b"night "])
def test_a_damaged_object_is_not_given(lake: Lake, tmp_path: Path, damage: bytes) -> None:
    digest = lake.put(b"night")
    path_of(tmp_path, digest).write_bytes(damage)
    with pytest.raises(LakeObjectCorrupt, match=f"has {len(damage)} bytes with SHA-256 .*; expected its name"):
        lake.get(digest)
    if len(damage) != 5:
        with pytest.raises(LakeObjectCorrupt, match=f"has {len(damage)} bytes; expected 5"):
            lake.put(b"night")
    assert path_of(tmp_path, digest).read_bytes() == damage, "the evidence stays"


def test_a_missing_object_and_a_missing_lake_are_told_apart(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeUnavailable, match="is not there"):
        lake.get("0" * 64)
    lake.put(b"first")
    with pytest.raises(LakeObjectMissing, match=f"object {'0' * 64} is not in"):
        lake.get("0" * 64)


@pytest.mark.parametrize("name", ["", "../../secret", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_digests_are_names(lake: Lake, name: str) -> None:
    for ask in (lake.get, lake.has):
        with pytest.raises(LakeObjectMissing, match="64 hexadecimal digits"):
            ask(name)


def test_a_lake_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(LakeUnavailable, match="did not"):
        lake.put(b"night")


def test_a_url_that_cannot_be_opened_says_so_without_its_secret() -> None:
    with pytest.raises(SettingMissing, match="expected a folder, or a URL") as caught:
        Lake("nosuch://user:hunter2@bucket/prefix")
    assert "hunter2" not in str(caught.value)


def test_many_writers_of_one_object(lake: Lake, tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    start, made = threading.Barrier(8), []

    def write() -> None:
        start.wait()
        made.append(lake.put(data))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [hashlib.sha256(data).hexdigest()] * 8
    assert lake.get(made[0]) == data
    assert [p.name for p in path_of(tmp_path, made[0]).parent.iterdir()] == [made[0]]


def test_a_writer_that_is_killed_leaves_no_object(lake: Lake, tmp_path: Path) -> None:
    code = f"""
import os, pathlib
from nightcast.lake import Lake
pathlib.Path.rename = lambda *_: os.kill(os.getpid(), 9)
Lake({str(tmp_path / "lake")!r}).put(b"night")
"""
    path = os.pathsep.join(p for p in sys.path if p)
    ended = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False)
    assert ended.returncode == -9
    digest = hashlib.sha256(b"night").hexdigest()
    assert not lake.has(digest)
    assert lake.get(lake.put(b"night")) == b"night"


TABLE = pa.table(
    {
        "s": pa.array(["a", None, "", "é" * 50, "a"] * 40),
        "n": pa.array([1, None, 3, -4, 2**62] * 40, pa.int64()),
        "t": pa.array([0, 1, None, 10**15, -1] * 40, pa.timestamp("us")),
        "d": pa.array([1, None, 3, 4, 5] * 40, pa.int32()).cast(pa.decimal128(18, 3)),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, TABLE.num_rows), max_size=6), st.integers(1, 90))
def test_parquet_bytes_do_not_depend_on_chunks(cuts: list[int], row_group: int) -> None:
    edges = [0, *sorted(cuts), TABLE.num_rows]
    chunked = pa.concat_tables([TABLE.slice(a, b - a) for a, b in pairwise(edges)])
    lake = Lake("memory://chunks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROW_GROUP", row_group)  # small, so that borders of groups and chunks cross
        assert lake.put_table(chunked) == lake.put_table(TABLE)
    assert lake.get_table(lake.put_table(chunked)).equals(TABLE)


def test_some_columns_of_a_table(lake: Lake) -> None:
    digest = lake.put_table(TABLE.replace_schema_metadata({"made": "today"}))
    assert digest == lake.put_table(TABLE)
    assert lake.get_table(digest, ["n", "s"]).equals(TABLE.select(["n", "s"]))
    empty = lake.put_table(TABLE.slice(0, 0))
    assert lake.get_table(empty).schema.equals(TABLE.schema)
