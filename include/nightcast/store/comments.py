"""What every column of a pipeline's tables and views means, as COMMENTs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg2 import sql

from nightcast.store.tables import Tables

MEANING = {
    "run_id": "The run that wrote the row.",
    "shard": "Range of entities that was written at once.",
    "origin": "The date that the forecast is made from: the last event day that it may see.",
    "target_date": "The day that is forecast.",
    "horizon": "Days from the origin to the target date.",
    "mean": "Expected value of {target} on the target date. Means add up over keys and days.",
    "source": "What made the row: model, or a named substitute.",
    "model_version": "The model version that made the forecast.",
    "run": "The run that made the row; internal.run says from which data, spec and code.",
    "revision": "Revision of the night, from 1; two SELECTs may see two revisions.",
    "published_at": "When readers began to see this revision.",
    "actual": "{target} on the target date as known now; null while it is not recorded; 0 where an open day had none.",
    "maturity": "provisional, or final once late rows can no longer change the actual; null without an actual.",
    "look_ahead": "The model was trained past the origin: leave such rows out of accuracy.",
    "event_day": "The day on which it happened.",
    "value": "{target} of the key on that day, in the measure's smallest unit.",
    "known_from": "From when on this value was known.",
    "known_to": "When another value replaced it; null for the value that is known now.",
    "horizon_bucket": "Days ahead, as a range such as 1-7.",
    "slice": "Part of the rows; empty for all.",
    "method": "model, or seasonal_naive on the same rows.",
    "metric": "Name of the metric.",
    "metric_value": "The metric; null where it is undefined.",
    "n": "Forecasts compared.",
    "sum_actual": "Sum of their actuals.",
    "computed_at": "When it was computed.",
}


def relation(
    kind: str, name: sql.Identifier, text: str, names: Sequence[str], tables: Tables
) -> Iterator[sql.Composed]:
    """COMMENT statements of a table or view and of all its columns."""
    yield sql.SQL("COMMENT ON {} {} IS {}").format(sql.SQL(kind), name, sql.Literal(text))
    for column in names:
        where = sql.Identifier(*name.strings, column)
        yield sql.SQL("COMMENT ON COLUMN {} IS {}").format(where, sql.Literal(meaning(column, tables)))


def meaning(column: str, tables: Tables) -> str:
    """The meaning of one column."""
    if column in tables.key_names:
        return f"Key: names what is forecast ({', '.join(tables.key_names)})."
    if column in MEANING:
        return MEANING[column].format(target=tables.target)
    level = int(column.removeprefix("q"))
    return (
        f"{level} % of outcomes are expected at or below this. Quantiles do not add up: "
        f"the sum of {column} over keys or days is not the {column} of the sum; sum the mean instead."
    )
