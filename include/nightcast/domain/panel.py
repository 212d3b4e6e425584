"""The panel: per entity and day the declared measures, as integers. And the cube that features are computed from.

A day's panel table has the key columns, `day` (date32), `bucket` (uint8) and one int64 column per measure in declared
order, with one row per entity that has at least one accepted row, ordered by bucket and keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain.calendar_view import ONE_DAY, calendar_view
from nightcast.domain.manifest import CalendarDay, Manifest, PanelDay, digest_json
from nightcast.domain.night import DayState
from nightcast.domain.pipeline import Measure, Pipeline
from nightcast.domain.rows import ContentHasher, arrow_type, buckets, group_codes, shard_of, unscaled
from nightcast.errors import LakeObjectCorrupt, SourceMismatch, SpecError

AGGREGATOR_VERSION = 1  # to be raised with every change of what `panel_of_day` makes of the same rows

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def panel_schema(pipeline: Pipeline) -> pa.Schema:
    """Columns of a panel table."""
    keys = [pa.field(key, arrow_type(pipeline.source.columns[key])) for key in pipeline.keys]
    measures = [pa.field(name, pa.int64()) for name in pipeline.measures]
    return pa.schema([*keys, pa.field("day", pa.date32()), pa.field("bucket", pa.uint8()), *measures])


def panel_of_day(accepted: pa.Table, pipeline: Pipeline, day: date) -> pa.Table:
    """The panel of one event day from its accepted rows.

    `sum` adds integers, booleans, or decimals as counts of their smallest unit, nulls as 0; `count_distinct` counts
    distinct values that are not null; both read only the rows that `where` keeps. A measure that no row of an entity
    reaches is 0. `SourceMismatch`: a null key, or a sum that an int64 cannot hold.
    """
    for key in pipeline.keys:
        if accepted[key].null_count:
            raise SourceMismatch(
                f"key column {key} is null in {accepted[key].null_count} accepted rows of {day}; expected a value in "
                "each. Leave such rows out of what is extracted, or quarantine them"
            )
    codes, entities = _entities(accepted, pipeline.keys)
    columns = [entities[key] for key in pipeline.keys]
    columns += [pa.array([day] * entities.num_rows, type=pa.date32()), entities["bucket"]]
    for name, measure in pipeline.measures.items():
        kept = _where(accepted, name, measure, pipeline)
        rows = accepted.filter(pa.array(kept))
        make = _sums if measure.sum is not None else _distinct
        columns.append(pa.array(make(rows, codes[kept], entities.num_rows, name, pipeline)))
    return pa.table(columns, schema=panel_schema(pipeline))


def panel_digest(table: pa.Table) -> str:
    """SHA-256 over a panel's columns and rows, independent of how a file holds them."""
    hasher = ContentHasher(table.schema)
    hasher.update(table)
    return hasher.hexdigest()


def totals(table: pa.Table) -> dict[str, int]:
    """The sum over entities of each measure of a panel table."""
    measures = table.column_names[table.column_names.index("bucket") + 1 :]
    return {name: sum(table[name].to_pylist()) for name in measures}


def panel_key(*, content: str, pipeline: Pipeline, row_rules: str, waivers: Sequence[str] = ()) -> str:
    """The name under which a day's panel is remembered: equal keys mean equal panels.

    `content` is the content digest of the day's raw rows, `row_rules` the text of the row rules, `waivers` the ids of
    rules that were waived. A limit that only decides whether the day is accepted is not part of it.
    """
    rule = pipeline.source.duplicates
    return digest_json(
        {
            "aggregator": AGGREGATOR_VERSION,
            "content": content,
            "keys": pipeline.keys,
            "duplicates": rule and [rule.group, rule.version, rule.keep],
            "row_rules": row_rules,
            "waivers": sorted(waivers),
            "measures": [(n, m.sum, m.count_distinct, dict(m.where)) for n, m in pipeline.measures.items()],
        }
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube:
    """Panels of consecutive calendar days as dense arrays; what an entity has no row for is 0.

    `keys` holds the key columns of the entities, sorted by bucket and keys. `days` is datetime64[D] without gaps.
    `values` has per measure an int64 array (entities, days), a day's values beside each other in memory; `open` a flag
    per day: open in the calendar and accepted, so that its zeros are real. `totals` has per measure an int64 array
    (days) over all entities of all shards.
    """

    keys: pa.Table
    days: npt.NDArray[np.datetime64]
    values: Mapping[str, Integers]
    open: Flags
    totals: Mapping[str, Integers]


def wanted_days(days: Iterable[PanelDay]) -> dict[str, frozenset[date]]:
    """The panel objects of a snapshot, each with the days that the snapshot takes from it."""
    wanted: dict[str, set[date]] = {}
    for day in days:
        if day.state is DayState.ACCEPTED and day.panel_object is not None:
            wanted.setdefault(day.panel_object, set()).add(day.day)
    return {digest: frozenset(found) for digest, found in wanted.items()}


def build_cube(
    panels: Iterable[tuple[str, pa.Table]],
    days: Sequence[PanelDay],
    calendar: Sequence[CalendarDay],
    pipeline: Pipeline,
    shard: tuple[int, int] | None = None,
) -> Cube:
    """The cube of a snapshot, or of shard (i, n) of it.

    `panels` gives each object of `wanted_days` once, with its digest; it is read one at a time, and of an object only
    the days that the snapshot takes from it. Memory: the rows of the shard's entities, and 8 bytes per entity, day and
    measure. Entities are those with a row in these panels.
    """
    wanted = wanted_days(days)
    pieces = [panel_schema(pipeline).empty_table()]
    for digest, table in panels:
        pieces.append(rows_of(table, wanted.pop(digest, frozenset()), shard))
    if wanted:
        raise ValueError(f"panel objects {', '.join(sorted(wanted))} were not given; expected each that days name")
    cube = cube_of(pa.concat_tables(pieces), days, calendar, pipeline)
    if shard is None:
        reconcile(sums_of(cube), cube)
    return cube


def cube_of(rows: pa.Table, days: Sequence[PanelDay], calendar: Sequence[CalendarDay], pipeline: Pipeline) -> Cube:
    """The cube of some entities, with all their panel rows in the snapshot, in any order."""
    codes, entities = _entities(rows, pipeline.keys, rows["bucket"])
    axis, usable = _axis(days, calendar)
    at = rows["day"].combine_chunks().to_numpy(zero_copy_only=False).astype("datetime64[D]")
    places = codes, (at - axis[:1]) // ONE_DAY
    values = {}
    for name in pipeline.measures:
        values[name] = np.zeros((len(axis), entities.num_rows), dtype=np.int64).T
        values[name][places] = unscaled(rows[name])
    sums = _totals(days, pipeline)
    return Cube(keys=entities.select(list(pipeline.keys)), days=axis, values=values, open=usable, totals=sums)


def rows_of(table: pa.Table, days: frozenset[date], shard: tuple[int, int] | None) -> pa.Table:
    """The rows of a panel table on some days, of all entities or of shard (i, n) of them."""
    if not days.issuperset(table["day"].unique().to_pylist()):
        table = table.filter(pc.is_in(table["day"], value_set=pa.array(sorted(days), type=pa.date32())))
    if shard is None:
        return table
    at, shards = shard
    return table.filter(pa.array(shard_of(table["bucket"].to_numpy(), shards) == at))


def sums_of(cube: Cube) -> dict[str, Integers]:
    """The sums over a cube's entities, per measure and day."""
    return {name: dense.sum(axis=0) for name, dense in cube.values.items()}


def reconcile(sums: Mapping[str, Integers], cube: Cube) -> None:
    """`LakeObjectCorrupt` unless sums over all entities are the totals that the manifest holds.

    A panel that is another one must not become features.
    """
    for name, found in sums.items():
        wrong = np.flatnonzero(found != cube.totals[name])
        if len(wrong):
            day = wrong[0]
            raise LakeObjectCorrupt(
                f"the panel of {cube.days[day]} has {name} {found[day]} in all; expected {cube.totals[name][day]}, as "
                f"the manifest says ({len(wrong)} such days). Run the night again from validate"
            )


def open_days(manifest: Manifest) -> tuple[npt.NDArray[np.datetime64], Flags, Flags]:
    """All days from the first that is known to the last of the calendar: days, open in the calendar, missing.

    A day is missing when it is open, not after the origin, and its rows are not there or were rejected.
    """
    first = min([d.day for d in manifest.days], default=manifest.origin)
    last = max([c.day for c in manifest.calendar], default=manifest.origin)
    view = calendar_view(manifest.calendar).between(first, last)
    rejected = np.array([d.day for d in manifest.days if d.state is DayState.MISSING], dtype="datetime64[D]")
    return view.days, view.open, np.isin(view.days, rejected)


def _entities(table: pa.Table, keys: Sequence[str], bucket: pa.ChunkedArray | None = None) -> tuple[Integers, pa.Table]:
    """The entity of each row as an index, and the entities (keys and `bucket`) in the order of those indices.

    `bucket` is that of each row, where it is known already.
    """
    codes, first = group_codes(table, keys)
    distinct = table.select(list(keys)).take(pa.array(first))
    found = pa.array(buckets(distinct, keys)) if bucket is None else bucket.take(pa.array(first))
    distinct = distinct.append_column("bucket", found)
    order = pc.sort_indices(distinct, sort_keys=[(name, "ascending") for name in ("bucket", *keys)]).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[codes], distinct.take(pa.array(order))


def _where(table: pa.Table, name: str, measure: Measure, pipeline: Pipeline) -> Flags:
    kept = np.ones(table.num_rows, dtype=np.bool_)
    for column, value in measure.where.items():
        kind = table.schema.field(column).type
        try:
            equal = pc.equal(table[column], pa.scalar(value, type=kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
            found = f"measures.{name}.where: {column} is of type {kind} and cannot equal {value!r}; write such a value"
            raise SpecError(pipeline.name, [found]) from error
        kept &= pc.fill_null(equal, fill_value=False).to_numpy().astype(np.bool_)
    return kept


def _sums(rows: pa.Table, codes: Integers, entities: int, name: str, pipeline: Pipeline) -> Integers:
    column = str(pipeline.measures[name].sum)
    kind = rows.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind)):
        found = f"measures.{name}.sum: {column} is of type {kind}; expected integer, decimal or boolean"
        raise SpecError(pipeline.name, [found])
    numbers = unscaled(rows[column])
    sums = np.zeros(entities, dtype=np.int64)
    largest = max(abs(int(numbers.max())), abs(int(numbers.min()))) if len(numbers) else 0
    if largest * len(numbers) < 2**63:
        np.add.at(sums, codes, numbers)
        return sums
    exact: npt.NDArray[Any] = np.zeros(entities, dtype=object)
    np.add.at(exact, codes, numbers.astype(object))
    if any(not -(2**63) <= value < 2**63 for value in exact):
        raise SourceMismatch(
            f"measure {name}: the sum of {column} of one entity and day is beyond the 64 bits of an integer; "
            "expected less than 9.2e18 of the smallest unit. Look for wrong values in the source, or lower the scale"
        )
    return exact.astype(np.int64)


def _distinct(rows: pa.Table, codes: Integers, entities: int, name: str, pipeline: Pipeline) -> Integers:
    values = rows[str(pipeline.measures[name].count_distinct)]
    known = values.is_valid().to_numpy().astype(np.bool_)
    coded = pa.table({"entity": codes[known], "value": values.filter(pa.array(known))})
    _, first = group_codes(coded, ["entity", "value"])
    return np.bincount(codes[known][first], minlength=entities).astype(np.int64)


def _axis(days: Sequence[PanelDay], calendar: Sequence[CalendarDay]) -> tuple[npt.NDArray[np.datetime64], Flags]:
    """The days of a snapshot, and which of them are open and accepted."""
    axis = np.array([d.day for d in days], dtype="datetime64[D]")
    if (np.diff(axis) != ONE_DAY).any():
        raise ValueError(
            "the days of a snapshot have gaps or are out of order; expected each calendar day once, rising"
        )
    accepted = np.array([d.state is DayState.ACCEPTED for d in days], dtype=np.bool_)
    if not len(axis):
        return axis, accepted
    return axis, accepted & calendar_view(calendar).between(axis[0], axis[-1]).open


def _totals(days: Sequence[PanelDay], pipeline: Pipeline) -> dict[str, Integers]:
    found = [d.totals or {} if d.state is DayState.ACCEPTED else {} for d in days]
    return {name: np.array([t.get(name, 0) for t in found], dtype=np.int64) for name in pipeline.measures}
