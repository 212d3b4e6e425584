"""Compare a CycloneDX file with the lock that it was made from; exit 1 where one has what the other lacks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def main(lock: Path, listed: Path) -> int:
    text = lock.read_text(encoding="utf-8")
    pinned = {(name.lower(), version) for name, version in PINNED.findall(text)}
    components = json.loads(listed.read_text(encoding="utf-8"))["components"]
    found = {(each["name"].lower(), each["version"]) for each in components}
    wrong = [f"not listed: {name} {version}" for name, version in sorted(pinned - found)]
    wrong += [f"not in the lock: {name} {version}" for name, version in sorted(found - pinned)]
    wrong += [f"without a hash: {each['name']}" for each in components if "SHA-256" not in json.dumps(each)]
    print("\n".join(wrong) if wrong else f"{listed}: {len(found)} dependencies, each with its version and hashes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3])))
