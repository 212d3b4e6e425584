"""What DAG files call: DAGs from the teams' folders, so that a bad folder never hides a good one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from nightcast import spec
from nightcast.errors import SettingMissing, SpecError
from nightcast.orchestration.inference import inference_dag
from nightcast.orchestration.retraining import retraining_dag
from nightcast.settings import Settings, from_environment

log = logging.getLogger(__name__)

KINDS: dict[str, Callable[..., DAG]] = {"inference": inference_dag, "retraining": retraining_dag}


def build_dags(*kinds: str) -> list[DAG]:
    """Build the DAGs of these kinds (of all, when none is named) for every pipeline of NIGHTCAST_PIPELINES.

    Airflow finds them by itself: a DAG file needs no more than this call. Where a task is about to run, only its DAG
    is built. A folder that cannot be read is left out, and told by `report_invalid_specs` in a file of its own.

    Raises:
        SettingMissing: there is no folder of pipelines.
        SpecError: the one DAG that is asked for has a bad folder.
    """
    settings, wanted = from_environment(os.environ), get_parsing_context().dag_id
    built = []
    for kind in kinds or tuple(KINDS):
        for folder in _folders(settings):
            if wanted is not None and wanted != f"{folder.name}_{kind}":
                continue
            try:
                built.append(KINDS[kind](spec.load_folder(folder), settings))
            except Exception as error:
                if wanted is not None:
                    raise
                log.warning("%s has no %s DAG: %s", folder.name, kind, error)
    return built


def report_invalid_specs() -> None:
    """Raise what is wrong in any pipeline's folder: Airflow shows it among the import errors.

    Raises:
        SpecError: one line per mistake, of all folders.
    """
    if get_parsing_context().dag_id is not None:
        return
    settings = from_environment(os.environ)
    found = {folder.name: problems for folder in _folders(settings) if (problems := list(_problems(folder, settings)))}
    if found:
        raise SpecError(", ".join(found), [line for lines in found.values() for line in lines])


def _problems(folder: Path, settings: Settings) -> Iterator[str]:
    """What is wrong with one folder. Its DAGs are built too, and thrown away."""
    try:
        read = spec.load_folder(folder)
        for make in KINDS.values():
            make(read, settings, register=False)
    except SpecError as error:
        yield from error.problems
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one folder must not hide the others
        yield f"{folder}: {type(error).__name__}: {error}"


def _folders(settings: Settings) -> list[Path]:
    top = settings.pipelines
    if not top.is_dir():
        raise SettingMissing(
            f"NIGHTCAST_PIPELINES is {top}, which is no folder; expected one folder per pipeline in it"
        )
    return sorted(f for f in top.iterdir() if f.is_dir() and not f.name.startswith((".", "_")))
