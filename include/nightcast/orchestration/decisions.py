"""`nightcast_waive` and the like: decisions for people who have Airflow's page and no shell.

One DAG for each kind, of one task, for all pipelines. Nothing is done before somebody unticks `dry_run`; the ledger has
the user who triggered it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from nightcast.orchestration.bodies import Context, now, rooms
from nightcast.orchestration.retries import retry_arguments

log = logging.getLogger(__name__)

LONGEST = timedelta(minutes=30)  # a replay judges its days anew


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a kind of decision asks for. `asks`: names of the step's arguments."""

    step: str  # in nightcast.steps
    does: str
    asks: tuple[str, ...]


FORMS: Mapping[str, Form] = {
    "nightcast_waive": Form(
        step="waive",
        does="Lets a stopped night go on past one check, in that run only. Then clear its red task.",
        asks=("run_id", "check_id", "day"),
    ),
    "nightcast_withdraw": Form(
        step="withdraw",
        does="Takes a published night from readers, at once. Its rows stay, and `…_as_of` tells what readers saw.",
        asks=("run_id", "restore_previous"),
    ),
    "nightcast_accept_level": Form(
        step="accept_level",
        does="Makes a true change of level the new normal: trailing checks compare with days from then on only.",
        asks=("pipeline", "since"),
    ),
    "nightcast_quarantine_replay": Form(
        step="replay",
        does="Judges kept rows by the rules as the folder has them now; later nights use what comes out.",
        asks=("pipeline", "first", "last", "check_id"),
    ),
    "nightcast_quarantine_discard": Form(
        step="discard",
        does="Marks rows that are set aside as dealt with: somebody looked, and they are not wanted.",
        asks=("pipeline", "first", "last", "check_id"),
    ),
    "nightcast_undo": Form(
        step="undo", does="Takes back an earlier decision; the ledger keeps both.", asks=("decision_id",)
    ),
}
OPTIONAL = {"nightcast_quarantine_replay": {"check_id"}, "nightcast_quarantine_discard": {"check_id"}}
_DOCUMENT = """With `dry_run` it says what it would do. What is done is in the ledger, with who and why:
`bin/nightcast decisions PIPELINE`. Twice is once."""
DATES = frozenset({"day", "since", "first", "last"})


def decision_dags(pipelines: Sequence[str], wanted: str | None = None) -> list[DAG]:
    """The DAGs of decisions; of all kinds, or of the one that is wanted."""
    return [_dag(name, form, pipelines) for name, form in FORMS.items() if wanted in (None, name)]


def _dag(name: str, form: Form, pipelines: Sequence[str]) -> DAG:
    with DAG(
        dag_id=name,
        description=form.does,
        doc_md=f"# {form.does}\n\n{_DOCUMENT}",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,  # without a schedule nothing starts by itself
        tags=["decision", "nightcast"],
        params=params(name, pipelines),
        default_args={"owner": "nightcast", **retry_arguments()},
    ) as dag:
        task(task_id=form.step, doc_md=form.does, execution_timeout=LONGEST)(decide)(form.step)
    return dag


def params(name: str, pipelines: Sequence[str]) -> dict[str, Param]:
    """What the form of a decision asks for, in the order in which Airflow shows it."""
    known: dict[str, Param] = {
        "pipeline": Param(type="string", enum=list(pipelines), description="The pipeline."),
        "run_id": Param(type="integer", minimum=1, description="Number of the run, from Nightcast's page or `show`."),
        "check_id": Param(type="string", minLength=1, description="Id of the check, as `show` has it."),
        "day": _day("An earlier event day that the run judged too. Empty: the night's own.", optional=True),
        "since": _day("The first day of the new level."),
        "first": _day("The first event day."),
        "last": _day("The last event day. Empty: the first one alone.", optional=True),
        "restore_previous": Param(
            False, type="boolean", description="Show the night's revision before again, from the same instant on."
        ),
        "decision_id": Param(type="integer", minimum=1, description="Its number, from `bin/nightcast decisions`."),
    }
    optional = Param(None, type=["null", "string"], description="Only rows that failed this check. Empty: any.")
    asked = {n: optional if n in OPTIONAL.get(name, ()) else known[n] for n in FORMS[name].asks}
    return asked | {
        "reason": Param(type="string", minLength=1, maxLength=500, description="Why; the ledger keeps it."),
        "dry_run": Param(True, type="boolean", description="Say what it would do, and do nothing."),
    }


def _day(description: str, *, optional: bool = False) -> Param:
    if optional:
        return Param(None, type=["null", "string"], format="date", description=description)
    return Param(type="string", format="date", description=description)


def decide(step: str) -> dict[str, Any]:
    """Body of the one task: what became of the decision, in its log and as its result."""
    context = get_current_context()
    given = dict(context["params"])
    reason, dry_run = given.pop("reason"), given.pop("dry_run")
    about = {name: date.fromisoformat(v) if name in DATES and v else v for name, v in given.items()}
    asked = importlib.import_module("nightcast.domain.decision").Asked(who=who(context), reason=reason, dry_run=dry_run)
    outcome = importlib.import_module(f"nightcast.steps.{step}").run(asked, rooms(), now, **about)
    log.info("%s", outcome.text)
    return {"text": outcome.text, "decision": outcome.decision, "who": asked.who, "dry_run": dry_run}


def who(context: Context) -> str:
    """The user who triggered the run; Airflow itself where it names none."""
    return context["dag_run"].triggering_user_name or "airflow"
