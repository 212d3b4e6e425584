"""Profiles out of the lake, compared: the part that a night's drift and the drift of imported days share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from nightcast.domain import drift
from nightcast.domain.contract import Role
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.profile import ColumnProfile, from_json, merge_all
from nightcast.lake import Lake
from nightcast.store.scores import DriftScore, Identity

SAME_WEEKDAY = f"same_weekday_{drift.NIGHTS}"
TRAINING = "training"

Profiles = Mapping[tuple[str, str], ColumnProfile]  # (kind of column, column) -> profile


def input_profiles(lake: Lake, digest: str, pipeline: Pipeline) -> dict[tuple[str, str], ColumnProfile]:
    """The profiles of a day's columns, each under its role."""
    roles = pipeline.source.columns
    raw = lake.get_json(digest)
    return {
        ("attribute" if roles[name].role is Role.ATTRIBUTE else "measure", name): from_json(profile)
        for name, profile in raw.items()
        if name in roles
    }


def merged(many: Iterable[Profiles]) -> dict[tuple[str, str], ColumnProfile]:
    """The profiles of all of them together, column by column."""
    found: dict[tuple[str, str], list[ColumnProfile]] = {}
    for profiles in many:
        for column, profile in profiles.items():
            found.setdefault(column, []).append(profile)
    return {column: whole for column, parts in found.items() if (whole := merge_all(parts)) is not None}


def compared(
    current: Profiles,
    reference: Profiles,
    name: str,
    past: Mapping[Identity, Sequence[float]],
    origin: date | None = None,
) -> Iterator[DriftScore]:
    """All statistics of every column that both have, each with its rank among its own past."""
    for kind, column in sorted(current.keys() & reference.keys()):
        for score in drift.compare(current[kind, column], reference[kind, column]):
            earlier = past.get((name, kind, column, "", score.statistic.value), ())
            place, n = drift.rank(score.value, earlier) if score.value is not None and earlier else (None, len(earlier))
            yield DriftScore(
                reference=name,
                kind=kind,
                column_name=column,
                statistic=score.statistic.value,
                value=score.value,
                definition=score.explanation,
                n_reference=score.n_reference,
                n_current=score.n_current,
                rank=place,
                rank_n=n,
                origin=origin,
            )
