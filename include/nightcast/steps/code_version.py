"""Which code is running: recorded on every run, compared between the steps of a night."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nightcast
from nightcast.settings import Settings


@dataclass(frozen=True, kw_only=True)
class CodeVersion:
    """A commit, and whether the working tree differed from it."""

    commit: str
    dirty: bool


def code_version(settings: Settings) -> CodeVersion:
    """The running code: what the environment says (an image), else what git says, else the package's version."""
    if settings.code_commit:
        return CodeVersion(commit=settings.code_commit, dirty=False)
    return _from_git(settings.pipelines)


@functools.cache
def _from_git(folder: Path) -> CodeVersion:
    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return CodeVersion(commit=f"nightcast-{nightcast.__version__}", dirty=False)
    return CodeVersion(commit=commit, dirty=bool(git("status", "--porcelain", "--untracked-files=no")))
