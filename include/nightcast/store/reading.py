"""Rows of a query as an Arrow table, by COPY."""

from __future__ import annotations

import io

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from pyarrow import csv

from nightcast.store.queries import Query, composed


def read(tx: Connection, query: Query, schema: pa.Schema) -> pa.Table:
    """All rows of a query without parameters. Its columns have the order of `schema`; floats keep all their bits."""
    held = io.BytesIO()
    with tx.cursor() as cursor:
        cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").format(composed(query)), held)
    if not held.tell():
        return schema.empty_table()
    held.seek(0)
    return csv.read_csv(
        held,
        read_options=csv.ReadOptions(column_names=schema.names),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
