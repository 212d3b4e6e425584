"""Looking for texts that must not be anywhere: in files, packed or not, and in every table of a database."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg2
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from psycopg2 import sql

TABLES = """
SELECT n.nspname, c.relname FROM pg_class AS c INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%'
"""
DEEPEST = 4  # of files in files: a bundle holds a model that is a zip itself


def forms(text: str) -> list[bytes]:
    """A text as it may stand somewhere: plain, in a URL, in JSON, in Python's repr, in hexadecimals (bytea)."""
    found = [text, quote(text, safe=""), quote(text), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1]]
    return sorted({form.encode() for form in found} | {text.encode().hex().encode(), text.encode("utf-16-le")})


def in_bytes(data: bytes, wanted: Mapping[str, str]) -> set[str]:
    """Names of those of `wanted` (name -> text) that occur in any form in bytes, or in what is packed in them."""
    parts = list(_unpacked(data, DEEPEST))
    return {name for name, text in wanted.items() if any(form in part for form in forms(text) for part in parts)}


def in_files(files: Iterable[Path], wanted: Mapping[str, str]) -> dict[Path, set[str]]:
    """File -> names of what occurs in it. A file that vanishes meanwhile is no finding."""
    found = {}
    for file in files:
        with suppress(FileNotFoundError):
            if file.is_file() and (names := in_bytes(file.read_bytes(), wanted)):
                found[file] = names
    return found


def in_database(url: str, wanted: Mapping[str, str]) -> dict[str, set[str]]:
    """Table -> names of what occurs in its rows, for a login that may read them all."""
    found = {}
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for schema, table in cursor.fetchall():
            copied = io.BytesIO()
            statement = sql.SQL("COPY {} TO STDOUT (FORMAT csv)").format(sql.Identifier(schema, table))
            cursor.copy_expert(statement, copied)
            if names := in_bytes(copied.getvalue(), wanted):
                found[f"{schema}.{table}"] = names
    return found


def _unpacked(data: bytes, depth: int) -> Iterator[bytes]:
    yield data
    if not depth:
        return
    if data[:4] == b"PAR1":
        yield from _columns(pq.read_table(io.BytesIO(data)))
        yield json.dumps(
            {k.decode(): str(v) for k, v in (pq.read_schema(io.BytesIO(data)).metadata or {}).items()}
        ).encode()
    elif data[:2] == b"PK":
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from _unpacked(archive.read(name), depth - 1)
    elif data[:6] == b"ARROW1":
        yield from _columns(pa.ipc.open_file(io.BytesIO(data)).read_all())
    else:
        for unpack in (gzip.decompress, lzma.decompress, zlib.decompress):
            with suppress(OSError, lzma.LZMAError, zlib.error, EOFError):
                yield from _unpacked(unpack(data), depth - 1)


def _columns(table: pa.Table) -> Iterator[bytes]:
    for name in table.column_names:
        column = table[name]
        if pa.types.is_nested(column.type):
            yield json.dumps(column.to_pylist(), default=str, ensure_ascii=False).encode()
            continue
        written = io.BytesIO()
        pacsv.write_csv(pa.table({name: column}), written)
        yield written.getvalue()
