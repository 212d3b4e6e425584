"""Pseudonyms: a known answer, what they hide, and which columns may have them."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from nightcast.domain.contract import Column, ColumnType, Role, Sensitive
from nightcast.domain.sensitive import concealed, pseudonym
from nightcast.errors import SourceMismatch

pytestmark = pytest.mark.unit

KEY = hashlib.blake2b(b"a key").digest()
STRING, IDENTIFIER = ColumnType.STRING, Role.IDENTIFIER


def test_a_pseudonym_is_a_keyed_digest() -> None:
    expected = hashlib.blake2b("Zoë".encode(), key=KEY, digest_size=16).hexdigest()
    assert pseudonym("Zoë", KEY) == expected
    assert pseudonym("Zoë", hashlib.blake2b(b"another").digest()) != expected
    assert pseudonym("Zoe", KEY) != expected


def test_columns_are_kept_hashed_or_left_out_in_their_order() -> None:
    columns = {
        "a": Column(type=STRING, role=Role.KEY, sensitive=Sensitive.HASH),
        "b": Column(type=ColumnType.INTEGER, role=IDENTIFIER, sensitive=Sensitive.DROP),
        "c": Column(type=STRING, role=IDENTIFIER, nullable=True, sensitive=Sensitive.HASH),
        "d": Column(type=ColumnType.INTEGER, role=Role.MEASURE),
    }
    batch = pa.RecordBatch.from_pydict({"a": ["x", "y", "x"], "b": [1, 2, 3], "c": [None, "x", ""], "d": [4, 5, 6]})
    made = concealed(batch, columns, KEY)
    x, y, empty = (pseudonym(value, KEY) for value in ("x", "y", ""))
    assert made.to_pydict() == {"a": [x, y, x], "c": [None, x, empty], "d": [4, 5, 6]}
    assert made.schema == pa.schema([batch.schema.field(name) for name in ("a", "c", "d")])
    assert concealed(batch.slice(0, 0), columns, KEY).num_rows == 0
    with pytest.raises(SourceMismatch, match="column b is null in 1 of 2 rows"):
        concealed(pa.RecordBatch.from_pydict({**batch.slice(0, 2).to_pydict(), "b": [1, None]}), columns, KEY)


@pytest.mark.parametrize(
    ("type_", "role", "sensitive"),
    [
        (STRING, Role.KEY, Sensitive.DROP),
        (ColumnType.INTEGER, Role.MEASURE, Sensitive.DROP),
        (ColumnType.DATE, Role.TIME, Sensitive.HASH),
        (ColumnType.INTEGER, Role.MEASURE, Sensitive.HASH),
        (ColumnType.INTEGER, Role.KEY, Sensitive.HASH),
    ],
)
def test_a_column_that_is_needed_as_it_is_cannot_be_sensitive(
    type_: ColumnType, role: Role, sensitive: Sensitive
) -> None:
    with pytest.raises(ValueError, match=f"sensitive is {sensitive}, the role {role}"):
        Column(type=type_, role=role, sensitive=sensitive)
