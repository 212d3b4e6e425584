"""What differs between two inputs, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from nightcast.domain.changes import Inputs, changed_days, changes
from nightcast.domain.manifest import CalendarDay, Manifest, PanelDay
from nightcast.domain.night import DayState

pytestmark = pytest.mark.unit

FIRST, ORIGIN = date(2011, 10, 20), date(2011, 10, 30)
DAYS = [FIRST + timedelta(days=n) for n in range(11)]
THEN = Manifest(
    pipeline="demand",
    origin=ORIGIN,
    days=tuple(PanelDay(day=d, state=DayState.ACCEPTED, panel=f"{d}", panel_object="one") for d in DAYS),
    calendar=tuple(CalendarDay(day=d, open=True, columns={"promotion": 0.0}) for d in DAYS),
)
INPUTS = Inputs(manifest=THEN, model_version=1, files={"pipeline.yaml": "a", "extract.sql": "b"})


def other(day: date, **values: Any) -> Manifest:
    return replace(THEN, days=tuple(replace(d, **values) if d.day == day else d for d in THEN.days))


def test_equal_inputs_differ_in_nothing_however_files_hold_them() -> None:
    moved = replace(THEN, days=tuple(replace(d, panel_object="another", content="c") for d in THEN.days))
    found = changes(INPUTS, replace(INPUTS, manifest=moved))
    assert (found.words, found.days, found.calendar, found.model, found.files) == ("", {}, (), None, ())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"panel": "other"}, "restated"),
        ({"totals": {"units": 7}}, "restated"),
        ({"state": DayState.MISSING, "panel": None}, "missing now"),
        ({"state": DayState.CLOSED, "panel": None}, "closed now"),
    ],
)
def test_a_day_says_what_became_of_it(values: dict[str, Any], said: str) -> None:
    assert changed_days(THEN, other(DAYS[3], **values)) == {DAYS[3]: said}


def test_a_day_that_came_or_went() -> None:
    shorter = replace(THEN, days=THEN.days[1:])
    assert changed_days(shorter, THEN) == {FIRST: "imported since"}
    assert changed_days(THEN, shorter) == {FIRST: "no longer part of the history"}
    assert changed_days(other(DAYS[2], state=DayState.MISSING), THEN) == {DAYS[2]: "accepted since"}


def test_a_calendar_that_reaches_further_is_another_one_and_a_longer_history_is_not() -> None:
    longer = replace(THEN, calendar=(*THEN.calendar, CalendarDay(day=date(2011, 10, 31), open=True, columns={})))
    assert changes(INPUTS, replace(INPUTS, manifest=longer)).words == "calendar of 2011-10-31"
    shorter = replace(THEN, days=THEN.days[1:], calendar=THEN.calendar[1:])
    assert changes(replace(INPUTS, manifest=shorter), INPUTS).words == "data of 2011-10-20 imported since"


def test_all_causes_stand_in_one_line_and_long_lists_are_counted() -> None:
    days = tuple(replace(d, panel="other") if d.day < DAYS[8] else d for d in THEN.days)
    shut = tuple(replace(c, open=False) if c.day == DAYS[9] else c for c in THEN.calendar)
    now = Inputs(
        manifest=replace(THEN, days=days, calendar=shut),
        model_version=3,
        files={"pipeline.yaml": "z", "calendar.sql": "new", "extract.sql": "b"},
    )
    assert changes(INPUTS, now).words == (
        "data of 2011-10-20, 2011-10-21, 2011-10-22, 2011-10-23, 2011-10-24 and 3 more days restated; "
        "calendar of 2011-10-29; model v3 in the place of v1; calendar.sql, pipeline.yaml edited"
    )
    assert changes(INPUTS, now).data
    assert not changes(INPUTS, replace(INPUTS, model_version=2)).data
