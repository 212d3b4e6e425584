"""What becomes of a night in Airflow when something goes wrong. Real scheduling rules, stand-ins for the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]

ORIGIN = "2011-11-01"
SCENARIOS: dict[str, dict[str, Any]] = {
    "well": {
        "partition_key": ORIGIN,
        "steps": {"extract": ["SourceUnavailable"], "predict[1]": ["RuntimeError"], "wait_for_source": ["wait"]},
        "conf": {"mode": "known_now", "reason": "restated prices"},
    },
    "stopped": {"steps": {"validate": ["NightStopped"]}},
    "never_opened": {"steps": {"open_run": ["NoLiveModel"]}},
    "monitor_broken": {"steps": {"monitor_drift": ["LakeObjectMissing"]}},
    "too_old": {"steps": {"open_run": ["too_old"]}},
    "unchanged": {"steps": {s: ["unchanged"] for s in ("validate", "monitor_drift", "monitor_accuracy")}},
    "superseded": {"steps": {"publish": ["superseded"]}},
    "lost_after_publishing": {"partition_key": ORIGIN, "steps": {"publish": ["RuntimeError", "published"]}},
    "exhausted": {"steps": {"publish": ["StoreUnavailable"] * 9}},
    "resharded": {"shards": 5},
    "overtaken": {"steps": {"audit": ["Fenced"]}},
    "trained": {"dag": "retraining", "conf": {"reason": "first model", "trained_through": ORIGIN}},
    "untrainable": {"dag": "retraining", "steps": {"train": ["TrainingImpossible"]}},
}


@pytest.fixture(scope="module")
def ended(night_runs: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """How every scenario ended; one process runs them all."""
    return night_runs(SCENARIOS)


def states(outcome: dict[str, Any]) -> dict[str, str]:
    return {task: found["state"] for task, found in outcome["tasks"].items()}


def in_state(outcome: dict[str, Any], state: str) -> set[str]:
    return {task for task, found in states(outcome).items() if found == state}


def recorded(outcome: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(c["recorded"], c["error"], c["final"]) for c in outcome["calls"] if "recorded" in c]


def test_a_good_night_ends_well_after_retries(ended: dict[str, Any]) -> None:
    night = ended["well"]
    assert night["state"] == "success"
    assert set(states(night).values()) == {"success"}
    assert night["tasks"]["extract"]["tries"] == 2
    assert night["tasks"]["predict[1]"]["tries"] == 2
    assert night["tasks"]["predict[0]"]["tries"] == 1
    assert night["tasks"]["wait_for_source"]["tries"] == 1, "waiting is not a retry"
    assert [c["step"] for c in night["calls"] if c.get("step") == "wait_for_source"] == ["wait_for_source"] * 2
    assert recorded(night) == [("extract", "SourceUnavailable", False), ("predict", "RuntimeError", False)]


def test_the_first_task_is_told_the_partition_key_and_the_mode(ended: dict[str, Any]) -> None:
    request = next(c["subject"] for c in ended["well"]["calls"] if c.get("step") == "open_run")
    assert request.pop("scheduler_run_id").startswith("manual__")
    asked = {"pipeline": "toy", "partition_key": ORIGIN, "mode": "known_now", "scheduled": False}
    assert request == asked


def test_a_run_without_a_key_is_not_given_one(ended: dict[str, Any]) -> None:
    request = next(c["subject"] for c in ended["stopped"]["calls"] if c.get("step") == "open_run")
    assert request["partition_key"] is None
    assert request["mode"] is None


def test_every_later_step_works_on_what_open_run_handed_on(ended: dict[str, Any]) -> None:
    later = [c["subject"] for c in ended["well"]["calls"] if c.get("step", "open_run") != "open_run"]
    assert len(later) == 12
    assert {(s["run_id"], s["origin"]) for s in later} == {(7, ORIGIN)}


def test_shards_are_named_in_the_grid(ended: dict[str, Any]) -> None:
    assert ended["well"]["tasks"]["predict[1]"]["label"] == "shard 1"


def test_publishing_emits_the_partitioned_asset_once(ended: dict[str, Any]) -> None:
    extra = {"pipeline": "toy", "origin": ORIGIN, "revision": 3, "run": 7}
    assert ended["well"]["events"] == [{"extra": extra, "partition_key": ORIGIN}]


def test_a_stopped_night_is_red_where_it_was_judged_and_still_monitored(ended: dict[str, Any]) -> None:
    night = ended["stopped"]
    assert night["state"] == "failed"
    assert in_state(night, "failed") == {"validate"}
    assert night["tasks"]["validate"]["tries"] == 1, "a permanent error is not retried"
    assert in_state(night, "upstream_failed") == {"predict[0]", "predict[1]", "audit", "publish"}
    assert {"monitor_drift", "monitor_accuracy"} <= in_state(night, "success")
    assert recorded(night) == [("validate", "NightStopped", True)]
    assert night["events"] == []


def test_a_night_that_was_never_opened_has_nothing_to_monitor(ended: dict[str, Any]) -> None:
    night = ended["never_opened"]
    assert night["state"] == "failed"
    assert in_state(night, "failed") == {"open_run"}
    assert in_state(night, "skipped") == {"monitor_drift", "monitor_accuracy"}
    (failure,) = [c for c in night["calls"] if "recorded" in c]
    assert failure["subject"]["pipeline"] == "toy", "without ids, the request is what is recorded"


def test_a_failed_monitor_is_red_and_takes_nothing_back(ended: dict[str, Any]) -> None:
    night = ended["monitor_broken"]
    assert night["state"] == "success"
    assert in_state(night, "failed") == {"monitor_drift"}
    assert {"publish", "monitor_accuracy"} <= in_state(night, "success")
    assert len(night["events"]) == 1
    assert recorded(night) == [("monitor_drift", "LakeObjectMissing", True)]


@pytest.mark.parametrize(("name", "first"), [("too_old", "open_run"), ("unchanged", "validate")])
def test_a_night_that_is_over_skips_the_rest_and_is_green(ended: dict[str, Any], name: str, first: str) -> None:
    night = ended[name]
    assert night["state"] == "success"
    assert in_state(night, "failed") | in_state(night, "upstream_failed") == set()
    assert {first, "audit", "publish", "monitor_drift", "monitor_accuracy"} <= in_state(night, "skipped")
    assert night["events"] == []
    assert recorded(night) == []


def test_a_superseded_night_tells_nobody(ended: dict[str, Any]) -> None:
    night = ended["superseded"]
    assert night["state"] == "success"
    assert in_state(night, "skipped") == {"publish"}
    assert {"monitor_drift", "monitor_accuracy"} <= in_state(night, "success")
    assert night["events"] == []


def test_consumers_are_told_though_the_try_that_published_was_lost(ended: dict[str, Any]) -> None:
    night = ended["lost_after_publishing"]
    assert night["state"] == "success"
    assert states(night)["publish"] == "success"
    assert [e["partition_key"] for e in night["events"]] == [ORIGIN]


def test_a_transient_error_is_retried_to_the_end_and_then_final(ended: dict[str, Any]) -> None:
    night = ended["exhausted"]
    assert night["state"] == "failed"
    assert night["tasks"]["publish"]["tries"] == 4
    assert [final for _, _, final in recorded(night)] == [False, False, False, True]
    assert {"monitor_drift", "monitor_accuracy"} <= in_state(night, "success")


def test_a_night_opened_with_another_number_of_shards_is_refused(ended: dict[str, Any]) -> None:
    night = ended["resharded"]
    assert in_state(night, "failed") == {"predict[0]", "predict[1]"}
    assert {error for _, error, _ in recorded(night)} == {"NightRefused"}


def test_an_overtaken_attempt_says_nothing_about_the_run(ended: dict[str, Any]) -> None:
    assert in_state(ended["overtaken"], "failed") == {"audit"}
    assert recorded(ended["overtaken"]) == []


def test_training_hands_on_from_step_to_step(ended: dict[str, Any]) -> None:
    training = ended["trained"]
    assert training["state"] == "success"
    assert [c["step"] for c in training["calls"]] == ["build_training_set", "train", "evaluate", "register"]
    request = training["calls"][0]["subject"]
    assert request.pop("scheduler_run_id")
    assert request == {"pipeline": "toy", "trained_through": ORIGIN, "reason": "first model"}


def test_training_that_cannot_be_done_fails_at_once(ended: dict[str, Any]) -> None:
    training = ended["untrainable"]
    assert training["state"] == "failed"
    assert in_state(training, "failed") == {"train"}
    assert training["tasks"]["train"]["tries"] == 1
    assert recorded(training) == [("train", "TrainingImpossible", True)]
