"""Rows of predictions: written once, digested alike with and without a database, audited."""

from __future__ import annotations

import math
import threading
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightcast.errors import NightRefused, TablesDoNotFit
from nightcast.store import predictions, runs
from nightcast.store.queries import execute, rows, the_row

pytestmark = pytest.mark.postgres
ORIGIN = date(2011, 10, 31)
AWKWARD = [
    0.0,
    -0.0,
    0.1,
    1 / 3,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    1e15,
    1e16,
    123456789012345680.0,
    math.nextafter(1.0, 2.0),
    math.pi * 1e-7,
    -1e-300,
    math.inf,
    -math.inf,
    math.nan,
]
AWKWARD_KEYS = ["A", "a", "ß", "Ä", "Z", "", " ", '"', ",", "\\N", "\n", "😀", "10", "9", "NULL", "\t", "aa", "a\x1fb"]


def write(memory, table, run=None, shard=0):
    with memory.writing() as tx:
        run = run or runs.open_run(tx, "demand", ORIGIN).run_id
        predictions.ensure_partition(tx, memory.pipeline, ORIGIN)
    with memory.writing() as tx:
        predictions.replace_shard(tx, memory.pipeline, run, shard, table)
    return run


def stored_digest(memory, run):
    with memory.writing() as tx:
        return predictions.row_digest(tx, memory.pipeline, run)


def awkward():
    values = np.array([AWKWARD[i % len(AWKWARD)] for i in range(len(AWKWARD_KEYS) * 2)])
    return pa.table(
        {
            "sku": [key for key in AWKWARD_KEYS for _ in (1, 2)],
            "target_date": [ORIGIN + timedelta(day) for _ in AWKWARD_KEYS for day in (1, 2)],
            "horizon": [1, 2] * len(AWKWARD_KEYS),
            "mean": values,
            "q10": np.roll(values, 1),
            "q50": np.roll(values, 2),
            "q90": np.roll(values, 3),
        }
    )


def bits(table):
    floats = [np.asarray(table[name]).view(np.int64) for name in ("mean", "q10", "q50", "q90")]
    return sorted(zip(table["sku"].to_pylist(), table["target_date"].to_pylist(), *map(list, floats), strict=True))


def test_awkward_floats_and_texts_come_back_with_all_their_bits(memory):
    run = write(memory, awkward())
    with memory.writing() as tx:
        back = predictions.of_run(tx, memory.pipeline, run)
    assert bits(back) == bits(awkward())
    assert back["sku"].to_pylist() == sorted((key for key in AWKWARD_KEYS for _ in (1, 2)), key=str.encode)


def test_the_digest_is_the_same_with_and_without_a_database(memory):
    table = awkward()
    run = write(memory, table)
    stored = stored_digest(memory, run)
    assert stored == predictions.digest_of_table(memory.pipeline, ORIGIN, table)
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    pieces = pa.concat_tables([shuffled.slice(0, 5), shuffled.slice(5, 20), shuffled.slice(25)])
    assert predictions.digest_of_table(memory.pipeline, ORIGIN, pieces) == stored


def test_tables_one_after_the_other_are_written_as_one(memory):
    table = awkward()
    run = write(memory, iter([table.slice(0, 7), table.slice(7, 0), table.slice(7)]))
    assert stored_digest(memory, run) == predictions.digest_of_table(memory.pipeline, ORIGIN, table)


def test_a_later_table_that_does_not_fit_says_so_and_nothing_is_written(memory):
    table, run = awkward(), write(memory, awkward())
    broken = table.set_column(0, "sku", pa.nulls(len(table), pa.string()))
    with pytest.raises(TablesDoNotFit, match="nulls in sku"), memory.writing() as tx:
        predictions.replace_shard(tx, memory.pipeline, run, 0, iter([table.slice(0, 3), broken]))
    assert stored_digest(memory, run) == predictions.digest_of_table(memory.pipeline, ORIGIN, table)


def test_what_interrupts_a_copy_is_told_as_itself(memory):
    """A task's timeout is no `Exception`; of Postgres one would only hear that COPY failed."""

    class Timeout(BaseException):
        pass

    table, run = awkward(), write(memory, awkward())

    def interrupted():
        yield table.slice(0, 3)
        raise Timeout

    with pytest.raises(Timeout), memory.writing() as tx:
        predictions.replace_shard(tx, memory.pipeline, run, 0, interrupted())
    assert stored_digest(memory, run) == predictions.digest_of_table(memory.pipeline, ORIGIN, table)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
        st.lists(st.floats(), min_size=4, max_size=4),
        max_size=8,
    )
)
def test_any_rows_have_the_same_digest_on_both_sides(memory, made):
    table = pa.table(
        {
            "sku": pa.array(list(made), pa.string()),
            "target_date": pa.array([ORIGIN + timedelta(1)] * len(made), pa.date32()),
            "horizon": pa.array([1] * len(made), pa.int64()),
            **{
                name: pa.array([values[i] for values in made.values()], pa.float64())
                for i, name in enumerate(("mean", "q10", "q50", "q90"))
            },
        }
    )
    run = write(memory, table)
    with memory.writing() as tx:
        assert predictions.row_digest(tx, memory.pipeline, run) == predictions.digest_of_table(
            memory.pipeline, ORIGIN, table
        )


def test_every_nan_is_one_nan(memory):
    table = memory.forecast()
    given = [
        table.set_column(3, "mean", [np.full(6, bits, np.uint64).view(np.float64)])
        for bits in (0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001)
    ]
    digests = {predictions.digest_of_table(memory.pipeline, ORIGIN, each) for each in given}
    assert digests == {stored_digest(memory, write(memory, each)) for each in given}
    assert len(digests) == 1


def test_the_digest_sees_every_value_and_no_ids(memory):
    table = memory.forecast()
    base = predictions.digest_of_table(memory.pipeline, ORIGIN, table)
    for name in ("mean", "q10", "q50", "q90"):
        column = table[name].to_pylist()
        column[3] = math.nextafter(column[3], math.inf)
        changed = table.set_column(table.schema.get_field_index(name), name, [column])
        assert predictions.digest_of_table(memory.pipeline, ORIGIN, changed) != base
    assert predictions.digest_of_table(memory.pipeline, ORIGIN - timedelta(1), table) != base
    assert predictions.digest_of_table(memory.pipeline, ORIGIN, table.slice(1)) != base
    first, second = write(memory, table), write(memory, table, shard=3)
    with memory.writing() as tx:
        assert (
            predictions.row_digest(tx, memory.pipeline, first)
            == predictions.row_digest(tx, memory.pipeline, second)
            == base
        )


def test_shards_together_are_one_night_and_a_rerun_replaces_its_own_shard(memory):
    whole = memory.forecast(keys=("A", "B", "C"))
    run = write(memory, whole.slice(0, 3), shard=0)
    write(memory, whole.slice(3), run, shard=1)
    write(memory, memory.forecast(keys=("A",), level=9.0), run, shard=0)
    write(memory, whole.slice(0, 3), run, shard=0)
    with memory.writing() as tx:
        assert predictions.row_digest(tx, memory.pipeline, run) == predictions.digest_of_table(
            memory.pipeline, ORIGIN, whole
        )


def test_a_row_that_two_shards_claim_is_refused(memory):
    run = write(memory, memory.forecast(), shard=0)
    with pytest.raises(Exception, match="duplicate key"):
        write(memory, memory.forecast(), run, shard=1)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda t: t.drop_columns("q90"), "expected sku, target_date, horizon, mean, q10, q50, q90"),
        (lambda t: t.append_column("extra", t["mean"]), "have columns .*extra"),
        (lambda t: t.set_column(3, "mean", [[None, *t["mean"].to_pylist()[1:]]]), "nulls in mean"),
        (lambda t: t.set_column(2, "horizon", [[70_000] * 6]), "do not fit their columns"),
        (lambda t: t.set_column(3, "mean", [["x"] * 6]), "do not fit their columns"),
    ],
)
def test_tables_of_another_form_are_refused(memory, change, found):
    with pytest.raises(TablesDoNotFit, match=found):
        write(memory, change(memory.forecast()))


def test_rows_of_a_run_that_has_ended_never_change(memory):
    memory.live_model()
    run = memory.scored_run()
    with memory.writing() as tx:
        runs.finish(tx, run.run_id, runs.RunState.STOPPED, "no")
    with pytest.raises(NightRefused, match="run 1 is stopped; rows are written while a run is open"):
        write(memory, memory.forecast(), run.run_id)


def test_partitions_are_made_on_demand_by_the_writer_one_per_month(memory):
    months = [date(2011, 10, 31), date(2011, 11, 1), date(2011, 10, 1), date(2012, 2, 29), date(1999, 12, 31)]
    with memory.writing() as tx:
        assert [predictions.ensure_partition(tx, memory.pipeline, day) for day in months] == [
            True,
            True,
            False,
            True,
            True,
        ]
    with memory.owning() as tx:
        found = rows(
            tx, "SELECT relid::text FROM pg_partition_tree('internal.prediction_demand') WHERE isleaf ORDER BY 1"
        )
        constraints = rows(tx, "SELECT 1 FROM pg_constraint WHERE conname = 'one_month'")
    names = ["1999_12", "2011_10", "2011_11", "2012_02"]
    assert [each["relid"] for each in found] == [f"internal.prediction_demand_{name}" for name in names]
    assert not constraints
    with pytest.raises(TablesDoNotFit, match="no tables of version 7"), memory.writing() as tx:
        execute(tx, "SELECT internal.ensure_partition('demand', 7, '2011-10-31')")


def test_a_month_is_attached_while_readers_read(memory):
    memory.live_model()
    with memory.reading() as reader:
        rows(reader, "SELECT * FROM forecast.demand")  # holds its lock on the table to the end
        with memory.writing() as tx:
            execute(tx, "SET LOCAL lock_timeout = '2s'")
            assert predictions.ensure_partition(tx, memory.pipeline, ORIGIN)


def test_two_nights_may_ask_for_the_same_month_at_once(memory):
    made, barrier = [], threading.Barrier(4)

    def ask():
        with memory.writing() as tx:
            barrier.wait(30)
            made.append(predictions.ensure_partition(tx, memory.pipeline, ORIGIN))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]


def test_aggregates_count_what_is_wrong(memory):
    good = memory.forecast(days=2)
    run = write(memory, good)
    with memory.writing() as tx:
        found = predictions.aggregates(tx, memory.pipeline, run)
    assert found == predictions.Aggregates(
        rows=4, keys=2, days=2, non_finite=0, negative=0, crossed=0, wrong_dates=0, total=6.0
    )
    bad = good.set_column(3, "mean", [[math.nan, -1.0, 1.0, 2.0]]).set_column(4, "q10", [[9.0, math.inf, 0.1, 0.2]])
    run = write(memory, bad)
    with memory.writing() as tx:
        found = predictions.aggregates(tx, memory.pipeline, run)
    assert (found.non_finite, found.negative, found.crossed) == (2, 1, 2)


def test_dates_outside_the_horizon_are_counted(memory):
    late = memory.forecast(keys=("A",), days=1)
    late = late.set_column(1, "target_date", [[ORIGIN + timedelta(15)]]).set_column(2, "horizon", [[15]])
    run = write(memory, late)
    with memory.writing() as tx:
        assert predictions.aggregates(tx, memory.pipeline, run).wrong_dates == 1


def test_a_horizon_that_is_not_the_distance_of_the_dates_is_refused(memory):
    table = memory.forecast(keys=("A",), days=1).set_column(2, "horizon", [[2]])
    with pytest.raises(Exception, match="violates check constraint"):
        write(memory, table)


def test_completeness_compares_with_every_key_on_every_open_day(memory):
    table = memory.forecast(keys=("A", "B"), days=3)
    run = write(memory, table)
    days = [ORIGIN + timedelta(day) for day in (1, 2, 3)]
    with memory.writing() as tx:
        full = predictions.completeness(tx, memory.pipeline, run, pa.table({"sku": ["A", "B"]}), days)
        assert (full.expected, full.missing, full.unexpected, full.sample) == (6, 0, 0, [])
        other = predictions.completeness(tx, memory.pipeline, run, pa.table({"sku": ["A", "C"]}), days[:2])
    assert (other.expected, other.missing, other.unexpected) == (4, 2, 4)
    assert {"problem": "missing", "sku": "C", "target_date": days[0]} in other.sample
    assert {each["problem"] for each in other.sample} == {"missing", "unexpected"}
    with memory.writing() as tx:
        none = predictions.completeness(tx, memory.pipeline, run, pa.table({"sku": pa.array([], pa.string())}), days)
    assert (none.expected, none.missing, none.unexpected) == (0, 0, 6)


def test_reading_one_key_and_totals(memory):
    run = write(memory, memory.forecast(days=2))
    with memory.writing() as tx:
        found = predictions.of_key(tx, memory.pipeline, run, {"sku": "B"})
        assert [(each["target_date"], each["mean"]) for each in found] == [
            (date(2011, 11, 1), 1.0),
            (date(2011, 11, 2), 2.0),
        ]
        assert predictions.totals_by_day(tx, memory.pipeline, run) == {date(2011, 11, 1): 2.0, date(2011, 11, 2): 4.0}
        with pytest.raises(NightRefused, match="expected values for sku"):
            predictions.of_key(tx, memory.pipeline, run, {"article": "B"})


def test_reading_a_key_uses_the_index(memory):
    write(memory, memory.forecast(keys=[f"K{i:05}" for i in range(5000)], days=1))
    with memory.owning() as tx:
        execute(tx, "ANALYZE internal.prediction_demand")
        plan = the_row(tx, "EXPLAIN (FORMAT json) SELECT * FROM forecast.demand WHERE sku = 'K00042'")["QUERY PLAN"]
    scans = [node["Node Type"] for node in walk(plan[0]["Plan"]) if "prediction" in node.get("Relation Name", "")]
    assert scans
    assert "Seq Scan" not in scans


def walk(node):
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)
