"""The panel of a day and the cube of a snapshot."""

# ruff: noqa: DTZ001 -- rows carry wall times without a zone

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.manifest import CalendarDay, Manifest, PanelDay
from nightcast.domain.model_spec import Model, Scale
from nightcast.domain.night import DayState
from nightcast.domain.panel import (
    build_cube,
    open_days,
    panel_digest,
    panel_key,
    panel_of_day,
    panel_schema,
    totals,
    wanted_days,
)
from nightcast.domain.pipeline import Duplicates, Forecast, Measure, Pipeline, Schedule, Source, Universe
from nightcast.domain.rows import arrow_schema, buckets, shard_of
from nightcast.errors import CalendarTooShort, LakeObjectCorrupt, SourceMismatch, SpecError

pytestmark = pytest.mark.unit

SALE = {"kind": "sale"}
PIPELINE = Pipeline(
    name="shop",
    version=1,
    title="Shop",
    owner="team",
    schedule=Schedule(cron="0 2 * * *", timezone="Europe/London", first_night=date(2011, 1, 1), ready_by=time(6)),
    source=Source(
        connection="shop",
        columns={
            "sku": Column(type=ColumnType.STRING, role=Role.KEY),
            "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
            "invoice": Column(type=ColumnType.STRING, role=Role.IDENTIFIER, nullable=True),
            "delivery": Column(type=ColumnType.INTEGER, role=Role.IDENTIFIER),
            "kind": Column(type=ColumnType.STRING, role=Role.ATTRIBUTE, nullable=True),
            "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE, nullable=True),
            "amount": Column(type=ColumnType.DECIMAL, scale=2, role=Role.MEASURE, nullable=True),
            "weight": Column(type=ColumnType.FLOAT, role=Role.MEASURE, nullable=True),
        },
        duplicates=Duplicates(group=("invoice",), version="delivery"),
    ),
    measures={
        "units": Measure(sum="quantity", where=SALE),
        "orders": Measure(count_distinct="invoice", where=SALE),
        "revenue": Measure(sum="amount"),
    },
    forecast=Forecast(target="units", horizon=2, universe=Universe(min_active_days=1, trailing_days=7)),
    features=(),
    model=Model(family="hist_gradient_boosting", parameters={}, scale=Scale(blend={7: 1.0}, floor=0.5)),
)
DAY = date(2011, 1, 3)


def rows_of(lines: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows from (sku, invoice, kind, quantity, amount)."""
    full = [(s, datetime(2011, 1, 3, 9), i, 1, k, q, a, None) for s, i, k, q, a in lines]
    schema = arrow_schema(PIPELINE.source.columns)
    columns = list(zip(*full, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, type=t) for c, t in zip(columns, schema.types, strict=True)], schema=schema)


LINES = [
    ("A", "1", "sale", 2, Decimal("1.25")),
    ("A", "1", "sale", 2, Decimal("1.25")),  # a repeated line of one invoice is sold twice
    ("A", "2", "sale", 5, Decimal("0.10")),
    ("A", "3", "cancellation", -5, Decimal("-0.10")),
    ("A", None, "sale", None, None),
    ("A", "9", None, 100, None),  # an unknown kind is not a sale
    ("B", "4", "cancellation", -1, Decimal("-9.99")),
]


def test_panel_known_answer() -> None:
    panel = panel_of_day(rows_of(LINES), PIPELINE, DAY)
    assert panel.schema.equals(panel_schema(PIPELINE))
    found = {r["sku"]: (r["units"], r["orders"], r["revenue"]) for r in panel.to_pylist()}
    assert found == {"A": (9, 2, 250), "B": (0, 0, -999)}
    assert set(panel["day"].to_pylist()) == {DAY}
    assert panel["bucket"].to_pylist() == sorted(buckets(panel, ["sku"]).tolist())
    assert totals(panel) == {"units": 9, "orders": 2, "revenue": -749}


def test_panel_of_no_rows_is_empty_and_typed() -> None:
    panel = panel_of_day(rows_of([]), PIPELINE, DAY)
    assert panel.schema.equals(panel_schema(PIPELINE))
    assert totals(panel) == {"units": 0, "orders": 0, "revenue": 0}


@settings(max_examples=30, deadline=None)
@given(st.permutations(LINES), st.integers(1, 7))
def test_panel_does_not_depend_on_order_or_chunks(lines: list[tuple[Any, ...]], size: int) -> None:
    pieces = [rows_of(lines[i : i + size]) for i in range(0, len(lines), size)]
    panel = panel_of_day(pa.concat_tables(pieces), PIPELINE, DAY)
    assert panel_digest(panel) == panel_digest(panel_of_day(rows_of(LINES), PIPELINE, DAY))


def test_panel_digest_sees_day_and_values() -> None:
    base = panel_of_day(rows_of(LINES), PIPELINE, DAY)
    other_day = panel_of_day(rows_of(LINES), PIPELINE, date(2011, 1, 4))
    fewer = panel_of_day(rows_of(LINES[1:]), PIPELINE, DAY)
    assert len({panel_digest(p) for p in (base, other_day, fewer)}) == 3


def test_sums_are_exact_and_never_wrap() -> None:
    large = 2**62
    panel = panel_of_day(
        rows_of([("A", "1", "sale", large, None)] * 2 + [("A", "1", "sale", -large, None)]), PIPELINE, DAY
    )
    assert panel["units"].to_pylist() == [large]
    with pytest.raises(SourceMismatch, match="measure units: the sum of quantity"):
        panel_of_day(rows_of([("A", "1", "sale", large, None)] * 2), PIPELINE, DAY)


def test_a_null_key_is_refused() -> None:
    with pytest.raises(SourceMismatch, match="key column sku is null in 1 accepted rows of 2011-01-03"):
        panel_of_day(rows_of([(None, "1", "sale", 1, None)]), PIPELINE, DAY)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Measure(sum="weight"), r"measures\.units\.sum: weight is of type double"),
        (Measure(sum="quantity", where={"quantity": "many"}), r"quantity is of type int64 and cannot equal 'many'"),
        (Measure(sum="quantity", where={"kind": 3}), r"kind is of type string and cannot equal 3"),
    ],
)
def test_a_measure_that_its_columns_cannot_serve_is_refused(measure: Measure, message: str) -> None:
    pipeline = replace(PIPELINE, measures={"units": measure})
    with pytest.raises(SpecError, match=message):
        panel_of_day(rows_of(LINES), pipeline, DAY)


def test_where_compares_integers_decimals_and_several_columns() -> None:
    measures = {
        "units": Measure(sum="quantity", where={"quantity": 2, "kind": "sale"}),
        "coins": Measure(sum="amount", where={"amount": 3}),
    }
    panel = panel_of_day(
        rows_of([*LINES, ("A", "5", "sale", 2, Decimal("3.00"))]), replace(PIPELINE, measures=measures), DAY
    )
    assert totals(panel) == {"units": 6, "coins": 300}


def test_panel_key_changes_with_what_decides_the_panel_and_with_nothing_else() -> None:
    assert PIPELINE.source.duplicates is not None
    base = panel_key(content="c", pipeline=PIPELINE, row_rules="r")

    def with_duplicates(**change: Any) -> Pipeline:
        rule = replace(PIPELINE.source.duplicates, **change)  # type: ignore[type-var]
        return replace(PIPELINE, source=replace(PIPELINE.source, duplicates=rule))

    others = [
        panel_key(content="d", pipeline=PIPELINE, row_rules="r"),
        panel_key(content="c", pipeline=PIPELINE, row_rules="s"),
        panel_key(content="c", pipeline=PIPELINE, row_rules="r", waivers=["rows.price"]),
        panel_key(content="c", pipeline=with_duplicates(keep="first"), row_rules="r"),
        panel_key(content="c", pipeline=replace(PIPELINE, measures={"units": Measure(sum="quantity")}), row_rules="r"),
    ]
    assert len({base, *others}) == 6
    assert panel_key(content="c", pipeline=with_duplicates(max_share=0.2), row_rules="r") == base
    assert panel_key(content="c", pipeline=replace(PIPELINE, title="Another"), row_rules="r") == base


FIRST = date(2011, 1, 1)


def on(number: int) -> date:
    return FIRST + timedelta(days=number)


def panel_at(number: int, units: dict[str, int]) -> pa.Table:
    return panel_of_day(rows_of([(s, "1", "sale", n, None) for s, n in units.items()]), PIPELINE, on(number))


def accepted(number: int, panel: pa.Table, digest: str) -> PanelDay:
    return PanelDay(
        day=on(number), state=DayState.ACCEPTED, panel=panel_digest(panel), panel_object=digest, totals=totals(panel)
    )


CALENDAR = tuple(CalendarDay(day=on(n), open=n != 2, columns={}) for n in range(7))
SOLD = {0: {"A": 1, "B": 2}, 1: {"B": 3}, 3: {"C": 4, "A": 5}}
PANELS = {n: panel_at(n, units) for n, units in SOLD.items()}
DAYS = (
    accepted(0, PANELS[0], "month"),
    accepted(1, PANELS[1], "late"),
    PanelDay(day=on(2), state=DayState.CLOSED),
    accepted(3, PANELS[3], "month"),
    PanelDay(day=on(4), state=DayState.MISSING, panel_object="rejected", totals={"units": 99}),
)
# the month's object still holds an older revision of day 1, and a day that the snapshot does not know
OBJECTS = {
    "month": pa.concat_tables([PANELS[0], panel_at(1, {"A": 77}), PANELS[3], panel_at(5, {"D": 1})]),
    "late": PANELS[1],
}


def test_cube_takes_each_day_from_the_object_that_the_snapshot_names() -> None:
    assert wanted_days(DAYS) == {"month": {on(0), on(3)}, "late": {on(1)}}
    cube = build_cube(OBJECTS.items(), DAYS, CALENDAR, PIPELINE)
    skus = cube.keys["sku"].to_pylist()
    assert sorted(skus) == ["A", "B", "C"]
    assert buckets(cube.keys, ["sku"]).tolist() == sorted(buckets(cube.keys, ["sku"]).tolist())
    units = dict(zip(skus, cube.values["units"].tolist(), strict=True))
    assert units == {"A": [1, 0, 0, 5, 0], "B": [2, 3, 0, 0, 0], "C": [0, 0, 0, 4, 0]}
    assert cube.open.tolist() == [True, True, False, True, False]
    assert cube.totals["units"].tolist() == [3, 3, 0, 9, 0]
    assert cube.days.tolist() == [on(n) for n in range(5)]
    assert cube.values["orders"].dtype == np.int64


@pytest.mark.parametrize("shards", [1, 2, 3, 256])
def test_shards_of_the_cube_are_the_cube(shards: int) -> None:
    whole = build_cube(OBJECTS.items(), DAYS, CALENDAR, PIPELINE)
    parts = [build_cube(OBJECTS.items(), DAYS, CALENDAR, PIPELINE, (i, shards)) for i in range(shards)]
    assert pa.concat_tables([p.keys for p in parts]).equals(whole.keys)
    for name in PIPELINE.measures:
        assert np.array_equal(np.concatenate([p.values[name] for p in parts]), whole.values[name])
        assert all(np.array_equal(p.totals[name], whole.totals[name]) for p in parts)
    for i, part in enumerate(parts):
        assert set(shard_of(buckets(part.keys, ["sku"]), shards).tolist()) <= {i}


def test_cube_refuses_panels_that_do_not_add_up_or_are_not_there() -> None:
    wrong = OBJECTS | {"late": panel_at(1, {"B": 4})}
    with pytest.raises(LakeObjectCorrupt, match="panel of 2011-01-02 has units 4 in all; expected 3"):
        build_cube(wrong.items(), DAYS, CALENDAR, PIPELINE)
    with pytest.raises(ValueError, match="panel objects late were not given"):
        build_cube([("month", OBJECTS["month"])], DAYS, CALENDAR, PIPELINE)
    with pytest.raises(ValueError, match="gaps"):
        build_cube(OBJECTS.items(), DAYS[:2] + DAYS[3:], CALENDAR, PIPELINE)
    with pytest.raises(CalendarTooShort):
        build_cube(OBJECTS.items(), DAYS, CALENDAR[1:], PIPELINE)


def test_cube_of_nothing() -> None:
    cube = build_cube([], (), CALENDAR, PIPELINE)
    assert cube.keys.num_rows == 0
    assert cube.values["units"].shape == (0, 0)


def test_open_days_reach_from_the_first_day_to_the_end_of_the_calendar() -> None:
    manifest = Manifest(pipeline="shop", origin=on(4), days=DAYS, calendar=CALENDAR)
    days, opened, missing = open_days(manifest)
    assert days.tolist() == [on(n) for n in range(7)]
    assert opened.tolist() == [True, True, False, True, True, True, True]
    assert missing.tolist() == [False, False, False, False, True, False, False]
    with pytest.raises(CalendarTooShort):
        open_days(replace(manifest, calendar=CALENDAR[1:]))
