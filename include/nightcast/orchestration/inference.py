"""`<pipeline>_inference`: the picture of a night.

    open_run → wait_for_source → extract → validate → predict[shard…] → audit → publish → monitor_drift
                                                                               ↘ monitor_accuracy

Task ids are the names of the step modules. Tasks fetch the night's ids from `open_run` by name instead of being
passed them, so that the graph shows the order of the work and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, CronPartitionTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from nightcast.domain.pipeline import Pipeline, PipelineFolder
from nightcast.errors import NightRefused
from nightcast.orchestration.bodies import Context, FailureRecorder, call_step, handed_on, result_of
from nightcast.orchestration.documentation import inference_document, step_document
from nightcast.orchestration.retries import retry_arguments
from nightcast.settings import Settings

KEY_FORMAT = "%Y-%m-%d"
POKE_EVERY = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=36)  # the step itself stops at the spec's deadline; this is for a clock gone wrong
MINUTES = {  # how long a try may take before it is ended and retried
    "open_run": 10,
    "wait_for_source": 10,
    "extract": 120,
    "validate": 120,
    "predict": 120,
    "audit": 30,
    "publish": 10,
    "monitor_drift": 60,
    "monitor_accuracy": 60,
}


def inference_dag(folder: PipelineFolder, settings: Settings, *, register: bool = True) -> DAG:
    """The DAG of a pipeline's nights. The same folder and settings give the same DAG in every process.

    `register` tells Airflow's parser about it; without, it is built for its mistakes only.
    """
    pipeline = folder.pipeline
    name, zone = pipeline.name, pipeline.schedule.timezone
    recorder = FailureRecorder(opened_by="open_run", request=lambda context: night_request(name, zone, context))
    with DAG(
        dag_id=f"{pipeline.name}_inference",
        description=pipeline.title,
        doc_md=inference_document(folder, settings.runbooks_url),
        schedule=CronPartitionTimetable(
            pipeline.schedule.cron, timezone=pipeline.schedule.timezone, run_offset=-1, key_format=KEY_FORMAT
        ),
        start_date=_start_date(pipeline, settings),
        catchup=True,
        max_active_runs=1,
        auto_register=register,
        is_paused_upon_creation=True,  # until a live model exists
        tags=sorted({"nightcast", "inference", *pipeline.tags}),
        params=params(),
        default_args={"owner": pipeline.owner, **retry_arguments(), **recorder.arguments()},
    ) as dag:
        _tasks(pipeline, settings)
    return dag


def published_asset(pipeline: str) -> Asset:
    """The partitioned asset that `publish` emits; a DAG of another team may be scheduled on it.

    Its events carry the origin as partition key, and `extra` with pipeline, origin, revision and run.
    """
    return Asset(name=f"forecast.{pipeline}", uri=f"nightcast://forecast/{pipeline}", group="nightcast")


def night_request(pipeline: str, timezone: str, context: Context) -> dict[str, Any]:
    """What `open_run` is asked for."""
    mode = context["params"]["mode"]
    return {
        "pipeline": pipeline,
        "partition_key": _origin(timezone, context),
        "scheduler_run_id": context["run_id"],
        "mode": None if mode == "known_then" else mode,
        "scheduled": context["dag_run"].run_type == "scheduled",
    }


def _origin(timezone: str, context: Context) -> str | None:
    """The origin. Whoever asks by hand or for a backfill names it as partition key; the schedule means the day before.

    Its key is not always that day: Airflow takes the day of the firing before, which is the same day where a clock
    change moves a firing, and days earlier where the schedule is not daily.
    """
    run = context["dag_run"]
    if run.run_type != "scheduled":
        key: str | None = context.get("partition_key")
        return key
    return str(run.run_after.astimezone(ZoneInfo(timezone)).date() - timedelta(days=1))


def _start_date(pipeline: Pipeline, settings: Settings) -> datetime:
    """The day after the first origin: that night's cron fires then."""
    first = settings.first_night(pipeline.name) or pipeline.schedule.first_night
    after = first + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(pipeline.schedule.timezone))


def params() -> dict[str, Param]:
    """What may be asked of a run that is started by hand."""
    return {
        "mode": Param(
            "known_then",
            type="string",
            enum=["known_then", "known_now"],
            title="Which truth about past days",
            description="known_then (the default, of backfills too): as it was known that night; a published night "
            "ends unchanged. known_now: with every later correction, which may give a new revision.",
        ),
        "reason": Param(
            "",
            type="string",
            maxLength=500,
            title="Why",
            description="Why this night is run by hand; Airflow keeps it.",
        ),
    }


def _tasks(pipeline: Pipeline, settings: Settings) -> None:
    """Tasks and their order.

    The monitors are teardown tasks that do not count for the run: they run whatever became of the night, and leave
    `publish` to decide it. So a stopped night is measured, and is red; a failed monitor is a red task of a green run.
    They have no setup task, because clearing a task also clears its setup, and a cleared night keeps its pins.
    """

    def decorated(step: str, body: Callable[..., Any], kind: Any = task, **more: Any) -> Any:
        document, longest = step_document(step, settings.runbooks_url), timedelta(minutes=MINUTES[step])
        return kind(task_id=step, doc_md=document, execution_timeout=longest, **more)(body)

    def plain(step: str) -> Any:
        return decorated(step, run_step)(step)

    poke = {"poke_interval": POKE_EVERY.total_seconds(), "timeout": LONGEST_WAIT.total_seconds()}
    opened = decorated("open_run", open_run)(pipeline.name, pipeline.schedule.timezone)
    waited = decorated("wait_for_source", source_is_ready, task.sensor, mode="reschedule", **poke)()
    predict = decorated("predict", predict_shard, map_index_template="shard {{ shard }}")
    scored = predict.partial(shards=pipeline.shards).expand(shard=list(range(pipeline.shards)))
    published = decorated("publish", publish, outlets=[published_asset(pipeline.name)])(pipeline.name)
    opened >> waited >> plain("extract") >> plain("validate") >> scored >> plain("audit") >> published
    for step in ("monitor_drift", "monitor_accuracy"):
        published >> plain(step).as_teardown(on_failure_fail_dagrun=False)


def open_run(pipeline: str, timezone: str) -> Any:
    """Body of the first task: its result is what all others work on."""
    return call_step("open_run", night_request(pipeline, timezone, get_current_context()))


def source_is_ready() -> bool:
    """Body of the sensor."""
    return bool(call_step("wait_for_source", handed_on(get_current_context(), "open_run")))


def predict_shard(shard: int, shards: int) -> Any:
    """Body of one mapped task. A night that was opened with another number of shards would have gaps."""
    context = get_current_context()
    context["shard"] = shard  # the label in Airflow's grid
    night = handed_on(context, "open_run")
    if night["shards"] != shards:
        raise NightRefused(
            f"the night was opened with {night['shards']} shard(s), the spec now says {shards}; expected the same. "
            "Clear open_run and everything after it"
        )
    return call_step("predict", night, shard=shard)


def publish(pipeline: str) -> Any:
    """Body of `publish`: DAGs that wait for the asset start when it has ended well.

    They are told at least once. The try after one that was lost finds the night published already; it tells them all
    the same, because the lost one may not have come so far.
    """
    context = get_current_context()
    night = handed_on(context, "open_run")
    result = result_of("publish", night)
    if result["state"] != "published":
        raise AirflowSkipException(result.get("why") or f"the night is {result['state']}: {result.get('reason')}")
    extra = {
        "pipeline": pipeline,
        "origin": night["origin"],
        "revision": result.get("revision"),
        "run": night["run_id"],
    }
    context["outlet_events"][published_asset(pipeline)].extra = extra
    return result


def run_step(step: str) -> Any:
    """Body of every other task."""
    return call_step(step, handed_on(get_current_context(), "open_run"))
