"""The DAGs that Airflow makes of the teams' folders: parsed by Airflow's own DAG bag, in a process of its own."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestration.conftest import ROOT, environment, run_python

pytestmark = pytest.mark.airflow

NIGHT = {
    "open_run": ["wait_for_source"],
    "wait_for_source": ["extract"],
    "extract": ["validate"],
    "validate": ["predict"],
    "predict": ["audit"],
    "audit": ["publish"],
    "publish": ["monitor_accuracy", "monitor_drift"],
    "monitor_drift": [],
    "monitor_accuracy": [],
}
TRAINING = {"build_training_set": ["train"], "train": ["evaluate"], "evaluate": ["register"], "register": []}
BOTH = {"daily_demand_inference", "daily_demand_retraining"}
DECISIONS = {  # DAG -> its one task, a step
    "nightcast_waive": "waive",
    "nightcast_withdraw": "withdraw",
    "nightcast_accept_level": "accept_level",
    "nightcast_quarantine_replay": "replay",
    "nightcast_quarantine_discard": "discard",
    "nightcast_undo": "undo",
}

HERE = ROOT / "tests/orchestration"
PIPELINES = ROOT / "include/pipelines"
OTHERS = ROOT / "tests/pipelines"
WANTED = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"  # what Airflow sets where it parses a file for one task

Facts = dict[str, Any]


def parsed(home: Path, asked: Facts, seed: int) -> Facts:
    """The facts of each parse that is asked for; one process makes them all."""
    env = environment(home, "sqlite://", ROOT / "dags", PYTHONHASHSEED=str(seed))
    output = run_python([str(HERE / "dag_facts.py")], env, json.dumps(asked, default=str))
    found: Facts = json.loads(output.rpartition("=== facts ===\n")[2])
    return found


@pytest.fixture(scope="module")
def parses(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """The house's own DAG files (first), and others."""
    two, own = two_folders(tmp_path_factory.mktemp("pipelines")), tmp_path_factory.mktemp("own")
    lines = ["# airflow dag", "from nightcast.orchestration import build_dags", "build_dags()"]
    (own / "forecasts.py").write_text("\n".join(lines))
    base = {"dags": ROOT / "dags", "NIGHTCAST_PIPELINES": PIPELINES}
    asked = {
        "house": base,
        "served": base | {"NIGHTCAST_RUNBOOKS_URL": "https://wiki.example/runbooks/"},
        "moved": base | {"NIGHTCAST_FIRST_NIGHT_DAILY_DEMAND": "2026-11-16"},
        "one_bad": base | {"NIGHTCAST_PIPELINES": two},
        "task": base | {"NIGHTCAST_PIPELINES": two, WANTED: "good_inference"},
        "bad_task": base | {"NIGHTCAST_PIPELINES": two, WANTED: "bad_retraining"},
        "decision": base | {WANTED: "nightcast_undo"},
        "own": base | {"dags": own},
        "others": base | {"NIGHTCAST_PIPELINES": OTHERS},
        "nowhere": base | {"NIGHTCAST_PIPELINES": own / "nowhere"},
    }
    return parsed(tmp_path_factory.mktemp("parse"), asked, seed=1)


@pytest.fixture(scope="module")
def house(parses: Facts) -> Facts:
    """The house's own DAGs."""
    found: Facts = parses["house"]
    return found


def two_folders(top: Path) -> Path:
    """Pipelines `good`, and `bad` with a key that nobody knows."""
    for name in ("good", "bad"):
        shutil.copytree(PIPELINES / "daily_demand", top / name)
    spec = top / "bad" / "pipeline.yaml"
    spec.write_text(spec.read_text().replace("owner:", "ownr:"))
    return top


def test_every_file_parses(house: Facts) -> None:
    assert house["import_errors"] == {}
    assert house["dags"].keys() == BOTH | DECISIONS.keys()


def test_parsing_loads_no_heavy_library(house: Facts) -> None:
    assert house["heavy"] == []


def test_the_graph_is_the_picture_of_a_night(house: Facts) -> None:
    dags = house["dags"]
    assert {t: f["downstream"] for t, f in dags["daily_demand_inference"]["tasks"].items()} == NIGHT
    assert {t: f["downstream"] for t, f in dags["daily_demand_retraining"]["tasks"].items()} == TRAINING


def test_task_ids_are_step_modules(house: Facts) -> None:
    for task in {task for dag in house["dags"].values() for task in dag["tasks"]}:
        module = ast.parse((ROOT / "include/nightcast/steps" / f"{task}.py").read_text())
        assert "run" in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_keys_are_origins_from_the_first_night_on_also_when_the_clocks_change(house: Facts) -> None:
    found = house["dags"]["daily_demand_inference"]["nights"]
    assert [key for _, key in found] == [f"2011-10-{day}" for day in range(24, 32)]
    assert found[0][0] == "2011-10-25T01:00:00+00:00"  # 02:00 in London, summer time
    assert found[-1][0] == "2011-11-01T02:00:00+00:00"


def test_nights_are_caught_up_one_at_a_time(house: Facts) -> None:
    dag = house["dags"]["daily_demand_inference"]
    assert dag["catchup"] is True
    assert dag["max_active_runs"] == 1
    assert dag["paused"] is True
    assert not any(task["depends_on_past"] for task in dag["tasks"].values())


def test_retraining_waits_for_somebody(house: Facts) -> None:
    dag = house["dags"]["daily_demand_retraining"]
    assert dag["nights"] == []
    assert dag["serialized"]["timetable"]["__type"].endswith("NullTimetable")


def test_owner_and_tags_are_the_teams(house: Facts) -> None:
    for dag_id in BOTH:
        dag = house["dags"][dag_id]
        assert {task["owner"] for task in dag["tasks"].values()} == {"demand-planning"}
        assert set(dag["tags"]) == {"nightcast", "demand", dag_id.removeprefix("daily_demand_")}


def test_every_task_is_retried_by_the_tree_of_errors(house: Facts) -> None:
    for dag in house["dags"].values():
        for task in dag["tasks"].values():
            assert task["retries"] == 3
            assert (task["backoff"], task["longest_delay"]) == (2, 600)
            assert task["timeout"] > 0
            assert task["policy"] == [["nightcast.errors.Permanent", "fail"], ["nightcast.errors.Transient", "retry"]]


def test_only_the_monitors_do_not_count_for_the_run(house: Facts) -> None:
    tasks = house["dags"]["daily_demand_inference"]["tasks"]
    assert {name for name, task in tasks.items() if not task["counts"]} == {"monitor_drift", "monitor_accuracy"}
    assert tasks["wait_for_source"]["mode"] == "reschedule"
    assert tasks["publish"]["outlets"] == ["nightcast://forecast/daily_demand"]


def test_params_are_typed(house: Facts) -> None:
    night = house["dags"]["daily_demand_inference"]["params"]
    assert night["mode"]["schema"]["enum"] == ["known_then", "known_now"]
    assert night["reason"]["schema"]["type"] == "string"
    training = house["dags"]["daily_demand_retraining"]["params"]
    assert training["trained_through"]["schema"] | {"title": ""} == {
        "type": ["null", "string"],
        "format": "date",
        "title": "",
    }


def test_decisions_are_forms_that_do_nothing_unless_asked(house: Facts) -> None:
    for dag_id, step in DECISIONS.items():
        dag = house["dags"][dag_id]
        assert dag["tasks"].keys() == {step}
        assert (dag["paused"], dag["nights"], dag["max_active_runs"]) == (False, [], 1)
        params = dag["params"]
        assert list(params)[-2:] == ["reason", "dry_run"]
        assert params["dry_run"]["value"] is True
        assert params["reason"]["schema"] == {"type": "string", "minLength": 1, "maxLength": 500}
        assert all(param["description"] for param in params.values())
    assert house["dags"]["nightcast_accept_level"]["params"]["pipeline"]["schema"]["enum"] == ["daily_demand"]
    assert house["dags"]["nightcast_waive"]["params"]["run_id"]["schema"]["type"] == "integer"
    assert house["dags"]["nightcast_accept_level"]["params"]["since"]["schema"]["format"] == "date"


def test_a_decision_parses_its_own_dag_only(parses: Facts) -> None:
    assert parses["decision"]["dags"].keys() == {"nightcast_undo"}
    assert parses["decision"]["import_errors"] == {}


def test_the_texts_name_runbooks_that_exist(house: Facts) -> None:
    texts = [t["doc_md"] for dag in house["dags"].values() for t in [dag, *dag["tasks"].values()]]
    named = {word.strip("`().,") for text in texts for word in text.split() if "docs/runbooks/" in word}
    assert len(named) > 10
    assert [page for page in named if not (ROOT / page).exists()] == []


def test_the_same_folder_gives_the_same_dag_in_every_process(house: Facts, tmp_path: Path) -> None:
    asked = {"again": {"dags": ROOT / "dags", "NIGHTCAST_PIPELINES": PIPELINES}}
    again = parsed(tmp_path, asked, seed=2)["again"]
    for dag_id in BOTH:
        assert again["dags"][dag_id]["serialized"] == house["dags"][dag_id]["serialized"]


def test_runbooks_are_links_where_they_are_served(parses: Facts) -> None:
    text = parses["served"]["dags"]["daily_demand_inference"]["doc_md"]
    assert "[NightStopped](https://wiki.example/runbooks/night-stopped.md)" in text


def test_the_demo_may_start_on_another_date(parses: Facts) -> None:
    moved = parses["moved"]["dags"]["daily_demand_inference"]
    assert moved["nights"][0] == ["2026-11-17T02:00:00+00:00", "2026-11-16"]
    assert "2026" not in moved["doc_md"], "texts come from the spec alone"


def test_a_bad_spec_stops_only_itself_and_is_seen_in_airflow(parses: Facts) -> None:
    found = parses["one_bad"]
    assert found["dags"].keys() == {"good_inference", "good_retraining"} | DECISIONS.keys()
    assert [Path(file).name for file in found["import_errors"]] == ["invalid_specs.py"]
    (message,) = found["import_errors"].values()
    assert "bad/pipeline.yaml:" in message
    assert "ownr" in message
    assert "good/" not in message


def test_a_task_parses_its_own_dag_only(parses: Facts) -> None:
    assert parses["task"]["dags"].keys() == {"good_inference"}
    assert parses["task"]["import_errors"] == {}


def test_a_task_whose_spec_went_bad_says_so(parses: Facts) -> None:
    found = parses["bad_task"]
    assert found["dags"] == {}
    assert [Path(file).name for file in found["import_errors"]] == ["retraining.py"]
    assert "ownr" in str(found["import_errors"])


def test_three_lines_in_a_teams_own_project_are_enough(parses: Facts) -> None:
    found = parses["own"]["dags"]
    assert found.keys() == BOTH | DECISIONS.keys()
    assert {Path(dag["fileloc"]).name for dag in found.values()} == {"forecasts.py"}


def test_other_pipelines_have_their_own_dags(parses: Facts) -> None:
    found = parses["others"]
    assert found["import_errors"] == {}
    names = {"bike_rides": "rebalancing", "meter_load": "grid-operations", "parcel_rounds": "dispatch"}
    assert found["dags"].keys() - DECISIONS.keys() == {
        f"{n}_{kind}" for n in names for kind in ("inference", "retraining")
    }
    for name, owner in names.items():
        night, training = (found["dags"][f"{name}_{kind}"] for kind in ("inference", "retraining"))
        assert {t: f["downstream"] for t, f in night["tasks"].items()} == NIGHT
        assert {t: f["downstream"] for t, f in training["tasks"].items()} == TRAINING
        assert {task["owner"] for task in night["tasks"].values()} == {owner}
        assert night["tasks"]["publish"]["outlets"] == [f"nightcast://forecast/{name}"]
        assert night["nights"][0][1] == "2024-06-16"
    text = found["dags"]["bike_rides_inference"]["doc_md"]
    assert "| Forecast | `trips` per `station`, `direction` and open day, 7 days ahead |" in text
    assert "`meters`, files `readings/day={day}/*.parquet`, waited" in found["dags"]["meter_load_inference"]["doc_md"]


def test_a_missing_folder_of_pipelines_is_an_import_error(parses: Facts) -> None:
    assert parses["nowhere"]["dags"] == {}
    assert len(parses["nowhere"]["import_errors"]) == 4
