"""The rows a model learns from: past origins, each with the universe and the features of its own evening."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightcast.domain.calendar_view import ONE_DAY, CalendarView, Day, as_day
from nightcast.domain.feature_matrix import FeatureRows, scoring_rows
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.windows import Floats, History

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Feature rows with the truth: `y` in target units, and a hash that depends on key, origin and target date only."""

    rows: FeatureRows
    y: Floats
    hash: Hashes

    def __len__(self) -> int:
        return len(self.rows)

    def sampled(self, share: float) -> Labelled:
        """The rows whose hash lies in the lowest `share` of all hashes: the same ones in any order or sharding."""
        if share >= 1:
            return self
        keep = np.flatnonzero(self.hash < np.uint64(int(share * 2.0**64)))
        return Labelled(rows=self.rows.take(keep), y=self.y[keep], hash=self.hash[keep])


def training_origins(trained_through: Day, pipeline: Pipeline) -> list[np.datetime64]:
    """Training origins, newest first; the labels of the newest end on the day `trained_through`."""
    newest = as_day(trained_through) - pipeline.forecast.horizon * ONE_DAY
    plan = pipeline.model.training
    return [newest - i * plan.every_days * ONE_DAY for i in range(plan.origins)]


def labelled_rows(
    history: History, calendar: CalendarView, origin: np.datetime64, pipeline: Pipeline, key_hashes: Hashes
) -> Labelled | None:
    """All rows of one origin whose target day is known; None where the history does not reach back to it.

    A missing target day has no truth and makes no row. `key_hashes` belong to the cube's keys.
    """
    cube = history.cube
    if origin < cube.days[0]:
        return None
    rows = scoring_rows(history, calendar, origin, pipeline)
    day = ((rows.target - cube.days[0]) // ONE_DAY).astype(np.intp)
    known = day < len(cube.days)
    known[known] = cube.open[day[known]]
    rows, day = rows.take(known), day[known]
    return Labelled(
        rows=rows,
        y=cube.values[pipeline.forecast.target][rows.entity, day].astype(np.float64),
        hash=_mixed(key_hashes[rows.entity], origin, rows.target),
    )


def hash_keys(keys: pa.Table) -> Hashes:
    """A 64-bit hash per entity: blake2b over its key values as UTF-8 text, joined by the byte 0x1f."""
    columns = [keys.column(name).to_pylist() for name in keys.column_names]
    encoded = ("\x1f".join(map(str, values)).encode() for values in zip(*columns, strict=True))
    return np.array([int.from_bytes(hashlib.blake2b(k, digest_size=8).digest(), "big") for k in encoded], np.uint64)


def stacked(parts: Sequence[Labelled]) -> tuple[npt.NDArray[np.float32], Floats, Floats, Floats, Hashes]:
    """Features, truth, scale, blend and hash of several origins below each other."""
    return (
        np.concatenate([p.rows.x for p in parts]),
        np.concatenate([p.y for p in parts]),
        np.concatenate([p.rows.scale for p in parts]),
        np.concatenate([p.rows.blend for p in parts]),
        np.concatenate([p.hash for p in parts]),
    )


def _mixed(keys: Hashes, origin: np.datetime64, targets: npt.NDArray[np.datetime64]) -> Hashes:
    """Key hash and dates stirred together by the finalizer of splitmix64 (Steele et al. 2014)."""
    dates = targets.astype("datetime64[D]").astype(np.int64).astype(np.uint64)
    dates = dates * np.uint64(1 << 32) + np.uint64(origin.astype("datetime64[D]").astype(np.int64))
    return _stir(keys ^ _stir(dates))


def _stir(value: Hashes) -> Hashes:
    value = value + np.uint64(0x9E3779B97F4A7C15)  # unsigned arithmetic wraps, as it should here
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
