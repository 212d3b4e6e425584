"""Archives whose bytes depend on nothing but their content: not on clocks, memory addresses or threads.

A skops file names its members and nodes by memory addresses and stamps them with the time. Here nodes are numbered in
the order in which they are stored, files in the order of first use, and the archive says the same of every member.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold


def stored_zip(members: Mapping[str, bytes]) -> bytes:
    """An uncompressed zip of the members, in the order given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system, entry.external_attr = 3, 0o600 << 16  # as Unix, whatever system writes
            archive.writestr(entry, data)
    return out.getvalue()


def canonical(dumped: bytes) -> bytes:
    """A skops file in canonical bytes; applied twice it changes nothing."""
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        renaming = _Renaming()
        schema = renaming.node(json.loads(archive.read(SCHEMA)))
        members = {new: archive.read(old) for old, new in sorted(renaming.files.items(), key=lambda f: f[1])}
    return stored_zip(members | {SCHEMA: json.dumps(schema, indent=1).encode()})


class _Renaming:
    """Numbers given in the order of a schema's depth-first walk."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}  # member's name in the dump -> canonical name
        self._shared: dict[Any, int] = {}  # address in the dump -> number, for nodes that others may refer to
        self._numbers = 0

    def node(self, value: Any) -> Any:
        """The value with new numbers and names, in its order."""
        if isinstance(value, list):
            return [self.node(v) for v in value]
        if not isinstance(value, dict):
            return value
        result = dict(value)
        if "__id__" in value:  # numbered before its children, wherever the dump wrote it
            result["__id__"] = self._number(value)
        if isinstance(value.get("file"), str):
            result["file"] = self._file(value["file"])
        return {k: v if k in ("__id__", "file") else self.node(v) for k, v in result.items()}

    def _number(self, node: Mapping[str, Any]) -> int:
        # Arrays are written once and referred to again by address. All else is numbered afresh: small integers and
        # texts share an address by accident of the interpreter.
        if node.get("__loader__") == "CachedNode" or ("file" in node and node["__id__"] in self._shared):
            return self._shared[node["__id__"]]
        self._numbers += 1
        self._shared[node["__id__"]] = self._numbers
        return self._numbers

    def _file(self, name: str) -> str:
        return self.files.setdefault(name, f"{len(self.files) + 1:06d}{PurePosixPath(name).suffix}")
