"""Each firing of a schedule asks for the day before it, over clock changes and where it does not fire every day."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.conftest import HERE, environment, run_python

pytestmark = pytest.mark.airflow

SCHEDULES: list[tuple[str, str, list[tuple[str, str]]]] = [  # cron, zone, [(fires, origin), …]
    ("0 2 * * *", "Europe/London", [
        ("2010-03-27 02:00:00+00:00", "2010-03-26"), ("2010-03-28 02:00:00+01:00", "2010-03-27"),
        ("2010-03-29 02:00:00+01:00", "2010-03-28"),
    ]),
    ("30 1 * * *", "Europe/London", [  # there is no 01:30 on the 27th
        ("2011-03-26 01:30:00+00:00", "2011-03-25"), ("2011-03-27 02:30:00+01:00", "2011-03-26"),
        ("2011-03-28 01:30:00+01:00", "2011-03-27"), ("2011-03-29 01:30:00+01:00", "2011-03-28"),
    ]),
    ("30 1 * * *", "Europe/London", [  # 01:30 comes twice on the 31st
        ("2010-10-30 01:30:00+01:00", "2010-10-29"), ("2010-10-31 01:30:00+00:00", "2010-10-30"),
        ("2010-11-01 01:30:00+00:00", "2010-10-31"),
    ]),
    ("0 2 * * *", "Europe/London", [
        ("2011-10-29 02:00:00+01:00", "2011-10-28"), ("2011-10-30 02:00:00+00:00", "2011-10-29"),
        ("2011-10-31 02:00:00+00:00", "2011-10-30"),
    ]),
    ("0 2 * * *", "America/New_York", [  # there is no 02:00 on the 13th
        ("2011-03-12 02:00:00-05:00", "2011-03-11"), ("2011-03-13 03:00:00-04:00", "2011-03-12"),
        ("2011-03-14 02:00:00-04:00", "2011-03-13"),
    ]),
    ("0 2 * * *", "Pacific/Auckland", [
        ("2012-02-29 02:00:00+13:00", "2012-02-28"), ("2012-03-01 02:00:00+13:00", "2012-02-29"),
    ]),
    ("0 2 * * 2-6", "Europe/London", [  # Tuesday to Saturday: the nights of Monday to Friday
        ("2011-10-28 02:00:00+01:00", "2011-10-27"), ("2011-10-29 02:00:00+01:00", "2011-10-28"),
        ("2011-11-01 02:00:00+00:00", "2011-10-31"),
    ]),
    ("0 2 * * 1", "Europe/London", [
        ("2011-12-26 02:00:00+00:00", "2011-12-25"), ("2012-01-02 02:00:00+00:00", "2012-01-01"),
    ]),
]  # fmt: skip


@pytest.fixture(scope="module")
def asked_for(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    home = tmp_path_factory.mktemp("firings")
    asked = [
        {"cron": cron, "timezone": zone, "first": wanted[0][1], "count": len(wanted)}
        for cron, zone, wanted in SCHEDULES
    ]
    env = environment(home, f"sqlite:///{home}/none.db", home)
    found: list[list[dict[str, Any]]] = json.loads(
        run_python([str(HERE / "firings.py")], env, json.dumps(asked)).rpartition("=== origins ===\n")[2]
    )
    return found


@pytest.mark.parametrize("number", range(len(SCHEDULES)), ids=lambda n: f"{SCHEDULES[n][1]} {SCHEDULES[n][2][0][1]}")
def test_a_firing_asks_for_the_day_before_it(number: int, asked_for: list[list[dict[str, Any]]]) -> None:
    assert [(f["fires"], f["origin"]) for f in asked_for[number]] == SCHEDULES[number][2]
