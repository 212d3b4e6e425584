"""What the hunt for secrets and names finds: a hunt that finds nothing anywhere would prove nothing."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from urllib.parse import quote

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hunting

SECRET = "pa/ss w@rd:%1&'ü"


def parquet(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


def zipped(data: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", data)
    return written.getvalue()


@pytest.mark.unit
@pytest.mark.parametrize(
    "data",
    [
        f"… {SECRET} …".encode(),
        quote(SECRET, safe="").encode(),
        json.dumps({"url": f"postgresql://u:{quote(SECRET, safe='')}@h/d"}).encode(),
        json.dumps({"said": SECRET}).encode(),
        repr({"said": SECRET}).encode(),
        gzip.compress(SECRET.encode()),
        parquet(pa.table({"x": ["a", f"before {SECRET}"]})),
        parquet(pa.table({"x": pa.array([SECRET] * 50).dictionary_encode()})),
        parquet(pa.table({"x": [[SECRET], []]})),
        zipped(zipped(parquet(pa.table({"x": [SECRET]})))),
    ],
)
def test_a_planted_text_is_found_however_it_is_packed(data: bytes) -> None:
    assert hunting.in_bytes(data, {"it": SECRET, "other": "not there"}) == {"it"}


@pytest.mark.unit
def test_files_and_their_absence(tmp_path) -> None:
    (tmp_path / "with").write_bytes(zipped(SECRET.encode()))
    (tmp_path / "without").write_text("nothing")
    found = hunting.in_files([*tmp_path.iterdir(), tmp_path / "gone"], {"it": SECRET})
    assert found == {tmp_path / "with": {"it"}}


@pytest.mark.postgres
def test_every_table_is_looked_through(make_database) -> None:
    url = make_database()
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        connection.cursor().execute(
            "CREATE SCHEMA s; CREATE TABLE s.plain (x jsonb); CREATE TABLE s.packed (x bytea); CREATE TABLE t (x text);"
            "INSERT INTO s.plain VALUES (%(json)s); INSERT INTO s.packed VALUES (%(bytes)s); INSERT INTO t VALUES ('')",
            {"json": json.dumps({"a": [SECRET]}), "bytes": SECRET.encode()},
        )
    assert hunting.in_database(url, {"it": SECRET}) == {"s.plain": {"it"}, "s.packed": {"it"}}
