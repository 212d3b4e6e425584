"""`<pipeline>_retraining`: build_training_set → train → evaluate → register."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from nightcast.domain.pipeline import PipelineFolder
from nightcast.orchestration.bodies import Context, FailureRecorder, call_step, handed_on
from nightcast.orchestration.documentation import retraining_document, step_document
from nightcast.orchestration.retries import retry_arguments
from nightcast.settings import Settings

HOURS = {"build_training_set": 4, "train": 12, "evaluate": 4, "register": 1}
STEPS = tuple(HOURS)


def retraining_dag(folder: PipelineFolder, settings: Settings, *, register: bool = True) -> DAG:
    """The DAG that makes a model version of a pipeline; started by hand."""
    pipeline = folder.pipeline
    recorder = FailureRecorder(opened_by=STEPS[0], request=lambda context: training_request(pipeline.name, context))
    with DAG(
        dag_id=f"{pipeline.name}_retraining",
        description=f"{pipeline.title}: the model",
        doc_md=retraining_document(folder, settings.runbooks_url),
        schedule=None,
        catchup=False,
        max_active_runs=1,
        auto_register=register,
        is_paused_upon_creation=False,  # without a schedule nothing starts by itself
        tags=sorted({"nightcast", "retraining", *pipeline.tags}),
        params=params(),
        default_args={"owner": pipeline.owner, **retry_arguments(), **recorder.arguments()},
    ) as dag:
        _tasks(pipeline.name, settings)
    return dag


def training_request(pipeline: str, context: Context) -> dict[str, Any]:
    """What `build_training_set` is asked for."""
    return {
        "pipeline": pipeline,
        "trained_through": context["params"]["trained_through"],
        "scheduler_run_id": context["run_id"],
        "reason": context["params"]["reason"],
    }


def params() -> dict[str, Param]:
    """What may be asked of a run that is started by hand."""
    return {
        "trained_through": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Trained through",
            description="The last day whose rows the model may know. Empty: the newest accepted day.",
        ),
        "reason": Param(
            "", type="string", maxLength=500, title="Why", description="Goes into the ledger of model versions."
        ),
    }


def _tasks(pipeline: str, settings: Settings) -> None:
    def step_task(step: str, before: str | None) -> Any:
        document, longest = step_document(step, settings.runbooks_url), timedelta(hours=HOURS[step])
        return task(task_id=step, doc_md=document, execution_timeout=longest)(run_step)(pipeline, step, before)

    made = [step_task(step, before) for step, before in zip(STEPS, (None, *STEPS), strict=False)]
    for first, second in pairwise(made):
        first >> second


def run_step(pipeline: str, step: str, before: str | None) -> Any:
    """Body of every task: each works on what the one before handed on."""
    context = get_current_context()
    return call_step(step, handed_on(context, before) if before else training_request(pipeline, context))
