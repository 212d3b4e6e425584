"""Names, columns and types of a pipeline's own tables and views."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
from psycopg2 import sql

from nightcast.domain.contract import ColumnType
from nightcast.domain.pipeline import RESERVED_COLUMNS, Pipeline, quantile_column
from nightcast.errors import TablesDoNotFit

VIEWS = ("", "_history", "_vs_actual", "_accuracy", "_accuracy_history")  # each before those that it reads; and _as_of
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN_NAMES = ("changes", "freshness", "unpublished")
_TAKEN_ENDINGS = re.compile(r".*(_history|_as_of|_vs_actual|_accuracy|_v\d+|_\d{4}_\d{2})")
_POSTGRES = {ColumnType.STRING: "text", ColumnType.INTEGER: "bigint"}
_ARROW = {"text": pa.string(), "bigint": pa.int64()}


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What a spec asks of the database."""

    pipeline: str
    version: int
    keys: tuple[tuple[str, str], ...]  # (column, Postgres type)
    quantiles: tuple[str, ...]  # columns
    target: str

    @property
    def prediction(self) -> str:
        """Name of the prediction table in schema internal."""
        return f"prediction_{self.pipeline}{self._suffix}"

    @property
    def actual(self) -> str:
        """Name of the table of actuals in schema internal."""
        return f"actual_{self.pipeline}{self._suffix}"

    @property
    def _suffix(self) -> str:
        return f"_v{self.version}" if self.version > 1 else ""

    @property
    def key_names(self) -> tuple[str, ...]:
        """Names of the key columns."""
        return tuple(name for name, _ in self.keys)

    @property
    def forecast_schema(self) -> pa.Schema:
        """Columns of predictions as they travel: keys, target_date, horizon, mean, quantiles. Nothing is null."""
        return pa.schema(
            [
                *self.key_schema,
                pa.field("target_date", pa.date32()),
                pa.field("horizon", pa.int16()),
                *(pa.field(name, pa.float64()) for name in ("mean", *self.quantiles)),
            ]
        )

    @property
    def actual_schema(self) -> pa.Schema:
        """Columns of actuals as they travel: keys, event_day, value."""
        return pa.schema([*self.key_schema, pa.field("event_day", pa.date32()), pa.field("value", pa.int64())])

    @property
    def key_schema(self) -> pa.Schema:
        """The key columns."""
        return pa.schema([pa.field(name, _ARROW[kind]) for name, kind in self.keys])


def of(pipeline: Pipeline) -> Tables:
    """The tables of a spec.

    Raises:
        TablesDoNotFit: a name cannot name a table, view or column.
    """
    name = pipeline.name
    if not _NAME.fullmatch(name) or name in _TAKEN_NAMES or _TAKEN_ENDINGS.fullmatch(name):
        raise TablesDoNotFit(
            f"the pipeline's name {name!r} cannot name tables; expected a lower-case letter, then up to 39 letters, "
            f"digits and underscores, not {' or '.join(_TAKEN_NAMES)}, and not the ending of a view, version or month"
        )
    quantiles = tuple(quantile_column(level) for level in pipeline.forecast.quantiles)
    for key in pipeline.keys:
        if key in RESERVED_COLUMNS or key in quantiles or len(key.encode()) > 63:
            raise TablesDoNotFit(
                f"key column {key!r} of {name} has a name that Nightcast uses itself; give it another in the source"
            )
    return Tables(
        pipeline=name,
        version=pipeline.version,
        keys=tuple((key, _POSTGRES[pipeline.source.columns[key].type]) for key in pipeline.keys),
        quantiles=quantiles,
        target=pipeline.forecast.target,
    )


def internal(name: str) -> sql.Identifier:
    """A relation of schema internal."""
    return sql.Identifier("internal", name)


def forecast(name: str) -> sql.Identifier:
    """A relation of schema forecast."""
    return sql.Identifier("forecast", name)


def columns(names: tuple[str, ...] | list[str], of: str = "") -> sql.Composed:
    """Comma-separated column names, each under the alias `of`."""
    return sql.SQL(", ").join(sql.Identifier(of, name) if of else sql.Identifier(name) for name in names)


def same_keys(names: tuple[str, ...], left: str, right: str) -> sql.Composed:
    """The condition that two aliases have the same key."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in names
    )


def conform(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    """`table` with exactly the columns and types of `schema`.

    Raises:
        TablesDoNotFit: a column is missing, unknown, null somewhere, or does not fit its type.
    """
    if set(table.column_names) != set(schema.names):
        raise TablesDoNotFit(f"{what} have columns {', '.join(table.column_names)}; expected {', '.join(schema.names)}")
    try:
        fitting = table.select(schema.names).cast(schema)
    except pa.ArrowInvalid as error:
        raise TablesDoNotFit(f"{what} do not fit their columns: {error}") from error
    nulls = [name for name in schema.names if fitting[name].null_count]
    if nulls:
        raise TablesDoNotFit(f"{what} have nulls in {', '.join(nulls)}; expected a value in every row")
    return fitting
