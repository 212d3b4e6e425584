"""Which code made a run: what the environment says, else git, else the package's version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import nightcast
from nightcast.settings import from_environment
from nightcast.steps.code_version import code_version

pytestmark = pytest.mark.unit


def test_an_image_says_its_commit() -> None:
    found = code_version(from_environment({"NIGHTCAST_CODE_COMMIT": "abc"}))
    assert (found.commit, found.dirty, len(found.digest)) == ("abc", False, 64)


def test_a_checkout_is_asked(repository: Path) -> None:
    git = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    expected = done.stdout.strip() if done.returncode == 0 else f"nightcast-{nightcast.__version__}"
    found = code_version(from_environment({}))
    assert found.commit == expected
    assert found.digest == code_version(from_environment({"NIGHTCAST_CODE_COMMIT": "abc"})).digest
