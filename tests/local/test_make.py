"""The doors of the checkout: make, bin/nightcast and the scripts behind them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit


def run(*command: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | variables
    return subprocess.run([str(part) for part in command], cwd=cwd, env=settings, capture_output=True, text=True)


def test_help_lists_every_target_that_people_call(repository: Path) -> None:
    shown = run("make", "help", cwd=repository).stdout
    listed = set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE))
    assert listed >= {"demo", "down", "demo-reset", "status", "test", "lint", "lock", "help"}
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    assert targets - listed == {"install", "install-dev"}
    assert run("make", cwd=repository).stdout == shown  # what a newcomer types first


def test_every_target_can_be_planned(repository: Path) -> None:
    for target in re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE):
        planned = run("make", "-n", target, cwd=repository)
        assert planned.returncode == 0, planned.stderr


def test_ci_runs_make_test(repository: Path) -> None:
    commands = [line for line in (repository / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert commands[-1].removeprefix("exec ") == "make test"


def test_make_keeps_the_callers_python_settings_from_ours(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"include {repository}/Makefile\nshow:\n\t@env\n")
    caller = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHOME": "/nowhere", "VIRTUAL_ENV": "/nowhere"}
    shown = run("make", "show", cwd=tmp_path, **caller).stdout
    assert not [line for line in shown.splitlines() if line.startswith(tuple(caller))]
    assert "AIRFLOW_HOME=" in shown


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A checkout without an environment."""
    for name in ("bin", "scripts"):
        shutil.copytree(repository / name, tmp_path / "checkout" / name)
    shutil.copy(repository / "Makefile", tmp_path / "checkout")
    return tmp_path / "checkout"


def test_down_has_nothing_to_do_where_nothing_is_installed(checkout: Path) -> None:
    done = run("make", "down", cwd=checkout)
    assert (done.returncode, done.stdout) == (0, "nothing is running\n")


def test_down_leaves_a_process_alone_that_only_has_the_recorded_number(checkout: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (checkout / ".run").mkdir()
        (checkout / ".run/supervisord.pid").write_text(str(stranger.pid))
        assert run("make", "down", cwd=checkout).stdout == "nothing is running\n"
        assert stranger.poll() is None
        stranger.kill()


def test_the_command_line_says_how_to_install(checkout: Path) -> None:
    done = run(checkout / "bin/nightcast", "runs", cwd=Path("/"))
    assert done.returncode == 1
    assert "make demo" in done.stderr


def test_the_command_line_works_from_any_folder_and_through_links(repository: Path, tmp_path: Path) -> None:
    if not (repository / ".venv/bin/python").exists():
        pytest.fail("expected the environment of this checkout in .venv; run `make test`")
    (tmp_path / "first").symlink_to(os.path.relpath(repository / "bin/nightcast", tmp_path))
    (tmp_path / "second").symlink_to(tmp_path / "first")
    done = run(tmp_path / "second", "--help", cwd=tmp_path, NIGHTCAST_STATE=str(tmp_path / "none"))
    assert "nightcast" in done.stdout, done.stderr
    assert not (tmp_path / "none").exists()


def test_airflows_command_line_needs_a_machine_and_makes_none(repository: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "NIGHTCAST_STATE": str(tmp_path / "none")}
    done = run(repository / "bin/airflow", "version", cwd=tmp_path, **home)
    assert done.returncode == 1
    assert "make demo" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_a_space_is_refused_in_words(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "scripts", tmp_path / "with space" / "scripts")
    done = run("bash", "scripts/bootstrap.sh", ".venv", "x", cwd=tmp_path / "with space")
    assert done.returncode == 1
    assert "contains a space" in done.stderr


def test_no_python_that_fits_is_said_with_the_way_out(checkout: Path) -> None:
    done = run("bash", "scripts/bootstrap.sh", ".venv", "x", cwd=checkout, PYTHON="python-that-is-not-there")
    assert done.returncode == 1
    assert "make PYTHON=" in done.stderr


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout that looks installed: an interpreter, the record of where, and the stamps."""
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").touch(mode=0o755)
    (venv / "pyvenv.cfg").write_text(f"command = /usr/bin/python3 -m venv {venv}\n")
    for name in ("one.txt", "two.txt"):
        (checkout / name).touch()
    for count in (1, 2):
        (venv / f".ready-{count}").touch()
    return checkout


def bootstrap_starts_python(checkout: Path, *locks: str) -> bool:
    """Whether the script goes on to look for an interpreter; there is none on this path."""
    done = run("bash", "scripts/bootstrap.sh", ".venv", *locks, cwd=checkout, PATH="/nowhere:/usr/bin:/bin", PYTHON="")
    return done.returncode != 0


def age(file: Path, seconds: float) -> None:
    os.utime(file, (file.stat().st_atime + seconds, file.stat().st_mtime + seconds))


def test_nothing_is_installed_twice_and_whatever_changed_is_seen(installed: Path, tmp_path: Path) -> None:
    quick = "up_to_date() "
    script = (installed / "scripts/bootstrap.sh").read_text()
    assert quick in script
    (installed / "scripts/bootstrap.sh").write_text(re.sub(r"^python=$", "exit 9", script, count=1, flags=re.MULTILINE))
    for lock in ("one.txt", "two.txt", "scripts/uv-lock.txt"):
        age(installed / lock, -60)
    assert not bootstrap_starts_python(installed, "one.txt")
    assert not bootstrap_starts_python(installed, "one.txt", "two.txt")
    age(installed / "two.txt", 3600)
    assert not bootstrap_starts_python(installed, "one.txt")
    assert bootstrap_starts_python(installed, "one.txt", "two.txt")
    (installed / ".venv/.ready-1").unlink()
    assert bootstrap_starts_python(installed, "one.txt")
    (installed / ".venv/.ready-1").touch()
    moved = tmp_path / "moved"
    installed.rename(moved)
    assert bootstrap_starts_python(moved, "one.txt")
