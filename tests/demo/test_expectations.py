"""The checks of the pipeline, on real rows, by the room that judges them at night."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo.retail_source import FOLDER, Retail
from nightcast import checks, source, spec
from nightcast.domain.gates import signal_parameters
from nightcast.domain.rows import duplicate_mask
from nightcast.domain.verdict import CheckState

pytestmark = pytest.mark.postgres

PIPELINE = spec.load_folder(FOLDER)
EXPECTATIONS = checks.load(PIPELINE.expectations)


@pytest.fixture(scope="module")
def whole(retail: Retail) -> pa.Table:
    window = {"window_start": date(2009, 12, 1), "window_end": date(2011, 12, 10)}
    columns = PIPELINE.pipeline.source.columns
    return pa.Table.from_batches(source.read(retail.reader, PIPELINE.extract_sql, window, columns))


def of(whole: pa.Table, day: date) -> pa.Table:
    return whole.filter(pc.equal(pc.cast(whole["sold_at"], pa.date32()), pa.scalar(day)))


def signals(whole: pa.Table, day: date) -> dict[str, CheckState]:
    """States of a day's signals, against the four days of its weekday before it that have rows."""
    past = [of(whole, day - timedelta(weeks=n)).num_rows for n in range(1, 10)]
    rows = of(whole, day)
    parameters = signal_parameters(day, rows.num_rows, [n for n in past if n][:4])
    return {o.result.check_id: o.result.state for o in checks.run(EXPECTATIONS.signals, rows, parameters, scope="")}


def test_contract_holds_on_all_days(whole: pa.Table) -> None:
    results = [o.result for o in checks.run(EXPECTATIONS.contract, whole, {}, scope="")]
    assert {r.check_id: r.state for r in results} == {"invoice_format": "pass", "kind_known": "pass"}


def test_known_counts_of_every_row_rule(whole: pa.Table) -> None:
    outcomes = checks.run(EXPECTATIONS.rows, whole, {}, scope="")
    assert {o.result.check_id: o.result.bad_rows for o in outcomes} == {
        "negative_price": 5,
        "cancellation_adds": 1,
        "negative_quantity": 223,
        "free_goods": 209,
        "huge_quantity": 4,
        "test_code": 17,
    }
    assert {o.result.state for o in outcomes} == {CheckState.QUARANTINE}
    caught = [np.asarray(o.bad) for o in outcomes if o.bad is not None]
    assert int(np.logical_or.reduce(caught).sum()) == 456


def test_a_quarantined_row_never_is_demand(whole: pa.Table) -> None:
    outcomes = checks.run(EXPECTATIONS.rows, whole, {}, scope="")
    bad = np.logical_or.reduce([np.asarray(o.bad) for o in outcomes if o.bad is not None])
    assert "sale" not in set(whole.filter(pa.array(bad))["kind"].to_pylist())


def test_the_double_load_is_half_of_its_days(whole: pa.Table) -> None:
    rule = PIPELINE.pipeline.source.duplicates
    assert rule is not None
    shares = {}
    for day in (date(2010, 12, 6), date(2010, 12, 9), date(2010, 12, 10), date(2011, 12, 5)):
        shares[day.isoformat()] = float(duplicate_mask(of(whole, day), rule).mean())
    assert shares == {"2010-12-06": 0.5, "2010-12-09": 0.5, "2010-12-10": 0.0, "2011-12-05": 0.0}
    assert rule.max_share < 0.5


def test_an_ordinary_day_raises_nothing(whole: pa.Table) -> None:
    assert set(signals(whole, date(2011, 12, 5)).values()) == {CheckState.PASS}


@pytest.mark.parametrize(
    ("day", "check", "state"),
    [
        (date(2010, 12, 22), "rows_far_off", CheckState.FAIL),
        (date(2010, 12, 22), "rows_unusual", CheckState.WARN),
        (date(2011, 11, 6), "rows_unusual", CheckState.WARN),
        (date(2011, 8, 30), "customers_unknown", CheckState.WARN),
        (date(2010, 6, 30), "many_cancellations", CheckState.WARN),
        (date(2011, 11, 10), "other_codes", CheckState.WARN),
    ],
)
def test_strange_days_are_seen(whole: pa.Table, day: date, check: str, state: CheckState) -> None:
    assert signals(whole, day)[check] is state


def test_another_days_lines_and_a_new_country_are_seen(whole: pa.Table) -> None:
    day = date(2011, 12, 5)
    rows = of(whole, day)
    parameters = signal_parameters(day + timedelta(days=1), rows.num_rows, [rows.num_rows])
    moved = {o.result.check_id: o.result.state for o in checks.run(EXPECTATIONS.signals, rows, parameters, scope="")}
    assert moved["within_day"] is CheckState.FAIL
    place = rows.schema.get_field_index("country")
    renamed = rows.set_column(place, rows.schema.field(place), pa.array(["Atlantis"] * rows.num_rows))
    parameters = signal_parameters(day, rows.num_rows, [rows.num_rows])
    found = {o.result.check_id: o.result.state for o in checks.run(EXPECTATIONS.signals, renamed, parameters, scope="")}
    assert found["new_country"] is CheckState.WARN
