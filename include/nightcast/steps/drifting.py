"""Profiles out of the lake, compared: the part that a night's drift and the drift of imported days share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from nightcast.domain import drift, own_past
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.profile import ColumnProfile, Kind, NumberProfile, from_json, kind_of, merge_all
from nightcast.domain.slices import Part, Split, rows_of, slices, split_from_json
from nightcast.lake import Lake
from nightcast.steps.taking_in import SPLIT
from nightcast.store.scores import DriftScore, Identity

SAME_WEEKDAY = f"same_weekday_{own_past.NIGHTS}"
TRAINING = "training"
HISTORY = 400  # nights that a rank looks back on
INPUTS = ("measure", "attribute")

Profiles = Mapping[tuple[str, str], ColumnProfile]  # (kind of column, column) -> profile


@dataclass(frozen=True, kw_only=True)
class Day:
    """The profiles of a day's rows: of every column, and of the parts that a column of the slices splits them into."""

    columns: Profiles = field(default_factory=dict)
    splits: Mapping[str, Split] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What scores of one night have in common: the reference's name, their own past, and whether words are wanted."""

    reference: str
    past: Mapping[Identity, Sequence[float]] = field(default_factory=dict)
    origin: date | None = None
    words: bool = False

    def scored(self, score: drift.Score, kind: str, column: str, part: str = "") -> DriftScore:
        """A score among its own past."""
        earlier = self.past.get((self.reference, kind, column, part, score.statistic.value), ())
        place, n = own_past.rank(score.value, earlier) if score.value is not None and earlier else (None, len(earlier))
        return DriftScore(
            reference=self.reference,
            kind=kind,
            column_name=column,
            slice=part,
            statistic=score.statistic.value,
            value=score.value,
            reason=score.reason,
            definition=score.explanation,
            moved=score.moved,
            n_reference=score.n_reference,
            n_current=score.n_current,
            rank=place,
            rank_n=n,
            origin=self.origin,
        )


def day_of(lake: Lake, digest: str | None) -> Day:
    """The profiles that were kept of a day; none without an object. A column's kind is that of its profile."""
    raw = lake.get_json(digest) if digest else {}
    columns = {name: from_json(profile) for name, profile in raw.items() if not name.startswith(SPLIT)}
    splits = {n.removeprefix(SPLIT): split_from_json(split) for n, split in raw.items() if n.startswith(SPLIT)}
    return Day(columns={(_kind(p), name): p for name, p in columns.items()}, splits=splits)


def declared(pipeline: Pipeline) -> set[tuple[str, str]]:
    """The input columns that are profiled, as the spec declares them."""
    kinds = {name: kind_of(column) for name, column in pipeline.source.stored.items()}
    return {("measure" if kind is Kind.NUMBER else "attribute", name) for name, kind in kinds.items() if kind}


def merged(many: Iterable[Profiles]) -> dict[tuple[str, str], ColumnProfile]:
    """The profiles of all of them together, column by column."""
    found: dict[tuple[str, str], list[ColumnProfile]] = {}
    for profiles in many:
        for column, profile in profiles.items():
            found.setdefault(column, []).append(profile)
    return {column: whole for column, parts in found.items() if (whole := merge_all(parts)) is not None}


def compared(
    how: Comparison, current: Profiles, reference: Profiles, expected: Iterable[tuple[str, str]] = ()
) -> Iterator[DriftScore]:
    """All statistics of every column that both have; of one that is expected or that one side has, that it is gone."""
    for kind, column in sorted(current.keys() | reference.keys() | set(expected)):
        now, before = current.get((kind, column)), reference.get((kind, column))
        yield how.scored(drift.presence(now, before, _why_not(how, kind, current, reference)), kind, column)
        if now and before:
            for score in drift.compare(now, before, words=how.words):
                yield how.scored(score, kind, column)


def compared_slices(how: Comparison, current: Day, reference: Sequence[Day]) -> Iterator[DriftScore]:
    """Of each slice, its share of the rows, and what moved in its columns. A slice without rows has only the share."""
    for column, split in sorted(current.splits.items()):
        before = [day.splits[column] for day in reference if column in day.splits]
        if not before:
            continue
        whole = sum(split.rows.values()), sum(n for each in before for n in each.rows.values())
        for name, (now, then) in slices(column, split, before).items():
            share = drift.row_share((rows_of(now), rows_of(then)), whole, words=how.words)
            yield how.scored(share, "attribute", column, name)
            yield from _compared_parts(how, name, now, then)


def _compared_parts(how: Comparison, part: str, now: Part, then: Part) -> Iterator[DriftScore]:
    for column in sorted(now.keys() & then.keys()):
        for score in drift.compare_slice(now[column], then[column], words=how.words):
            yield how.scored(score, _kind(now[column]), column, part)


def _why_not(how: Comparison, kind: str, current: Profiles, reference: Profiles) -> str | None:
    """Why no column of this kind can be compared, where a side has none of its kind at all."""
    inputs = kind in INPUTS
    if not any((k in INPUTS) is inputs for k, _ in current):
        rows = "no rows of the night were profiled: its day is closed, missing, or broke its contract"
        return rows if inputs else "nothing was scored: the night ended before predict"
    if not any((k in INPUTS) is inputs for k, _ in reference):
        before = f"no {'day was accepted' if inputs else 'night was published'} before on this weekday"
        return before if how.reference == SAME_WEEKDAY else "the model has no profile of them"
    return None


def _kind(profile: ColumnProfile) -> str:
    return "measure" if isinstance(profile, NumberProfile) else "attribute"
