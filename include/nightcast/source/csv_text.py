"""Rows as CSV text, as COPY writes it: nothing between two commas is null, "" is the empty text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.csv

from nightcast.domain.contract import Column
from nightcast.domain.rows import arrow_schema
from nightcast.errors import SourceMismatch
from nightcast.source.conversion import SQL, Sender, check_decimals, misfit

BLOCK_BYTES = 1 << 20  # pyarrow reads up to 32 blocks ahead of the one that is asked for


def batches(
    text: IO[bytes], columns: Mapping[str, Column], order: Sequence[str], sender: Sender = SQL
) -> Iterator[pa.RecordBatch]:
    """The declared columns of a text with a header line, in blocks of about `BLOCK_BYTES`; no row may be longer.

    `order` is that of all columns in the text. `SourceMismatch`: a value does not fit its column; `RoundingNeeded`:
    a decimal has more digits than its scale.
    """
    schema = arrow_schema(columns)
    try:
        reader = pyarrow.csv.open_csv(
            text,
            read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=_converting(schema),
        )
        for batch in reader:
            if batch.num_rows:
                check_decimals(batch, columns, sender)
                yield batch.cast(schema)
    except pa.ArrowInvalid as error:
        if "straddling object" in str(error):  # pyarrow's words for a row that no block holds
            raise SourceMismatch(
                f"{sender.name} delivers a row of more than {BLOCK_BYTES >> 20} MiB, or a quoted text without its end; "
                f"expected shorter rows. Correct {sender.place}"
            ) from None
        raise misfit(str(error), columns, order, sender) from None


def _converting(schema: pa.Schema) -> pyarrow.csv.ConvertOptions:
    return pyarrow.csv.ConvertOptions(
        column_types=schema,
        include_columns=schema.names,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t", "true", "1"],
        false_values=["f", "false", "0"],
    )
