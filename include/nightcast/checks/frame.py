"""Rows in the form in which they are judged, and back as samples for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Flags = npt.NDArray[np.bool_]
SAMPLE = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A table and its pandas form: rows in the same order, labelled 0 to n - 1.

    Decimals are float64, dates and timestamps datetime64, integers with nulls float64. `unsound` flags, per float
    column, values that are there but NaN or infinite: pandas takes a NaN for a missing value, and an infinity is above
    any lower bound.
    """

    table: pa.Table
    frame: pd.DataFrame
    unsound: Mapping[str, Flags]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    def is_temporal(self, column: str) -> bool:
        """Whether a column holds dates or timestamps."""
        return bool(pa.types.is_temporal(self.table.schema.field(column).type))

    def matching(self, when: Mapping[str, Any]) -> Flags:
        """The rows that a condition keeps."""
        kept = np.ones(self.rows, dtype=np.bool_)
        for column, value in when.items():
            series = self.frame[column]
            kept &= (series.isna() if value is None else (series == value).fillna(False)).to_numpy(dtype=np.bool_)
        return kept

    def sample(self, bad: Flags, columns: Sequence[str]) -> list[dict[str, Any]]:
        """At most five of the flagged rows, ready for JSON; those that differ in `columns` come first."""
        flagged = self.frame.loc[bad, list(columns)]
        again = flagged.duplicated().to_numpy()
        places = [*flagged.index[~again], *flagged.index[again][:SAMPLE]][:SAMPLE]
        return [plain(row) for row in self.table.take(pa.array(places, pa.int64())).to_pylist()]


def judged(rows: pa.Table | pd.DataFrame) -> Judged:
    """Rows as they are judged. A frame's index is dropped; its NaNs are missing values."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    unsound = {}
    for at, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            flags = pc.fill_null(pc.invert(pc.is_finite(table.column(at))), False)
            unsound[field.name] = flags.combine_chunks().to_numpy(zero_copy_only=False)
        elif pa.types.is_decimal(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.float64()))
    frame = table.to_pandas(date_as_object=False).reset_index(drop=True)
    return Judged(table=table, frame=frame, unsound=unsound)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: no NaN, no infinity, times as ISO text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) or not isinstance(value, str | int | bool) else value
