"""A night's forecast beside what happened: joined, measured, as rows of scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain import accuracy, slicing
from nightcast.domain import yardstick as yardsticks
from nightcast.domain.accuracy import Compared, Maturity, Score
from nightcast.domain.manifest import digest_json
from nightcast.domain.pipeline import Pipeline, PipelineFolder, quantile_column
from nightcast.domain.rows import group_codes
from nightcast.domain.windows import History
from nightcast.lake import Lake
from nightcast.steps.snapshot import load_cube, load_manifest
from nightcast.store import runs
from nightcast.store.accuracy import AccuracyScore, Night

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known now: recorded days with the digests of their panels, and the newest day that was taken in."""

    recorded: dict[date, str | None]
    seen: date
    late_arrival: int

    def digest(self, night: Night, last: date) -> str:
        """What scores of a night rest on: equal digests give equal scores."""
        horizon = (night.origin + timedelta(days=n + 1) for n in range((last - night.origin).days))
        days = {str(day): self.recorded[day] for day in horizon if day in self.recorded}
        settled = self.seen.toordinal() - self.late_arrival
        reach = [min(self.seen, last), min(settled, last.toordinal())]
        return digest_json([accuracy.VERSION, days, reach, night.before])


def kept_yardstick(night: Night, run_: runs.Run, folder: PipelineFolder, lake: Lake) -> tuple[str, pa.Table]:
    """The yardstick of a night and its digest: the one that was kept, or made from the night's own snapshot."""
    if night.yardstick is not None:
        found = lake.get_table(night.yardstick)
        if yardsticks.fits(found, folder.pipeline):
            return night.yardstick, found
    manifest = load_manifest(lake, str(run_.manifest_digest))
    history = History(load_cube(lake, manifest, folder))
    made = yardsticks.yardstick(history, manifest.origin, folder.pipeline)
    return lake.put_table(made), made


def scored(
    night: Night,
    forecast: pa.Table,
    before: pa.Table | None,
    yardstick: pa.Table,
    actuals: pa.Table,
    truth: Truth,
    pipeline: Pipeline,
) -> list[AccuracyScore]:
    """All scores of a night.

    `forecast` and `before` are the predictions of the night and of the one published before it; `actuals` has keys,
    event_day and value, of the recorded days at least.
    """
    keys, dates = list(pipeline.keys), forecast["target_date"].to_numpy()
    entity = _found(forecast, keys, yardstick, keys)
    flags = slicing.slices(yardstick, pipeline.monitoring.accuracy_slices)
    slices = {name: np.append(inside, False)[entity] for name, inside in flags.items()}
    found: list[Score] = []
    if (come := np.isin(dates, np.array(sorted(truth.recorded), "datetime64[D]"))).any():
        rows = forecast.filter(pa.array(come))
        compared = _compared(rows, entity[come], yardstick, actuals, pipeline)
        inside = {name: each[come] for name, each in slices.items()}
        parts = _parts(night, forecast, truth.recorded, truth, pipeline)
        found += accuracy.scores(compared, inside, pipeline.forecast.quantiles, parts)
    if before is not None:
        on = [*keys, "target_date"]
        earlier = yardsticks.taken(before["mean"].to_numpy(), _found(forecast, on, before, on))
        parts = _parts(night, forecast, before["target_date"].to_pylist(), truth, pipeline)
        parts = [replace(part, maturity=Maturity.FINAL) for part in parts]
        ahead = forecast["horizon"].to_numpy()
        found += accuracy.churn(forecast["mean"].to_numpy(), earlier, ahead, slices, parts)
    return [_row(night.run_id, score) for score in found]


def _parts(
    night: Night, forecast: pa.Table, compared: Iterable[date], truth: Truth, pipeline: Pipeline
) -> list[accuracy.Part]:
    targets = set(forecast["target_date"].unique().to_pylist())
    return accuracy.parts(
        night.origin, targets, set(compared), pipeline.forecast.horizon, truth.seen, truth.late_arrival
    )


def _compared(forecast: pa.Table, entity: Rows, yardstick: pa.Table, actuals: pa.Table, pipeline: Pipeline) -> Compared:
    keys = list(pipeline.keys)
    at = _found(forecast, [*keys, "target_date"], actuals, [*keys, "event_day"])
    values = np.append(actuals["value"].to_numpy(), 0)  # a recorded day without a row is a zero
    quantiles = [forecast[quantile_column(level)].to_numpy() for level in pipeline.forecast.quantiles]
    numbers = {name: yardsticks.taken(yardstick[name].to_numpy(), entity) for name in yardsticks.SCALES}
    return Compared(
        actual=values[at],
        mean=forecast["mean"].to_numpy(),
        quantiles=np.stack(quantiles, axis=1),
        naive=yardsticks.naive_of(yardstick, entity, forecast["target_date"].to_numpy().astype("datetime64[D]")),
        entity=group_codes(forecast, keys)[0],
        ahead=forecast["horizon"].to_numpy(),
        **numbers,
    )


def _found(rows: pa.Table, on: Sequence[str], among: pa.Table, their: Sequence[str]) -> Rows:
    """For each row the place of the row of `among` with the same values; -1 where there is none."""
    numbered = rows.select(on).append_column("row", pa.array(np.arange(rows.num_rows)))
    places = among.select(their).append_column("place", pa.array(np.arange(among.num_rows)))
    joined = numbered.join(places, list(on), list(their), join_type="left outer")
    found: npt.NDArray[Any] = np.empty(rows.num_rows, np.intp)
    found[joined["row"].to_numpy()] = pc.fill_null(joined["place"], -1).to_numpy()
    return found


def _row(run_id: int, score: Score) -> AccuracyScore:
    return AccuracyScore(
        run_id=run_id,
        horizon_bucket=score.part.name,
        slice=score.slice,
        method=score.method.value,
        metric=score.metric,
        maturity=score.part.maturity.value,
        value=score.value,
        reason=score.reason,
        n=score.n,
        sum_actual=score.sum_actual,
        days_compared=score.part.compared,
        days_forecast=score.part.forecast,
    )
