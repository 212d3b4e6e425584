"""A pipeline's own tables: planned, made, extended, and refused when the spec breaks them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pytest

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.errors import TablesDoNotFit
from nightcast.store import layout, migrate, predictions, tables
from nightcast.store.queries import execute, rows, the_row
from nightcast.store.schedule import weekdays

pytestmark = pytest.mark.postgres


def with_quantiles(pipeline, *levels):
    return replace(pipeline, forecast=replace(pipeline.forecast, quantiles=levels))


def with_key(pipeline, name, kind):
    columns = {name: Column(type=kind, role=Role.KEY)}
    columns |= {n: c for n, c in pipeline.source.columns.items() if c.role is not Role.KEY}
    return replace(pipeline, source=replace(pipeline.source, columns=columns))


def columns_of(tx, relation):
    return [each["name"] for each in rows(tx, layout._SQL["columns"], {"relation": relation})]


def test_plan_shows_what_apply_does_and_then_nothing(bare):
    migrate.upgrade(bare.url("nightcast_owner"))
    with bare.owning() as tx:
        planned = layout.plan(tx, bare.pipeline)
        assert [change.summary for change in planned] == [
            "create internal.prediction_demand and internal.actual_demand",
            "make the views forecast.demand…",
            "register demand in internal.pipeline",
        ]
        assert "CREATE TABLE" in planned[0].statement
        assert layout.apply(tx, bare.pipeline) == planned
        assert layout.plan(tx, bare.pipeline) == []
        assert layout.apply(tx, bare.pipeline) == []
    with bare.writing() as tx:
        assert layout.fits(tx, bare.pipeline) == tables.of(bare.pipeline)


def test_a_night_before_apply_is_told_the_command(bare):
    with pytest.raises(TablesDoNotFit, match=r"migration \(none\).*nightcast db apply"), bare.owning() as tx:
        layout.fits(tx, bare.pipeline)
    migrate.upgrade(bare.url("nightcast_owner"))
    with (
        pytest.raises(TablesDoNotFit, match=r"create internal\.prediction_demand.*nightcast db apply"),
        bare.writing() as tx,
    ):
        layout.fits(tx, bare.pipeline)


def test_a_new_quantile_is_added_in_place(memory):
    memory.live_model()
    memory.scored_run()
    more = with_quantiles(memory.pipeline, 0.1, 0.5, 0.9, 0.95)
    with pytest.raises(TablesDoNotFit, match=r"add column q95.*nightcast db apply"), memory.writing() as tx:
        layout.fits(tx, more)
    with memory.owning() as tx:
        layout.apply(tx, more)
        assert "q95" in columns_of(tx, "internal.prediction_demand")
        assert "q95" in columns_of(tx, "forecast.demand")
    with memory.writing() as tx:
        assert len(predictions.of_run(tx, memory.pipeline, 1)) == 6  # the rows are still there
        layout.fits(tx, more)


def test_a_quantile_that_left_the_spec_stays_readable(memory):
    fewer = with_quantiles(memory.pipeline, 0.5)
    with memory.owning() as tx:
        assert layout.plan(tx, fewer) == []
        assert "q90" in columns_of(tx, "forecast.demand_history")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p: with_key(p, "article", ColumnType.STRING), "the key was sku text, is article text"),
        (lambda p: with_key(p, "sku", ColumnType.INTEGER), "the key was sku text, is sku bigint"),
        (lambda p: replace(p, forecast=replace(p.forecast, target="more")), "the target was units, is more"),
    ],
)
def test_what_breaks_the_tables_needs_the_next_version(memory, change, found):
    for look in (layout.plan, layout.apply, layout.fits):
        with pytest.raises(TablesDoNotFit, match=f"{found}.*Set version: 2"), memory.owning() as tx:
            look(tx, change(memory.pipeline))


def test_the_next_version_gets_new_tables_behind_the_same_views(memory):
    memory.live_model()
    old = memory.scored_run()
    new = replace(with_key(memory.pipeline, "article", ColumnType.INTEGER), version=2)
    with memory.owning() as tx:
        layout.apply(tx, new)
        assert columns_of(tx, "forecast.demand")[0] == "article"
        assert columns_of(tx, "internal.prediction_demand")[2] == "sku"
    changed = replace(memory, pipeline=new)
    run = changed.scored_run(
        pa.table({**changed.forecast().drop_columns("sku").to_pydict(), "article": [1, 1, 1, 2, 2, 2]}), inputs="new"
    )
    with memory.writing() as tx:
        assert run.tables_version == 2
        assert predictions.of_run(tx, memory.pipeline, old.run_id).num_rows == 6
        assert predictions.of_run(tx, new, run.run_id)["article"].to_pylist() == [1, 1, 1, 2, 2, 2]
    with pytest.raises(TablesDoNotFit, match="has tables of version 2, its spec says 1"), memory.writing() as tx:
        layout.fits(tx, memory.pipeline)


def test_somebody_elses_view_is_not_dropped(memory):
    with memory.owning() as tx:
        execute(tx, "CREATE SCHEMA marts; CREATE VIEW marts.mine AS SELECT sku FROM forecast.demand")
    more = with_quantiles(memory.pipeline, 0.1, 0.5, 0.9, 0.95)
    with pytest.raises(TablesDoNotFit, match=r"marts\.mine depends on view forecast\.demand"), memory.owning() as tx:
        layout.apply(tx, more)
    with memory.owning() as tx:
        assert "q95" not in columns_of(tx, "internal.prediction_demand")


def test_a_change_of_schedule_is_applied_but_stops_no_night(memory):
    later = replace(memory.pipeline, schedule=replace(memory.pipeline.schedule, ready_by=time(7, 30)))
    with memory.owning() as tx:
        assert [c.summary for c in layout.plan(tx, later)] == ["update ready_by of demand in internal.pipeline"]
        layout.fits(tx, later)


def test_a_new_analyst_role_gets_its_rights_by_applying_again(memory):
    with memory.owning() as tx:
        layout.apply(tx, memory.pipeline, analyst_role="nightcast_writer")
        granted = "SELECT has_table_privilege('nightcast_writer', 'forecast.demand', 'SELECT') AS yes"
        assert the_row(tx, granted)["yes"]


def test_quantile_comments_say_that_they_do_not_add_up(memory):
    with memory.owning() as tx:
        query = """
            SELECT c.relname, col_description(c.oid, a.attnum) AS text FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'q90'
            WHERE c.relnamespace = 'forecast'::regnamespace
        """
        found = rows(tx, query)
    assert {each["relname"] for each in found} == {"demand", "demand_history", "demand_vs_actual"}
    assert all("do not add up" in each["text"] for each in found)


@pytest.mark.parametrize(
    "name", ["Demand", "1st", "freshness", "changes", "unpublished", "a_history", "a_v2", "a_2011_10", "x" * 41, 'a"b']
)
def test_names_that_cannot_name_tables_are_refused(pipeline, name):
    with pytest.raises(TablesDoNotFit, match="cannot name tables"):
        tables.of(replace(pipeline, name=name))


@pytest.mark.parametrize("key", ["origin", "mean", "q50", "value"])
def test_keys_with_a_name_of_ours_are_refused(pipeline, key):
    with pytest.raises(TablesDoNotFit, match="give it another in the source"):
        tables.of(with_key(pipeline, key, ColumnType.STRING))


def test_the_longest_name_works_to_the_end(memory):
    longest = replace(memory.pipeline, name="a" * 40, version=12)
    with memory.owning() as tx:
        layout.apply(tx, longest)
        assert predictions.ensure_partition(tx, longest, date(2011, 10, 31))
        made = rows(tx, "SELECT relname FROM pg_class WHERE relname LIKE %(like)s", {"like": "%a\\_v12\\_2011\\_10"})
    assert len(made) == 1


def freshness(memory):
    with memory.reading() as tx:
        return the_row(tx, "SELECT * FROM forecast.freshness")


def test_freshness_expects_the_night_whose_time_has_come(memory):
    now = datetime.now(UTC)
    schedule = replace(memory.pipeline.schedule, timezone="UTC", first_night=now.date() - timedelta(days=5))
    ready = (now - timedelta(minutes=90)).time()
    late = replace(memory.pipeline, schedule=replace(schedule, ready_by=ready))
    with memory.owning() as tx:
        layout.apply(tx, late)
    found = freshness(memory)
    due_today = datetime.combine(now.date(), ready, UTC) <= now  # false in the first 90 minutes of a day
    assert found["expected_origin"] == now.date() - timedelta(days=1 if due_today else 2)
    assert found["last_published_origin"] is None
    first_due = datetime.combine(schedule.first_night + timedelta(days=1), ready, UTC)
    assert abs(found["late_by"] - (now - first_due)) < timedelta(minutes=1)
    with memory.owning() as tx:
        layout.apply(tx, replace(late, schedule=replace(late.schedule, first_night=now.date() + timedelta(days=3))))
    assert (freshness(memory)["expected_origin"], freshness(memory)["late_by"]) == (None, None)
    with memory.owning() as tx:
        layout.apply(tx, replace(late, schedule=replace(late.schedule, cron="0 2 1 * *")))
    assert freshness(memory)["expected_origin"] is None


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 2 * * *", [1, 2, 3, 4, 5, 6, 7]),
        ("0 2 * * 1-5", [1, 2, 3, 4, 5]),
        ("0 2 * * MON,wed,5", [1, 3, 5]),
        ("0 2 * * 0", [7]),
        ("0 2 * * 7", [7]),
        ("0 2 * * 5-7", [5, 6, 7]),
        ("0 2 * * */2", [2, 4, 6, 7]),
        ("0 2 ? * SUN", [7]),
        ("0 2 1 * *", None),
        ("0 2 * 1 *", None),
        ("0 2 * * 1#2", None),
        ("0 2 * * 9", None),
        ("@daily", None),
    ],
)
def test_weekdays_of_a_cron(cron, days):
    assert weekdays(cron) == days
