"""The DAGs that Airflow makes of the teams' folders: parsed by Airflow's own DAG bag, in a process of its own."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.conftest import HERE, ROOT, environment, run_python

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

Parse = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Parse:
    """A function that parses a DAG folder in a new process."""

    def run(dags: Path = ROOT / "dags", pipelines: Path = ROOT / "include/pipelines", **more: str) -> dict[str, Any]:
        env = environment(
            tmp_path_factory.mktemp("parse"), "sqlite://", dags, NIGHTCAST_PIPELINES=str(pipelines), **more
        )
        found: dict[str, Any] = json.loads(
            run_python([str(HERE / "dag_facts.py")], env).rpartition("=== facts ===\n")[2]
        )
        return found

    return run


@pytest.fixture(scope="module")
def house(parse: Parse) -> dict[str, Any]:
    """The house's own DAGs."""
    return parse(PYTHONHASHSEED="1")


@pytest.fixture(scope="module")
def two_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines `good`, and `bad` with a key that nobody knows."""
    top = tmp_path_factory.mktemp("pipelines")
    for name in ("good", "bad"):
        shutil.copytree(ROOT / "include/pipelines/daily_demand", top / name)
    spec = top / "bad" / "pipeline.yaml"
    spec.write_text(spec.read_text().replace("owner:", "ownr:"))
    return top


def test_every_file_parses(house: dict[str, Any]) -> None:
    assert house["import_errors"] == {}
    assert house["dags"].keys() == BOTH


def test_parsing_loads_no_heavy_library(house: dict[str, Any]) -> None:
    assert house["heavy"] == []


def test_the_graph_is_the_picture_of_a_night(house: dict[str, Any]) -> None:
    dags = house["dags"]
    assert {t: f["downstream"] for t, f in dags["daily_demand_inference"]["tasks"].items()} == NIGHT
    assert {t: f["downstream"] for t, f in dags["daily_demand_retraining"]["tasks"].items()} == TRAINING


def test_task_ids_are_step_modules(house: dict[str, Any]) -> None:
    for task in {task for dag in house["dags"].values() for task in dag["tasks"]}:
        module = ast.parse((ROOT / "include/nightcast/steps" / f"{task}.py").read_text())
        assert "run" in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_keys_are_origins_from_the_first_night_on_also_when_the_clocks_change(house: dict[str, Any]) -> None:
    found = house["dags"]["daily_demand_inference"]["nights"]
    assert [key for _, key in found] == [f"2011-10-{day}" for day in range(24, 32)]
    assert found[0][0] == "2011-10-25T01:00:00+00:00"  # 02:00 in London, summer time
    assert found[-1][0] == "2011-11-01T02:00:00+00:00"


def test_nights_are_caught_up_one_at_a_time(house: dict[str, Any]) -> None:
    dag = house["dags"]["daily_demand_inference"]
    assert dag["catchup"] is True
    assert dag["max_active_runs"] == 1
    assert dag["paused"] is True
    assert not any(task["depends_on_past"] for task in dag["tasks"].values())


def test_retraining_waits_for_somebody(house: dict[str, Any]) -> None:
    dag = house["dags"]["daily_demand_retraining"]
    assert dag["nights"] == []
    assert dag["serialized"]["timetable"]["__type"].endswith("NullTimetable")


def test_owner_and_tags_are_the_teams(house: dict[str, Any]) -> None:
    for dag_id, dag in house["dags"].items():
        assert {task["owner"] for task in dag["tasks"].values()} == {"demand-planning"}
        assert set(dag["tags"]) == {"nightcast", "demand", dag_id.removeprefix("daily_demand_")}


def test_every_task_is_retried_by_the_tree_of_errors(house: dict[str, Any]) -> None:
    for dag in house["dags"].values():
        for task in dag["tasks"].values():
            assert task["retries"] == 3
            assert (task["backoff"], task["longest_delay"]) == (2, 600)
            assert task["timeout"] > 0
            assert task["policy"] == [["nightcast.errors.Permanent", "fail"], ["nightcast.errors.Transient", "retry"]]


def test_only_the_monitors_do_not_count_for_the_run(house: dict[str, Any]) -> None:
    tasks = house["dags"]["daily_demand_inference"]["tasks"]
    assert {name for name, task in tasks.items() if not task["counts"]} == {"monitor_drift", "monitor_accuracy"}
    assert tasks["wait_for_source"]["mode"] == "reschedule"
    assert tasks["publish"]["outlets"] == ["nightcast://forecast/daily_demand"]


def test_params_are_typed(house: dict[str, Any]) -> None:
    night = house["dags"]["daily_demand_inference"]["params"]
    assert night["mode"]["schema"]["enum"] == ["known_then", "known_now"]
    assert night["reason"]["schema"]["type"] == "string"
    training = house["dags"]["daily_demand_retraining"]["params"]
    assert training["trained_through"]["schema"] | {"title": ""} == {
        "type": ["null", "string"],
        "format": "date",
        "title": "",
    }


def test_the_texts_name_runbooks_that_exist(house: dict[str, Any]) -> None:
    texts = [t["doc_md"] for dag in house["dags"].values() for t in [dag, *dag["tasks"].values()]]
    named = {word.strip("`().,") for text in texts for word in text.split() if "docs/runbooks/" in word}
    assert len(named) > 10
    assert [page for page in named if not (ROOT / page).exists()] == []


def test_the_same_folder_gives_the_same_dag_in_every_process(house: dict[str, Any], parse: Parse) -> None:
    again = parse(PYTHONHASHSEED="2")
    for dag_id in BOTH:
        assert again["dags"][dag_id]["serialized"] == house["dags"][dag_id]["serialized"]


def test_runbooks_are_links_where_they_are_served(parse: Parse) -> None:
    served = parse(NIGHTCAST_RUNBOOKS_URL="https://wiki.example/runbooks/")
    text = served["dags"]["daily_demand_inference"]["doc_md"]
    assert "[NightStopped](https://wiki.example/runbooks/night-stopped.md)" in text


def test_the_demo_may_start_on_another_date(parse: Parse) -> None:
    moved = parse(NIGHTCAST_FIRST_NIGHT_DAILY_DEMAND="2026-11-16")
    assert moved["dags"]["daily_demand_inference"]["nights"][0] == ["2026-11-17T02:00:00+00:00", "2026-11-16"]
    assert moved["dags"]["daily_demand_inference"]["doc_md"].count("2026") == 0, "texts come from the spec alone"


def test_a_bad_spec_stops_only_itself_and_is_seen_in_airflow(parse: Parse, two_folders: Path) -> None:
    found = parse(pipelines=two_folders)
    assert found["dags"].keys() == {"good_inference", "good_retraining"}
    assert [Path(file).name for file in found["import_errors"]] == ["invalid_specs.py"]
    (message,) = found["import_errors"].values()
    assert "bad/pipeline.yaml:" in message
    assert "ownr" in message
    assert "good/" not in message


def test_a_task_parses_its_own_dag_only(parse: Parse, two_folders: Path) -> None:
    found = parse(pipelines=two_folders, _AIRFLOW_PARSING_CONTEXT_DAG_ID="good_inference")
    assert found["dags"].keys() == {"good_inference"}
    assert found["import_errors"] == {}


def test_a_task_whose_spec_went_bad_says_so(parse: Parse, two_folders: Path) -> None:
    found = parse(pipelines=two_folders, _AIRFLOW_PARSING_CONTEXT_DAG_ID="bad_retraining")
    assert found["dags"] == {}
    assert [Path(file).name for file in found["import_errors"]] == ["retraining.py"]
    assert "ownr" in str(found["import_errors"])


def test_three_lines_in_a_teams_own_project_are_enough(parse: Parse, tmp_path: Path) -> None:
    lines = ["# airflow dag", "from nightcast.orchestration import build_dags", "build_dags()"]
    (tmp_path / "forecasts.py").write_text("\n".join(lines))
    found = parse(dags=tmp_path)
    assert found["dags"].keys() == BOTH
    assert {dag["fileloc"] for dag in found["dags"].values()} == {str(tmp_path / "forecasts.py")}


def test_a_missing_folder_of_pipelines_is_an_import_error(parse: Parse, tmp_path: Path) -> None:
    found = parse(pipelines=tmp_path / "nowhere")
    assert found["dags"] == {}
    assert len(found["import_errors"]) == 3
