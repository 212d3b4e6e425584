"""Raw rows: buckets, canonical order, digests, days and duplicates."""

# ruff: noqa: DTZ001 -- rows carry wall times without a zone

from __future__ import annotations

import hashlib
import struct
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.pipeline import Duplicates
from nightcast.domain.rows import (
    ContentHasher,
    arrow_schema,
    buckets,
    canonical,
    content_digest,
    duplicate_mask,
    shard_of,
    split_by_day,
    unscaled,
)
from nightcast.errors import SourceMismatch

pytestmark = pytest.mark.unit

COLUMNS = {
    "sku": Column(type=ColumnType.STRING, role=Role.KEY),
    "shop": Column(type=ColumnType.INTEGER, role=Role.KEY),
    "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
    "note": Column(type=ColumnType.STRING, role=Role.ATTRIBUTE, nullable=True),
    "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE, nullable=True),
    "price": Column(type=ColumnType.DECIMAL, scale=3, role=Role.MEASURE, nullable=True),
    "weight": Column(type=ColumnType.FLOAT, role=Role.MEASURE, nullable=True),
    "gift": Column(type=ColumnType.BOOLEAN, role=Role.ATTRIBUTE, nullable=True),
    "due": Column(type=ColumnType.DATE, role=Role.ATTRIBUTE, nullable=True),
}
KEYS = ("sku", "shop")

ROW = st.tuples(
    st.sampled_from(["a", "b", "ü", ""]),
    st.integers(-3, 3),
    st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1)),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=3),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(-(10**15) + 1, 10**15 - 1, places=3),
    st.none() | st.floats(),
    st.none() | st.booleans(),
    st.none() | st.dates(),
)


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    schema = arrow_schema(COLUMNS)
    return pa.table([pa.array(c, type=t) for c, t in zip(columns, schema.types, strict=True)], schema=schema)


def digest(table: pa.Table) -> str:
    return content_digest(canonical(table, COLUMNS, KEYS), COLUMNS)


def test_bucket_is_the_first_byte_of_blake2b_over_the_key_texts() -> None:
    table = pa.table({"sku": ["85123A", "ü", "85123A"], "shop": [7, -1, 7]})
    expected = [
        hashlib.blake2b(k.encode(), digest_size=8).digest()[0] for k in ("85123A\x1f7", "ü\x1f-1", "85123A\x1f7")
    ]
    assert buckets(table, ["sku", "shop"]).tolist() == expected
    assert buckets(table, ["sku"]).tolist()[0] == hashlib.blake2b(b"85123A", digest_size=8).digest()[0]
    assert buckets(table.slice(0, 0), ["sku"]).dtype == np.uint8


@given(st.integers(1, 256))
def test_shards_are_ranges_that_cover_every_bucket_once(shards: int) -> None:
    found = shard_of(np.arange(256, dtype=np.uint8), shards)
    assert (np.diff(found) >= 0).all()
    assert sorted(set(found.tolist())) == list(range(shards))
    assert max(np.bincount(found)) - min(np.bincount(found)) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=8), st.randoms(use_true_random=False), st.integers(1, 4))
def test_digest_does_not_depend_on_order_or_chunks(rows: list[tuple[Any, ...]], random: Any, size: int) -> None:
    shuffled = random.sample(rows, len(rows))
    pieces = [table_of(shuffled[i : i + size]) for i in range(0, len(rows), size)]
    chunked = pa.concat_tables(pieces) if pieces else table_of([])
    assert digest(chunked) == digest(table_of(rows))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=5), ROW, st.data())
def test_digest_changes_with_any_value(rows: list[tuple[Any, ...]], other: tuple[Any, ...], data: Any) -> None:
    row, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(COLUMNS) - 1))
    changed = [list(r) for r in rows]
    changed[row][column] = other[column]
    same = sorted(map(repr, table_of(rows).to_pylist())) == sorted(map(repr, table_of(changed).to_pylist()))
    if same or (isinstance(other[column], float) and other[column] == rows[row][column]):
        return  # 0.0 and -0.0 are one value
    assert digest(table_of([tuple(r) for r in changed])) != digest(table_of(rows))


def test_digest_tells_null_from_empty_and_from_zero_and_rows_from_no_rows() -> None:
    base = ("a", 1, datetime(2011, 1, 1), "", 0, Decimal(0), 0.0, False, date(1970, 1, 1))
    variants = [[base], [base, base], []]
    variants += [[(*base[:i], None, *base[i + 1 :])] for i in range(3, 9)]
    assert len({digest(table_of(rows)) for rows in variants}) == len(variants)


def test_digest_tells_where_text_ends() -> None:
    one = {"x": Column(type=ColumnType.STRING, role=Role.ATTRIBUTE)}
    made = {content_digest(pa.table({"x": texts}), one) for texts in (["ab", "c"], ["a", "bc"], ["abc", ""])}
    assert len(made) == 3


def test_digest_knows_names_and_types() -> None:
    rows = pa.table({"x": [1]})
    renamed = content_digest(rows.rename_columns(["y"]), {"y": Column(type=ColumnType.INTEGER, role=Role.MEASURE)})
    typed = content_digest(rows, {"x": Column(type=ColumnType.FLOAT, role=Role.MEASURE)})
    assert len({renamed, typed, content_digest(rows, {"x": Column(type=ColumnType.INTEGER, role=Role.MEASURE)})}) == 3


def test_digest_is_the_documented_bytes() -> None:
    table = pa.table({"x": pa.array([1, None], pa.int64()), "s": pa.array(["é", None], pa.string())})
    columns = {
        "x": Column(type=ColumnType.INTEGER, role=Role.MEASURE),
        "s": Column(type=ColumnType.STRING, role=Role.ATTRIBUTE),
    }
    parts = [b"\1\0", b"", struct.pack("<qq", 1, 0), b"\1\0", struct.pack("<qq", 2, 0), "é".encode()]
    whole = b"rows 1\nx integer\ns string\n2\n" + b"".join(hashlib.sha256(p).digest() for p in parts)
    assert content_digest(table, columns) == hashlib.sha256(whole).hexdigest()


def test_hashing_piece_by_piece_is_hashing_the_whole() -> None:
    table = pa.table(
        {"x": pa.array([1, None, 3, 4, 5]), "s": ["a", "", None, "dd", "é"], "b": [True, None, False, True, True]}
    )
    whole, pieces = ContentHasher(table.schema), ContentHasher(table.schema)
    whole.update(table)
    for start, length in ((0, 2), (2, 0), (2, 3)):
        pieces.update(table.slice(start, length))
    assert pieces.hexdigest() == whole.hexdigest()


def test_canonical_order_is_bucket_then_keys_then_columns_with_nulls_last() -> None:
    moment = datetime(2011, 1, 1)
    rest = (None, None, None, None)
    rows = [("b", 1, moment, n, q, *rest) for n, q in ((None, 1), ("Z", 2), ("a", None), ("a", 3), ("", 4))]
    rows += [("a", 1, moment, None, 5, *rest), ("ü", 1, moment, None, 6, *rest)]
    ordered = canonical(table_of(rows), COLUMNS, KEYS)
    found = buckets(ordered, KEYS).tolist()
    assert found == sorted(found)
    assert ordered.filter(pa.array([s == "b" for s in ordered["sku"].to_pylist()]))["quantity"].to_pylist() == [
        4,
        2,
        3,
        None,
        1,
    ]


def test_zeros_and_nans_have_one_form() -> None:
    other_nan = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000123))[0]
    columns = {"f": COLUMNS["weight"], "sku": COLUMNS["sku"]}
    made = [
        pa.table({"f": pa.array(f, pa.float64()), "sku": ["a", "a"]}) for f in ([0.0, other_nan], [float("nan"), -0.0])
    ]
    digests = {content_digest(canonical(t, columns, ["sku"]), columns) for t in made}
    assert len(digests) == 1
    assert digests == {content_digest(made[0], columns)}


def test_days_are_split_at_midnight_and_keep_arrival_order() -> None:
    times = [
        datetime(2011, 1, 2),
        datetime(2011, 1, 1, 23, 59, 59, 999999),
        datetime(1969, 12, 31, 23),
        datetime(2011, 1, 2, 5),
    ]
    table = pa.table({"t": pa.array(times, pa.timestamp("us")), "n": [1, 2, 3, 4]})
    found = split_by_day(table, "t")
    assert list(found) == [date(1969, 12, 31), date(2011, 1, 1), date(2011, 1, 2)]
    assert [t["n"].to_pylist() for t in found.values()] == [[3], [2], [1, 4]]
    assert split_by_day(table.slice(0, 0), "t") == {}


def test_a_row_without_a_time_is_refused() -> None:
    with pytest.raises(SourceMismatch, match="sold_at is null in 1 of 2 rows"):
        split_by_day(pa.table({"sold_at": pa.array([None, datetime(2011, 1, 1)], pa.timestamp("us"))}), "sold_at")


INVOICES = pa.table(
    {
        #           repeated lines of one delivery | delivered twice      | no invoice    | null version
        "invoice": ["A", "A", "A", "B", "B", "B", "B", None, None, "C", "C"],
        "delivery": [1, 1, 1, 1, 1, 2, 2, 1, 2, None, 1],
    }
)


def test_duplicates_are_the_other_versions_of_a_group_not_its_repeated_lines() -> None:
    last = duplicate_mask(INVOICES, Duplicates(group=("invoice",), version="delivery"))
    assert np.flatnonzero(last).tolist() == [3, 4, 7, 9]
    first = duplicate_mask(INVOICES, Duplicates(group=("invoice",), version="delivery", keep="first"))
    assert np.flatnonzero(first).tolist() == [5, 6, 8, 10]
    assert duplicate_mask(INVOICES.slice(0, 0), Duplicates(group=("invoice",), version="delivery")).tolist() == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.integers(0, 2), st.integers(1, 3)), max_size=12))
def test_what_is_left_has_one_version_per_group(rows: list[tuple[Any, ...]]) -> None:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = (pa.string(), pa.int64(), pa.int64())
    arrays = [pa.array(c, type=t) for c, t in zip(columns, types, strict=True)]
    mask = duplicate_mask(pa.table(arrays, names=["g", "h", "v"]), Duplicates(group=("g", "h"), version="v"))
    newest = {(g, h): max(v for a, b, v in rows if (a, b) == (g, h)) for g, h, _ in rows}
    assert [not m for m in mask] == [newest[g, h] == v for g, h, v in rows]


def test_decimals_become_counts_of_their_smallest_unit() -> None:
    values = [Decimal("-0.001"), None, Decimal("999999999999999.999"), Decimal("-999999999999999.999"), Decimal(2)]
    column = pa.chunked_array([pa.array(values[:2], pa.decimal128(18, 3)), pa.array(values[2:], pa.decimal128(18, 3))])
    assert unscaled(column).tolist() == [-1, 0, 10**18 - 1, -(10**18) + 1, 2000]
    assert unscaled(column.slice(3)).tolist() == [-(10**18) + 1, 2000]
