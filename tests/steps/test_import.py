"""The history before the first night: taken in once, whatever happens on the way."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median
from typing import Any

import pytest

from nightcast.domain.night import RunKind, RunState
from nightcast.errors import NightStopped
from nightcast.steps import import_history
from nightcast.store import intake
from steps.world import EARLY, FIRST_DAY, PIPELINE, TRAINED_THROUGH, World, changed, clock_of

pytestmark = pytest.mark.postgres

FIRST, LAST = EARLY + timedelta(days=12), date(2011, 1, 12)  # over Christmas, and into another month
DAYS = {"pipeline": PIPELINE, "first": FIRST.isoformat(), "last": LAST.isoformat()}
WHAT = (
    "event_day, state, content_digest, panel_digest, profile_object, pulled, accepted, quarantined, duplicates, totals"
)
COUNTS = ("pulled", "accepted", "quarantined", "duplicates")


def test_nothing_is_lost_and_nothing_is_invented(imported: World) -> None:
    for first, last in ((FIRST_DAY, EARLY), (EARLY + timedelta(days=1), TRAINED_THROUGH)):
        (run,) = imported.as_writer(f"SELECT * FROM internal.run WHERE kind = 'import' AND origin = '{last}'")
        where = f"sold_at >= '{first}' AND sold_at < '{last + timedelta(days=1)}'"
        ((pulled,),) = imported.retail.query(f"SELECT count(*) FROM sales_line WHERE {where}")
        ((again,),) = imported.retail.query(
            "SELECT count(*) FROM sales_line l JOIN (SELECT invoice, sold_at::date AS day FROM sales_line"
            f" WHERE {where} GROUP BY 1, 2 HAVING count(DISTINCT delivery) > 1) AS d"
            " ON d.invoice = l.invoice AND d.day = l.sold_at::date WHERE l.delivery = 1"
        )
        assert (run["state"], run["pulled"], run["duplicates"]) == ("done", pulled, again)
        assert run["pulled"] == run["accepted"] + run["quarantined"] + run["duplicates"]
        sums = ", ".join(f"sum({c})::int AS {c}" for c in COUNTS)
        (summed,) = imported.as_writer(f"SELECT {sums} FROM internal.intake WHERE run_id = {run['run_id']}")
        assert summed == {c: run[c] for c in COUNTS}
    days = imported.as_writer("SELECT count(*)::int AS n, count(DISTINCT event_day)::int AS d FROM internal.intake")
    assert days == [{"n": (TRAINED_THROUGH - FIRST_DAY).days + 1, "d": (TRAINED_THROUGH - FIRST_DAY).days + 1}]


def test_limits_only_warn(imported: World) -> None:
    found = imported.as_writer(
        "SELECT check_id, state, count(*)::int AS n FROM internal.check_result GROUP BY 1, 2 ORDER BY 1, 2"
    )
    states = {(f["check_id"], f["state"]): f["n"] for f in found}
    assert {state for _, state in states} <= {"pass", "warn", "quarantine"}
    assert states["duplicates", "warn"] == 8  # the days of the double load on which the shop was open


def test_drift_of_imported_days_is_measured_across_two_imports(imported: World) -> None:
    """The second import's first days are compared with days of the first."""
    monday = EARLY + timedelta(days=1)
    (score,) = imported.as_writer(
        f"SELECT * FROM internal.drift_score WHERE origin = '{monday}' AND column_name = 'price' AND statistic = 'psi'"
    )
    twins = ", ".join(f"'{monday - timedelta(weeks=w)}'" for w in range(1, 9))
    (reference,) = imported.as_writer(
        f"SELECT sum(accepted)::int AS n FROM internal.intake WHERE event_day IN ({twins})"
    )
    assert score["n_reference"] == reference["n"] > 0
    assert score["rank"] is None


def run_import(world: World, progress: Any = lambda _: None) -> dict[str, Any]:
    return import_history.run(DAYS, world.rooms, clock_of(LAST), progress)


def test_an_interrupted_import_goes_on_where_it_was(early: World, copy: Any) -> None:
    whole, halved = copy(early), copy(early)
    run_import(whole)

    def interrupt(told: str) -> None:
        if told.startswith("2010-12"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_import(halved, interrupt)
    broken = halved.last_run(RunKind.IMPORT)
    assert (broken.state, broken.reason) == (RunState.FAILED, "import: KeyboardInterrupt: ")
    done = run_import(halved)
    assert done["days"] == LAST.day
    query = f"SELECT {WHAT} FROM internal.intake WHERE event_day >= '{FIRST}' ORDER BY event_day, revision"
    assert halved.as_writer(query) == whole.as_writer(query)
    what = "origin, reference, kind, column_name, slice, statistic, value"
    drift = f"SELECT {what} FROM internal.drift_score WHERE origin >= '{FIRST}'"
    ordered = drift + " ORDER BY 1, 2, 3, 4, 5, 6"
    assert halved.as_writer(ordered) == whole.as_writer(ordered)
    checks = f"SELECT check_id, scope, state, observed, limit_text FROM internal.check_result WHERE scope >= '{FIRST}'"
    signals = checks + " AND length(scope) = 10 ORDER BY 1, 2"
    assert halved.as_writer(signals) == whole.as_writer(signals)


def test_importing_again_changes_nothing_of_what_is_known(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    run_import(world)
    before = world.fingerprint()
    done = run_import(world)
    assert {name: done[name] for name in ("days", *COUNTS)} == dict.fromkeys(("days", *COUNTS), 0)
    after = world.fingerprint()
    assert {name for name in before if before[name] != after[name]} == {"run", "drift_score"}  # its own run, and ranks


def test_a_broken_contract_stops_the_import_and_keeps_what_was_found(early: World, copy: Any) -> None:
    world: World = copy(early)
    broken = f"UPDATE raw_line SET invoice = invoice || 'X' WHERE sold_at::date = '{LAST}'"
    mended = f"UPDATE raw_line SET invoice = rtrim(invoice, 'X') WHERE sold_at::date = '{LAST}'"
    with changed(world.retail, broken, mended), pytest.raises(NightStopped, match="stopped at 2011-01: invoice_format"):
        run_import(world)
    run = world.last_run(RunKind.IMPORT)
    assert (run.state, str(run.reason).split(":")[0]) == (RunState.STOPPED, "2011-01")
    with world.writing() as tx:
        known = intake.newest(tx, PIPELINE, FIRST, LAST)
    assert max(known) == date(2010, 12, 31)  # the month before is kept
    (found,) = world.as_writer(
        f"SELECT state, bad_rows FROM internal.check_result WHERE run_id = {run.run_id} AND check_id = 'invoice_format'"
        " AND scope = '2011-01'"
    )
    assert found["state"] == "fail"
    assert found["bad_rows"] > 0
    assert run_import(world)["days"] == LAST.day  # mended, it goes on


def test_volumes_are_compared_with_what_an_earlier_import_knows(imported: World) -> None:
    monday = EARLY + timedelta(days=1)
    twins = ", ".join(f"'{monday - timedelta(weeks=w)}'" for w in range(1, 5))
    past = imported.as_writer(f"SELECT (signals->>'rows')::int AS n FROM internal.intake WHERE event_day IN ({twins})")
    usual = median(p["n"] for p in past)
    (found,) = imported.as_writer(
        f"SELECT limit_text FROM internal.check_result WHERE check_id = 'rows_unusual' AND scope = '{monday}'"
    )
    assert found["limit_text"] == f"min_value {round(0.5 * usual)}, max_value {round(2 * usual)}"
