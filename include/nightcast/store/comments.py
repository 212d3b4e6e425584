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
    "maturity": "provisional, or final once late rows can no longer change it and, of a score, every target day of "
    "its bucket has come; null without an actual.",
    "look_ahead": "The model was trained past the origin: leave such rows out of accuracy.",
    "event_day": "The day on which it happened.",
    "value": "{target} of the key on that day, in the measure's smallest unit.",
    "known_from": "From when on this value was known.",
    "known_to": "When another value replaced it; null for the value that is known now.",
    "horizon_bucket": "Days ahead, as a range such as 2-7; all is the whole horizon.",
    "slice": "Part of the keys, by what was known at the origin; empty for all. Scored once the bucket has come.",
    "method": "model, or seasonal_naive (the last open day with the target date's weekday) on the same rows.",
    "metric": "Name of the metric; definition says how it is computed.",
    "metric_value": "The metric in its unit; null where reason says why.",
    "unit": "Unit of the value: share (0.25 is 25 %), scaled (1 is as far off as one open day is from the next), or "
    "{target}.",
    "reason": "Why there is no value; null where there is one.",
    "n": "Forecasts compared.",
    "days_compared": "Target dates of the bucket whose actuals are recorded.",
    "days_forecast": "Target dates of the bucket that were forecast.",
    "sum_actual": "Sum of the actuals compared; null where none has part in the metric.",
    "definition": "How the metric is computed.",
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
