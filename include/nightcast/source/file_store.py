"""A file store behind an fsspec URL, whose errors become ours and whose secrets stay out of them."""

from __future__ import annotations

import contextlib
import glob
import json
import re
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import parse_qsl

import fsspec

from nightcast.errors import NightcastError, SettingMissing, SourceMismatch, SourceUnavailable

_SHORTEST_SECRET = 4  # shorter options (true, 22) are in too many words to be taken out of a text


class FileStore:
    """Files below a folder or an fsspec URL such as s3://bucket/prefix?endpoint_url=https://…&anon=true.

    What follows the question mark are options of the file system; values are read as JSON where they are such.
    """

    def __init__(self, url: str):
        bare, _, query = url.partition("?") if "://" in url else (url, "", "")
        self._options = {name: _value(text) for name, text in parse_qsl(query, keep_blank_values=True)}
        self.name = re.sub(r"//[^/@]*@", "//***@", bare).rstrip("/")
        self._secrets = [*re.findall(r"//[^/@:]*:([^/@]*)@", bare), *_texts(self._options)]
        try:
            self._files, self._root = fsspec.core.url_to_fs(bare, **self._options)
        except Exception as error:  # noqa: BLE001 -- every file system has errors of its own
            raise SettingMissing(
                f"the source {self.name} cannot be opened: {self._without_secrets(error)}; expected a folder, or a URL "
                "whose fsspec package is installed (s3fs for s3://, gcsfs for gs://), with its options after a ?"
            ) from None

    def matching(self, pattern: str) -> list[tuple[str, str]]:
        """Files whose path below the root fits a pattern, sorted: (path for `open`, path below the root).

        `SourceUnavailable` where there is no root: that is not the same as no file.
        """
        root = self._root.rstrip("/")
        with self.answering("list its files"):
            self._files.invalidate_cache()
            found = self._files.glob(f"{glob.escape(root)}/{pattern}", detail=True)
            if not found and not self._files.exists(self._root):
                raise SourceUnavailable(f"the source {self.name} is not there; expected the folder of its files")
        paths = sorted(path for path, about in found.items() if about["type"] != "directory")
        if found and not paths:
            raise SourceMismatch(
                f"{self.name}/{pattern} fits {len(found)} folders and no file; expected files. End source.files.path "
                "with their names, such as /*.parquet"
            )
        return [(path, path.removeprefix(root).lstrip("/")) for path in paths]

    @contextlib.contextmanager
    def answering(self, what: str, path: str | None = None) -> Iterator[Any]:
        """Whatever a file store raises becomes `SourceUnavailable`. With a path, its bytes can be read in the block.

        The file stays open behind it, unless the block fails.
        """
        opened: IO[bytes] | None = None
        try:
            opened = self._files.open(path, "rb", compression="infer") if path else None
            yield opened
        except BaseException as error:
            if opened is not None:
                opened.close()
            if isinstance(error, NightcastError) or not isinstance(error, Exception):
                raise
            raise SourceUnavailable(
                f"the source {self.name} did not {what}: {type(error).__name__}: {self._without_secrets(error)}"
            ) from None

    def _without_secrets(self, error: BaseException) -> str:
        text = " ".join(str(error).split())
        for secret in self._secrets:
            text = text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text
        return text


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _texts(value: Any) -> Iterator[str]:
    """Every text of an option's value, which may be nested."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    else:
        yield str(value)
