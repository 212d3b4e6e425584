"""What DAG files call: DAGs from the teams' folders, so that a bad folder never hides a good one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from airflow.sdk import DAG, get_parsing_context

from nightcast import spec
from nightcast.errors import SpecError
from nightcast.orchestration.decisions import decision_dags
from nightcast.orchestration.inference import inference_dag
from nightcast.orchestration.retraining import retraining_dag
from nightcast.settings import Settings, from_environment

log = logging.getLogger(__name__)

DECISIONS = "decisions"
KINDS: dict[str, Callable[..., DAG]] = {"inference": inference_dag, "retraining": retraining_dag}


def build_dags(*kinds: str) -> list[DAG]:
    """Build the DAGs of these kinds (of all, when none is named) for every pipeline of NIGHTCAST_PIPELINES, and those
    of the kind `decisions`, which are for all of them.

    Airflow finds them by itself: a DAG file needs no more than this call. Where a task is about to run, only its DAG
    is built. A folder that cannot be read is left out, and told by `report_invalid_specs` in a file of its own.

    Raises:
        SettingMissing: there is no folder of pipelines.
        SpecError: the one DAG that is asked for has a bad folder.
    """
    settings, wanted = from_environment(os.environ), get_parsing_context().dag_id
    built: list[DAG] = []
    names = spec.list_pipelines(settings.pipelines)
    if not kinds or DECISIONS in kinds:
        built += decision_dags(names, wanted)
    for kind in (kind for kind in kinds or KINDS if kind != DECISIONS):
        for name in names:
            if wanted is not None and wanted != f"{name}_{kind}":
                continue
            try:
                built.append(KINDS[kind](spec.load_folder(settings.pipelines / name), settings))
            except Exception as error:
                if wanted is not None:
                    raise
                log.warning("%s has no %s DAG: %s", name, kind, error)
    return built


def report_invalid_specs() -> None:
    """Raise what is wrong in any pipeline's folder: Airflow shows it among the import errors.

    Raises:
        SpecError: one line per mistake, of all folders.
    """
    if get_parsing_context().dag_id is not None:
        return
    settings = from_environment(os.environ)
    names = spec.list_pipelines(settings.pipelines)
    found = {name: problems for name in names if (problems := _problems(name, settings))}
    if found:
        raise SpecError(", ".join(found), [f"{name}/{line}" for name, lines in found.items() for line in lines])


def _problems(name: str, settings: Settings) -> list[str]:
    """What is wrong with one folder. Its DAGs are built too, and thrown away."""
    try:
        read = spec.load_folder(settings.pipelines / name)
        for make in KINDS.values():
            make(read, settings, register=False)
    except SpecError as error:
        return error.problems
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one folder must not hide the others
        return [f"pipeline.yaml: {type(error).__name__}: {error}"]
    return []
