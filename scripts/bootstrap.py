"""Make a virtual environment hold exactly what the given lock files name.

Called by bootstrap.sh with an interpreter that is known to fit. Standard library only.
Usage: bootstrap.py VENV LOCK...
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FREE_MIB_NEEDED = 2500


def fingerprint(venv: Path, locks: list[Path]) -> str:
    """What the environment must be rebuilt for: the locks, the Python and the place."""
    digest = hashlib.sha256(repr((sys.version_info[:3], str(venv))).encode())
    for lock in (HERE / "uv-lock.txt", *locks):
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def usable(python: Path) -> bool:
    """Whether the environment's interpreter starts and is of our version (a moved one does not start)."""
    probe = [python, "-c", "import sys, pip; print(sys.version_info[:3])"]
    try:
        found = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return False
    return found == str(sys.version_info[:3])


def install(python: Path, locks: list[Path]) -> None:
    """Install the locks with uv, or with plain pip where uv cannot be had. Caches stay in the checkout."""
    caches = HERE.parent / ".cache"
    os.environ.setdefault("UV_CACHE_DIR", str(caches / "uv"))
    os.environ.setdefault("PIP_CACHE_DIR", str(caches / "pip"))
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    files = [argument for lock in locks for argument in ("-r", str(lock))]
    try:
        subprocess.run([*pip, "-r", HERE / "uv-lock.txt"], check=True)
        sync = [python, "-m", "uv", "pip", "sync", "-q", "--python", python, "--require-hashes", "--no-build"]
        # Bytecode now: otherwise every task process compiles Airflow again and again.
        subprocess.run([*sync, "--compile-bytecode", *map(str, locks)], check=True)
    except (subprocess.CalledProcessError, OSError):
        print("  uv did not work here; using pip, which takes longer", flush=True)
        subprocess.run([*pip, "--only-binary", ":all:", *files], check=True)


def main() -> int:
    venv, locks = Path(sys.argv[1]).resolve(), [Path(name) for name in sys.argv[2:]]
    want, stamp = fingerprint(venv, locks), venv / f".ready-{len(locks)}"
    # The lock file lies beside the environment, because it must survive its rebuilding.
    with open(f"{venv}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == want:
            os.utime(stamp)
            return 0
        free = shutil.disk_usage(venv.parent).free >> 20
        if free < FREE_MIB_NEEDED:
            print(f"{free} MiB of disk space are free; {FREE_MIB_NEEDED} are needed to install", file=sys.stderr)
            return 1
        begun = time.monotonic()
        print(f"installing {' and '.join(lock.name for lock in locks)} into {venv.name} ...", flush=True)
        python = venv / "bin" / "python"
        if not usable(python):
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        for old in venv.glob(".ready-*"):
            old.unlink()
        install(python, locks)
        for count in range(1, len(locks) + 1):  # the full set serves where the smaller one is asked for
            done = venv / f".ready-{count}"
            draft = done.with_suffix(".tmp")
            draft.write_text(fingerprint(venv, locks[:count]))
            draft.replace(done)
        print(f"installed in {time.monotonic() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
