"""The text that Airflow shows beside a DAG and its tasks.

Rendered from the spec alone: what varied from parse to parse would make a new DAG version each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from nightcast import errors
from nightcast.domain.pipeline import Pipeline, PipelineFolder, quantile_column
from nightcast.errors import NightcastError, runbook_of


@dataclass(frozen=True)
class StepText:
    """What a step does, and the errors of which an operator should know the runbook."""

    does: str
    errors: tuple[type[NightcastError], ...]


STEPS = {
    "open_run": StepText(
        "Pins what this night is made from: spec, window, model version, code. A cleared night keeps its pins.",
        (errors.NoLiveModel, errors.TablesDoNotFit, errors.NightRefused, errors.SpecError),
    ),
    "wait_for_source": StepText(
        "Waits until the last expected day is in the source; after the deadline the night stops.",
        (errors.SourceNotFresh, errors.CalendarTooShort, errors.SourceUnavailable),
    ),
    "extract": StepText(
        "Copies the window's rows out of the source, one immutable file per day.",
        (errors.SourceMismatch, errors.SourceUnavailable, errors.LakeUnavailable, errors.ScratchSpaceFull),
    ),
    "validate": StepText(
        "Judges the rows: contract, duplicates, row rules, signals. Bad rows are set aside, a bad day stops the night.",
        (errors.NightStopped,),
    ),
    "predict": StepText(
        "Scores one shard of the entities with the pinned model; nobody sees the rows before `publish`.",
        (errors.BundleRejected, errors.ForecastImplausible, errors.LakeObjectCorrupt, errors.LakeObjectMissing),
    ),
    "audit": StepText("Judges what was predicted, and that every count adds up.", (errors.NightStopped,)),
    "publish": StepText(
        "Shows the night to readers in one transaction, and emits the asset.", (errors.StoreUnavailable,)
    ),
    "monitor_drift": StepText(
        "Measures drift of inputs, features and predictions, of a stopped night too. Its failure takes nothing back.",
        (errors.StoreUnavailable, errors.LakeObjectMissing),
    ),
    "monitor_accuracy": StepText(
        "Records what happened, and scores published nights whose truth has changed. Its failure takes nothing back.",
        (errors.StoreUnavailable, errors.LakeObjectMissing),
    ),
    "build_training_set": StepText(
        "Pins the snapshot and makes the training rows from it.", (errors.TrainingImpossible, errors.LakeObjectMissing)
    ),
    "train": StepText("Fits the model and its quantiles.", (errors.TrainingImpossible,)),
    "evaluate": StepText("Measures the candidate on rows that it has not seen.", ()),
    "register": StepText(
        "Seals the bundle and writes the version into the ledger; a pipeline's first version goes live.",
        (errors.BundleRejected, errors.StoreUnavailable),
    ),
}


def step_document(step: str, runbooks: str | None) -> str:
    """Markdown of a task: what it does, and where to read when it fails."""
    text = STEPS[step]
    lines = [text.does]
    if text.errors:
        lines += ["", "When it fails: " + ", ".join(_runbook(kind, runbooks) for kind in text.errors) + "."]
    return "\n".join(lines)


def inference_document(folder: PipelineFolder, runbooks: str | None) -> str:
    """Markdown of `<pipeline>_inference`."""
    pipeline = folder.pipeline
    schedule = pipeline.schedule
    facts = _facts(folder) | {
        "Runs": f"`{schedule.cron}` ({schedule.timezone})",
        "Readers expect it": f"by {schedule.ready_by:%H:%M}, {schedule.timezone}",
        "Source": f"{_source(pipeline)}, waited for until {pipeline.source.deadline:%H:%M}",
        "Late rows": f"{pipeline.source.late_arrival} earlier days are pulled again",
        "Nights too old to run": f"{schedule.catch_up_days} days after their origin",
        "Shards": str(pipeline.shards),
    }
    stopped, late = _runbook(errors.NightStopped, runbooks), _runbook(errors.SourceNotFresh, runbooks)
    return f"""# {pipeline.title}

Every night: one forecast of `{pipeline.forecast.target}`, all or nothing, into `forecast.{pipeline.name}`.
A red task means that the last good night is still what readers see.

{_table(facts)}

**By hand.** Trigger it with a partition key: the origin as `YYYY-MM-DD`. To go on after a stop, clear the red task;
the night keeps what `open_run` pinned. To pin anew, clear `open_run` and everything after it.

**Many nights.** A backfill asks for one night after the other, from its first day up to but not including its last.
With the configuration `{{"mode": "known_now"}}` it looks anew at those that are published.

**In a shell.** `bin/nightcast runs {pipeline.name}` lists nights, `bin/nightcast show RUN` explains one.

**When it stops.** {stopped}, {late}
"""


def retraining_document(folder: PipelineFolder, runbooks: str | None) -> str:
    """Markdown of `<pipeline>_retraining`."""
    pipeline, model = folder.pipeline, folder.pipeline.model
    facts = _facts(folder) | {
        "Model": f"`{model.family}`, seed {model.seed}",
        "Training rows": f"{model.training.origins} origins, {model.training.every_days} days apart, "
        f"{model.training.sample:.0%} of them",
        "Calibration": f"{model.calibration.origins} origins, {model.calibration.gap_origins} left out before them",
        "Features": str(len(pipeline.feature_names)),
    }
    return f"""# {pipeline.title}: the model

Makes a model version from a pinned snapshot. The same snapshot and spec give the same bytes.

{_table(facts)}

**By hand.** Trigger it; `trained_through` is the last day whose rows the model may know (empty: the newest accepted
day), `reason` goes into the ledger.

**When it fails.** {_runbook(errors.TrainingImpossible, runbooks)}
"""


def _facts(folder: PipelineFolder) -> dict[str, str]:
    pipeline = folder.pipeline
    keys = ", ".join(f"`{k}`" for k in pipeline.keys)
    quantiles = ", ".join(f"`{quantile_column(q)}`" for q in pipeline.forecast.quantiles)
    return {
        "Owner": pipeline.owner,
        "Forecast": f"`{pipeline.forecast.target}` per {keys} and open day, {pipeline.forecast.horizon} days ahead",
        "Columns": f"`mean`, {quantiles}",
        "Spec": f"version {pipeline.version}, digest `{folder.digest[:12]}`, folder `pipelines/{pipeline.name}`",
    }


def _source(pipeline: Pipeline) -> str:
    files = pipeline.source.files
    return f"`{pipeline.source.connection}`" + (f", files `{files.path}`" if files else "")


def _table(facts: dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())])


def _runbook(kind: type[NightcastError], runbooks: str | None) -> str:
    """A link where the runbooks are served, else the path in the repository."""
    page = runbook_of(kind)
    return (
        f"[{kind.__name__}]({runbooks.rstrip('/')}/{page})" if runbooks else f"{kind.__name__} (`docs/runbooks/{page}`)"
    )
