"""The lake: content-addressed objects at objects/<first two digits>/<SHA-256>, through fsspec.

An object is written once and never changed. It appears whole or not at all, and what is read is checked against its
name. Writers of one object at the same time are fine: they write the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from nightcast.domain.manifest import canonical_json
from nightcast.errors import LakeObjectCorrupt, LakeObjectMissing, LakeUnavailable, NightcastError, SettingMissing
from nightcast.lake.tables import MAGIC, read_groups, read_parquet, write_parquet

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Lake:
    """Objects below a folder or an fsspec URL such as s3://bucket/prefix.

    Local folders are made when first written to, with access for their owner only. Errors: `LakeObjectMissing`,
    `LakeObjectCorrupt`, and `LakeUnavailable` when the file store does not answer or refuses.
    """

    def __init__(self, url: str):
        self._name = re.sub(r"//[^/@]*@", "//***@", url)
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SettingMissing(
                f"the lake {self._name} cannot be opened: {error}; expected a folder, or a URL whose fsspec package "
                "is installed (s3fs for s3://, gcsfs for gs://)"
            ) from error

    def __repr__(self) -> str:
        return f"Lake({self._name!r})"

    def put(self, data: bytes) -> str:
        """Keep bytes and return their digest. Bytes that are there already are not written again."""
        digest = hashlib.sha256(data).hexdigest()
        if not self._reuse(digest, len(data)):
            with self._answering(f"take object {digest}"):
                if self._is_local:
                    self._write_local(digest, io.BytesIO(data))
                else:
                    self._files.pipe_file(self._path(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep the bytes of a local file and return their digest; memory does not grow with the file."""
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            if not self._reuse(digest, path.stat().st_size):
                with self._answering(f"take object {digest}"):
                    if self._is_local:
                        source.seek(0)
                        self._write_local(digest, source)
                    else:
                        self._files.put_file(str(path), self._path(digest))
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of an object, after checking that they are the ones that its name promises."""
        with self._answering(f"give object {digest}"):
            try:
                data: bytes = self._files.cat_file(self._path(digest))
            except FileNotFoundError as error:
                if not self._files.exists(self._root):
                    raise LakeUnavailable(f"{self!r} is not there; expected it to hold object {digest}") from error
                raise LakeObjectMissing(
                    f"object {digest} is not in {self!r}; restore it from a backup, or run what made it again"
                ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise LakeObjectCorrupt(
                f"object {digest} in {self!r} has {len(data)} bytes with SHA-256 {found}; expected its name. "
                "Remove the file and restore it from a backup, or run what made it again"
            )
        return data

    def has(self, digest: str) -> bool:
        """True when an object of this name is there; its bytes are not looked at."""
        with self._answering(f"look for object {digest}"):
            return bool(self._files.exists(self._path(digest)))

    def names(self) -> Iterator[tuple[str, datetime]]:
        """The name of every object, with when it was written or used again last."""
        folder = f"{self._root.rstrip('/')}/objects"
        with self._answering("list its objects"):
            paths = [path for path in self._files.find(folder) if _DIGEST.fullmatch(path.rpartition("/")[2])]
        for path in paths:
            with self._answering(f"tell the age of {path}"):
                written = self._files.modified(path)
            yield path.rpartition("/")[2], written

    def is_table(self, digest: str) -> bool:
        """True when an object is a Parquet file, as its first bytes say."""
        with self._answering(f"give object {digest}"):
            return bool(self._files.cat_file(self._path(digest), end=len(MAGIC)) == MAGIC)

    def delete(self, digest: str) -> None:
        """Delete an object, where it is there. Nothing may refer to it any longer."""
        with self._answering(f"delete object {digest}"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(digest))

    def put_text(self, text: str) -> str:
        """Keep a text as UTF-8."""
        return self.put(text.encode())

    def get_text(self, digest: str) -> str:
        """A text that `put_text` kept."""
        return self.get(digest).decode()

    def put_json(self, value: Any) -> str:
        """Keep a value as canonical JSON: equal values get the same digest."""
        return self.put_text(canonical_json(value))

    def get_json(self, digest: str) -> Any:
        """A value that `put_json` kept; dates come back as ISO text."""
        return json.loads(self.get(digest))

    def put_table(self, table: pa.Table) -> str:
        """Keep a table as Parquet. Equal rows and types give equal bytes, however the table is chunked."""
        sink = io.BytesIO()
        write_parquet(sink, table.schema, [table])
        return self.put(sink.getvalue())

    def get_table(self, digest: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table that was kept, or some of its columns."""
        return read_parquet(self.get(digest), columns)

    def get_pieces(self, digest: str) -> Iterator[pa.Table]:
        """A table that was kept, a group of rows at a time."""
        yield from read_groups(self.get(digest))

    @property
    def _is_local(self) -> bool:
        return isinstance(self._files, LocalFileSystem)

    def _path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise LakeObjectMissing(f"{digest!r} is not the name of an object; expected 64 hexadecimal digits")
        return f"{self._root.rstrip('/')}/objects/{digest[:2]}/{digest}"

    def _reuse(self, digest: str, size: int) -> bool:
        """True when the object is there. Its age starts anew, so that clean-up by age does not take it."""
        path = self._path(digest)
        with self._answering(f"look for object {digest}"):
            try:
                found = self._files.info(path)["size"]
            except FileNotFoundError:
                return False
            if found != size:
                raise LakeObjectCorrupt(
                    f"object {digest} in {self!r} has {found} bytes; expected {size}. Remove the file and run again"
                )
            if self._is_local:
                os.utime(path)
        return True

    def _write_local(self, digest: str, source: BinaryIO) -> None:
        """Write beside the final place, make it durable, then give it its name: a crash leaves no half object."""
        final = Path(self._path(digest))
        Path(self._root).mkdir(parents=True, exist_ok=True, mode=0o700)
        final.parent.parent.mkdir(exist_ok=True, mode=0o700)
        final.parent.mkdir(exist_ok=True, mode=0o700)
        partial = final.parent / f".{digest}.{secrets.token_hex(4)}"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:  # noqa: PTH123
                shutil.copyfileobj(source, sink, 1 << 20)
                sink.flush()
                os.fsync(sink.fileno())
            partial.rename(final)
        finally:
            partial.unlink(missing_ok=True)
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        """Whatever a file store raises becomes `LakeUnavailable`: each has errors of its own."""
        try:
            yield
        except NightcastError:
            raise
        except Exception as error:
            raise LakeUnavailable(f"{self!r} did not {what}: {type(error).__name__}: {error}") from error
