"""Statements that make a pipeline's tables, views, comments and grants."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg2 import sql

from nightcast.domain.accuracy_metrics import definitions
from nightcast.store import comments, roles, tables
from nightcast.store.queries import load
from nightcast.store.tables import Tables, forecast, internal

_SQL = load("layout")
_AFTER_COLUMNS = ("model_version", "source", "run", "revision", "published_at")


def create(wanted: Tables) -> Iterator[sql.Composable]:
    """The prediction table (without a month) and the table of actuals."""
    keys = sql.SQL(", ").join(sql.SQL("{} {} NOT NULL").format(sql.Identifier(n), _TYPE[t]) for n, t in wanted.keys)
    key_names = tables.columns(wanted.key_names)
    quantiles = sql.Composed([sql.SQL("{} float8,").format(sql.Identifier(q)) for q in wanted.quantiles])
    prediction, actual = internal(wanted.prediction), internal(wanted.actual)
    yield sql.SQL(_SQL["create_prediction"]).format(
        prediction=prediction, keys=keys, key_names=key_names, quantiles=quantiles
    )
    names = [
        "run_id",
        "shard",
        *wanted.key_names,
        "origin",
        "target_date",
        "horizon",
        "mean",
        *wanted.quantiles,
        "source",
    ]
    text = f"One row per prediction of {wanted.pipeline} and run. Written once; seen through internal.publication."
    yield from comments.relation("TABLE", prediction, text, names, wanted)
    yield sql.SQL(_SQL["create_actual"]).format(actual=actual, keys=keys, key_names=key_names)
    index = sql.Identifier(f"{wanted.actual}_now")
    yield sql.SQL(_SQL["create_actual_index"]).format(actual=actual, key_names=key_names, index=index)
    names = [*wanted.key_names, "event_day", "value", "known_from", "known_to", "run_id"]
    text = f"Actual {wanted.target} per key and day of {wanted.pipeline}, as known in a period. Days without are zero."
    yield from comments.relation("TABLE", actual, text, names, wanted)


def add_quantile(wanted: Tables, column: str) -> Iterator[sql.Composable]:
    """One more quantile; rows of earlier runs have none."""
    prediction = internal(wanted.prediction)
    yield sql.SQL(_SQL["add_quantile"]).format(prediction=prediction, column=sql.Identifier(column))
    where, text = sql.Identifier("internal", wanted.prediction, column), comments.meaning(column, wanted)
    yield sql.SQL("COMMENT ON COLUMN {} IS {}").format(where, sql.Literal(text))


def views(wanted: Tables, quantiles: tuple[str, ...]) -> Iterator[sql.Composable]:
    """The views that analysts read, with their comments. `quantiles` are the columns the table has."""
    name, target = wanted.pipeline, wanted.target
    shown = [*wanted.key_names, "origin", "target_date", "horizon", "mean", *quantiles]
    parts = _parts(wanted, shown)
    rows_of = [*shown, *_AFTER_COLUMNS]
    parts |= {"metrics": _metrics(target, quantiles)}
    scores = ["origin", "horizon_bucket", "slice", "model_version", "method", "metric", "maturity", "metric_value"]
    scores += ["unit", "reason", "n", "days_compared", "days_forecast", "sum_actual", "definition", "run"]
    scores += ["computed_at"]
    for view, text, names in (
        ("latest", f"Forecast of {target} from the latest published night: one row per key and target date.", rows_of),
        ("history", f"Published forecasts of {target} from every night.", rows_of),
        ("vs_actual", f"Published forecasts of {target} beside what happened, one row per origin, key and target date: "
         "choose an origin or a horizon before you sum actuals.", [*rows_of, "look_ahead", "actual", "maturity"]),
        ("accuracy_history", f"Accuracy of forecasts of {target}: every score, each time its value changed, because "
         "days came or truth was restated. Of withdrawn revisions too.", scores),
        ("accuracy", f"Accuracy of the published forecasts of {target}: every score once, as computed last.", scores),
    ):  # fmt: skip
        yield sql.SQL(_SQL[f"create_{view}"]).format(**parts)
        yield from comments.relation("VIEW", forecast(_view(name, view)), text, names, wanted)
    yield sql.SQL(_SQL["create_as_of"]).format(**parts)
    text = f"What forecast.{name} said at that moment. Moments of the past always give the same rows."
    yield sql.SQL("COMMENT ON FUNCTION {as_of}(timestamptz) IS {text}").format(
        as_of=parts["as_of"], text=sql.Literal(text)
    )


def _metrics(target: str, quantiles: tuple[str, ...]) -> sql.Composed:
    """Rows of metric, unit and definition."""
    levels = [int(column.removeprefix("q")) / 100 for column in quantiles]
    rows = [
        sql.Literal((name, target if found.unit == "target" else found.unit, found.text))
        for name, found in definitions(levels).items()
    ]
    return sql.SQL(", ").join(rows)


def drop_views(wanted: Tables) -> Iterator[sql.Composable]:
    """Drop the views, and nothing that others built on them."""
    for view in tables.VIEWS:
        yield sql.SQL("DROP VIEW IF EXISTS {}").format(forecast(f"{wanted.pipeline}{view}"))
    yield sql.SQL("DROP FUNCTION IF EXISTS {}(timestamptz)").format(forecast(f"{wanted.pipeline}_as_of"))


def grants(wanted: Tables, analyst_role: str) -> Iterator[sql.Composable]:
    """Rights of the roles on a pipeline's tables and views."""
    parts = _parts(wanted, []) | roles.identifiers(analyst_role)
    for query in ("grant_tables", "grant_views"):
        yield sql.SQL(_SQL[query]).format(**parts)


def _view(pipeline: str, view: str) -> str:
    return pipeline if view == "latest" else f"{pipeline}_{view}"


def _parts(wanted: Tables, shown: list[str]) -> dict[str, sql.Composable]:
    kinds = dict(wanted.keys) | {"origin": "date", "target_date": "date", "horizon": "smallint"}
    return {
        **{
            view: forecast(_view(wanted.pipeline, view))
            for view in ("latest", "history", "as_of", "vs_actual", "accuracy_history", "accuracy")
        },
        "prediction": internal(wanted.prediction),
        "actual": internal(wanted.actual),
        "pipeline": sql.Literal(wanted.pipeline),
        "version": sql.Literal(wanted.version),
        "columns": tables.columns(shown, of="p"),
        "typed": sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(kinds.get(n, "float8"))) for n in shown
        ),
        "same_keys": tables.same_keys(wanted.key_names, "p", "a"),
    }


# Keys sort bytewise in every database, so that digests over sorted rows agree.
_TYPE = {"text": sql.SQL('text COLLATE "C"'), "bigint": sql.SQL("bigint")}
