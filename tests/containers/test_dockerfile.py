"""The image's recipe without an engine: lint, versions, what gets in and what stays out."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, "--failure-threshold", "info", file], capture_output=True, text=True, timeout=60)


def locked(repository: Path, package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(\S+)", (repository / "requirements.txt").read_text(), re.MULTILINE)
    assert found, f"{package} is not locked"
    return found[1]


def test_hadolint_has_nothing_to_say(repository: Path, tmp_path: Path) -> None:
    done = lint(repository / "Dockerfile")
    assert done.returncode == 0, done.stdout
    (tmp_path / "Dockerfile").write_text((repository / "Dockerfile").read_text() + "USER root\nRUN cd /tmp\n")
    assert lint(tmp_path / "Dockerfile").returncode != 0


def test_the_base_is_the_locked_airflow_on_the_python_of_the_lock(repository: Path) -> None:
    text = (repository / "Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    python = re.search(r"--python-version (3\.\d+)", (repository / "Makefile").read_text())
    assert python, "the lock no longer says for which Python it is made"
    assert base == f"apache/airflow:slim-{locked(repository, 'apache-airflow')}-python{python[1]}"


def test_the_environment_is_the_lock_with_hashes_and_has_celery(repository: Path) -> None:
    text = (repository / "Dockerfile").read_text()
    (install,) = re.findall(r"^RUN (uv pip .+)", text, re.MULTILINE)
    for flag in ("sync", "--require-hashes", "--only-binary :all:", "--compile-bytecode", "--no-cache"):
        assert flag in install
    assert re.findall(r"\b(?:pip|apt-get|curl|wget) install", text.replace(install, "")) == []
    lock = (repository / "requirements.txt").read_text()
    pins = re.findall(r"^\S+==.+(?:\n    .+)*", lock, re.MULTILINE)
    assert len(pins) > 150
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert locked(repository, "apache-airflow-providers-celery")
    assert locked(repository, "redis")


def test_it_runs_as_nobody_special_and_cannot_change_its_code(repository: Path) -> None:
    text = (repository / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "50000"
    assert "--chown" not in text
    assert "chmod -R a+rX,go-w /opt/nightcast " in text


def test_the_commit_is_asked_for_last_and_must_be_given(repository: Path) -> None:
    text = (repository / "Dockerfile").read_text()
    steps = re.findall(r"^(FROM|COPY|RUN|ARG|ENV|USER|LABEL)\b(.*)", text, re.MULTILINE)
    at = [name for name, _ in steps].index("ARG")
    assert steps[at] == ("ARG", " NIGHTCAST_CODE_COMMIT")
    assert [name for name, _ in steps[at + 1 :]] == ["RUN", "ENV", "LABEL"]
    said = 'test -n "$NIGHTCAST_CODE_COMMIT"'
    assert said in steps[at + 1][1]
    assert "NIGHTCAST_CODE_COMMIT" in (repository / "docker-compose.yaml").read_text()
    assert "NIGHTCAST_CODE_COMMIT=$$(git describe" in (repository / "Makefile").read_text()


def test_only_code_gets_into_the_build(repository: Path) -> None:
    """Docker reads the last pattern that matches; here everything is out but what is named."""
    lines = [line for line in (repository / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"

    def gets_in(path: str) -> bool:
        inside = False
        for line in lines:
            pattern = line.removeprefix("!")
            parents = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 2)]
            loose = pattern.removeprefix("**/")
            hit = any(fnmatch.fnmatch(p if loose == pattern else p.split("/")[-1], loose) for p in parents)
            inside = line.startswith("!") if hit else inside
        return inside

    for copied in re.findall(r"^COPY (?:--\S+ )*(\S+) ", (repository / "Dockerfile").read_text(), re.MULTILINE):
        assert gets_in(copied), copied
    assert gets_in("include/nightcast/store/sql/runs.sql")
    for secret in (".env", ".env.example", ".git/config", ".run/state.json", ".venv/pyvenv.cfg", "tests/conftest.py",
                   "include/nightcast/__pycache__/settings.cpython-311.pyc"):  # fmt: skip
        assert not gets_in(secret), secret
