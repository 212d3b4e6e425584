"""Checks against what a pipeline declares: a column that is not there would only be missed at night."""

from __future__ import annotations

from nightcast.checks.expectations import Expectations
from nightcast.domain.pipeline import Pipeline, quantile_column
from nightcast.domain.team_file import unknown
from nightcast.errors import SpecError


def verify_columns(found: Expectations, pipeline: Pipeline, name: str = "expectations.yaml") -> Expectations:
    """The same checks; `name` is for messages.

    Raises:
        SpecError: a check or its condition names a column that the rows of its section do not have.
    """
    forecasts = ("mean", *(quantile_column(level) for level in pipeline.forecast.quantiles))
    predicted = (*pipeline.keys, "target_date", "horizon", *forecasts)
    problems = [
        f"{name}:{entry.line}: at {entry.id}: {unknown(column, known, 'column')}"
        for entries, known in (
            ((*found.contract, *found.rows, *found.signals), tuple(pipeline.source.stored)),
            (found.predictions, predicted),
        )
        for entry in entries
        for column in (*entry.columns, *entry.when)
        if column not in known
    ]
    if problems:
        raise SpecError(pipeline.name, problems)
    return found
