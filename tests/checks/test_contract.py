"""The engine's own contract: columns, types, nulls, finite numbers, and the days that were asked for."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from nightcast import checks
from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.rows import arrow_schema
from nightcast.domain.verdict import CheckState, judge

pytestmark = pytest.mark.unit

COLUMNS = {
    "sku": Column(type=ColumnType.STRING, role=Role.KEY),
    "at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
    "price": Column(type=ColumnType.DECIMAL, role=Role.MEASURE, scale=2),
    "weight": Column(type=ColumnType.FLOAT, role=Role.MEASURE, nullable=True),
}
DAYS = [date(2011, 12, 5), date(2011, 12, 6)]


def table(**changes: Any) -> pa.Table:
    rows = {
        "sku": ["1", "2", "3"],
        "at": [datetime(2011, 12, 5), datetime(2011, 12, 5, 23, 59, 59, 999999), datetime(2011, 12, 6)],  # noqa: DTZ001
        "price": [Decimal(n) for n in (1, 2, 3)],
        "weight": [0.5, None, 2.0],
    } | changes
    schema = arrow_schema(COLUMNS)
    return pa.table({n: pa.array(v).cast(schema.field(n).type) if isinstance(v, list) else v for n, v in rows.items()})


def stopped(rows: pa.Table) -> dict[str, str]:
    """The checks that stop, with what was found."""
    results = checks.contract(rows, COLUMNS, "at", DAYS, scope="2011-12")
    assert tuple(r.check_id for r in results) == checks.CONTRACT_IDS
    assert {r.scope for r in results} == {"2011-12"}
    json.dumps([asdict(r) for r in results], allow_nan=False)
    assert judge(results, checks.CONTRACT_IDS).passed == all(r.state is CheckState.PASS for r in results)
    return {r.check_id: r.message.split("; expected")[0] for r in results if r.state is not CheckState.PASS}


def test_rows_as_declared_pass() -> None:
    assert stopped(table()) == {}
    assert stopped(table().select(["price", "at", "weight", "sku"])) == {}


def test_missing_and_other_columns() -> None:
    rows = table().drop_columns(["price"]).append_column("colour", pa.array(["r", "g", "b"]))
    assert stopped(rows) == {"contract.columns": "found price missing; colour not declared"}


def test_a_column_twice() -> None:
    assert stopped(table().append_column("sku", pa.array(["1", "2", "3"]))) == {"contract.columns": "found sku twice"}


def test_another_type() -> None:
    rows = table(price=pa.array([1.0, 2.0, 3.0]))
    assert stopped(rows) == {"contract.types": "found price double instead of decimal128(18, 2)"}


def test_nulls_where_none_may_be() -> None:
    rows = table(sku=[None, "2", None], price=[None, Decimal(2), Decimal(3)])
    results = {r.check_id: r for r in checks.contract(rows, COLUMNS, "at", DAYS)}
    nulls = results["contract.nulls"]
    assert nulls.message == "found sku in 2 rows, price in 1 rows null; expected no nulls in sku, at, price"
    assert (nulls.bad_rows, nulls.rows, len(nulls.sample)) == (2, 3, 2)
    assert nulls.sample[0] == {"sku": None, "at": "2011-12-05T00:00:00", "price": None, "weight": 0.5}


def test_keys_that_no_index_of_ours_holds() -> None:
    long = "ü" * 1000
    assert stopped(table(sku=["1", long, None])) == {"contract.nulls": "found sku in 1 rows null"}
    assert stopped(table(sku=["1", long + "x", "3"])) == {"contract.keys": "found sku in 1 rows too long"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none(value: float) -> None:
    rows = table(weight=pa.array([1.0, value, None], from_pandas=False))
    assert stopped(rows) == {"contract.finite": "found weight in 1 rows NaN or infinite"}


@pytest.mark.parametrize("moment", [datetime(2011, 12, 4, 23, 59, 59), datetime(2011, 12, 7)])  # noqa: DTZ001
def test_another_day(moment: datetime) -> None:
    rows = table(at=[moment, datetime(2011, 12, 5), datetime(2011, 12, 6)])  # noqa: DTZ001
    assert stopped(rows) == {"contract.window": "found at in 1 rows of another day"}


def test_without_a_time_the_window_cannot_be_judged() -> None:
    results = {r.check_id: r for r in checks.contract(table().drop_columns(["at"]), COLUMNS, "at", DAYS)}
    assert results["contract.window"].state is CheckState.ERROR
    assert results["contract.columns"].state is CheckState.FAIL


def test_no_rows_are_no_breach() -> None:
    assert stopped(table().slice(0, 0)) == {}
