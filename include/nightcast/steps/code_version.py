"""Which code is running: recorded on every run, compared between the steps of a night."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nightcast
from nightcast.settings import Settings


@dataclass(frozen=True, kw_only=True)
class CodeVersion:
    """A commit for people, whether the working tree differed from it, and the digest of the engine's own files.

    The digest is what must not change within a night: a commit that touches only a document does not count.
    """

    commit: str
    dirty: bool
    digest: str


def code_version(settings: Settings) -> CodeVersion:
    """The running code. The commit is what the environment says (an image), else git, else the package's version."""
    package = Path(nightcast.__file__).parent
    digest = _digest(package)
    if settings.code_commit:
        return CodeVersion(commit=settings.code_commit, dirty=False, digest=digest)
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")  # not a team's repository around a wheel
    commit = _git(package, "rev-parse", "HEAD") if tracked else None
    if commit is None:
        return CodeVersion(commit=f"nightcast-{nightcast.__version__}", dirty=False, digest=digest)
    return CodeVersion(commit=commit, dirty=bool(_git(package, "status", "--porcelain", ".")), digest=digest)


@functools.cache
def _digest(package: Path) -> str:
    """SHA-256 over names and bytes of the engine's code and SQL. Once per process: loaded code does not change."""
    digest = hashlib.sha256()
    for file in sorted(f for f in package.rglob("*") if f.suffix in (".py", ".sql")):
        digest.update(f"{file.relative_to(package).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@functools.cache
def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
