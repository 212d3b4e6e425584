"""A bundle as a file: its digest, its members, its JSON. Nothing here knows what a model is, or opens one."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from nightcast.domain.team_file import one_of
from nightcast.errors import BundleRejected
from nightcast.models.families import MEMBERS

MAX_BYTES = 256 << 20  # of a bundle; one with 100 trees has less than one MiB
MAX_SCHEMA_BYTES = 32 << 20
MANIFEST, PROFILES = "manifest.json", "profiles.json"
DO = "Do not use this file; train a new version, or restore the registered object"


def digest(data: bytes) -> str:
    """The name of a bundle: SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()


def bundle_members(data: bytes, expected_digest: str) -> dict[str, bytes]:
    """The three members of the registered bundle: manifest, profiles, and the model under the name of its family.

    Raises:
        BundleRejected: other bytes than the registered ones, too many of them, or other members.
    """
    found = digest(data)
    if found != expected_digest:
        raise BundleRejected(f"the bundle has the digest {found}; expected {expected_digest}. {DO}")
    if len(data) > MAX_BYTES:
        raise BundleRejected(f"the bundle has {len(data)} bytes; expected at most {MAX_BYTES}. {DO}")
    inside = members(data, "the bundle", lambda n: n in (MANIFEST, PROFILES, *MEMBERS))
    lacking = sorted({MANIFEST, PROFILES} - set(inside))
    if lacking:
        raise BundleRejected(f"the bundle lacks {', '.join(lacking)}; expected all three members. {DO}")
    if len(inside) != 3:
        found = ", ".join(sorted(set(inside) & set(MEMBERS))) or "none"
        raise BundleRejected(f"the bundle has as its model {found}; expected one of {one_of(sorted(MEMBERS))}. {DO}")
    return inside


def family_in(inside: Mapping[str, bytes]) -> str:
    """The family of the model among the members of a bundle."""
    return next(MEMBERS[name] for name in inside if name in MEMBERS)


def profiles_of(data: bytes, expected_digest: str) -> Mapping[str, Any]:
    """The reference profiles of the registered bundle; the model in it is not opened. Errors as `bundle_members`."""
    profiles: Mapping[str, Any] = parse(bundle_members(data, expected_digest)[PROFILES], PROFILES)
    return profiles


def members(data: bytes, what: str, named: Callable[[str], bool]) -> dict[str, bytes]:
    """The members of a stored zip; nothing is decompressed, so nothing can grow."""
    if data[:1] == b"\x80":
        raise BundleRejected(f"{what} is a pickle; expected a stored zip. Pickles are code and never opened. {DO}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if not entries or entries[0].header_offset or archive.comment:
                raise BundleRejected(f"{what} has bytes that belong to no member; expected members only. {DO}")
            _check_entries(entries, len(data), what, named)
            return {e.filename: archive.read(e) for e in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise BundleRejected(f"{what} cannot be read as a zip ({error}); expected a stored zip. {DO}") from error


def _check_entries(entries: list[zipfile.ZipInfo], size: int, what: str, named: Callable[[str], bool]) -> None:
    packed = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size]
    if packed:
        raise BundleRejected(f"{what} has compressed members ({packed[0]!r}); expected stored ones only. {DO}")
    if sum(e.file_size for e in entries) > size:
        raise BundleRejected(
            f"{what} claims {sum(e.file_size for e in entries)} bytes in members and has {size}; expected no more. {DO}"
        )
    names = [e.filename for e in entries]
    odd = sorted({n for n in names if names.count(n) > 1 or not named(n)})
    if odd:
        raise BundleRejected(f"{what} has the member {odd[0]!r}; expected each expected name once. {DO}")


def parse(data: bytes, what: str) -> Any:
    """JSON, without NaN and without nesting so deep that the parser gives up."""
    if len(data) > MAX_SCHEMA_BYTES:
        raise BundleRejected(f"{what} has {len(data)} bytes; expected at most {MAX_SCHEMA_BYTES}. {DO}")
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BundleRejected(f"{what} is not JSON that we write ({reason}); expected plain JSON. {DO}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"holds {name}")
