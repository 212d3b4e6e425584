"""The reference of the DAGs: their tasks, how long and how often each is tried, and what may be asked of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from nightcast.errors import runbook_of
from nightcast.orchestration.documentation import STEPS

_HEAD = """# DAGs

Generated from the code by `make docs`; edit there. Every pipeline has these, named after its folder. Task ids are the
names of the steps in `nightcast.steps`, in the run record and in `bin/nightcast step`.

Errors decide what happens next: what will pass (`Transient`: the source, Postgres or the lake does not answer) is tried
again, what would fail in the same way (`Permanent`) fails at once. {retries}
"""


def page() -> str:
    """The page in Markdown. Needs Airflow, which an environment with the engine alone has not."""
    from nightcast.orchestration import decisions, inference, retraining, retries

    tried = (
        f"A lost worker counts as what will pass. Tries: {retries.RETRIES + 1}, the first pause "
        f"{retries.FIRST_DELAY.seconds} s, doubling up to {_time(retries.LONGEST_DELAY)}."
    )
    nights = {step: timedelta(minutes=minutes) for step, minutes in inference.MINUTES.items()}
    trainings = {step: timedelta(hours=hours) for step, hours in retraining.HOURS.items()}
    lines = [
        _HEAD.format(retries=tried),
        *_dag(
            "<pipeline>_inference", "One run per origin, the partition key `YYYY-MM-DD`; by `schedule.cron`.", nights
        ),
        *_params({name: p.description or "" for name, p in inference.params().items()}),
        "\n`publish` emits the partitioned asset `forecast.<pipeline>` with the origin as partition key and pipeline,",
        "origin, revision and run in `extra`: a DAG of yours may be scheduled on it.",
        *_dag("<pipeline>_retraining", "Started by hand. The first version goes live by itself.", trainings),
        *_params({name: p.description or "" for name, p in retraining.params().items()}),
        "\n## Decisions\n",
        "For all pipelines, each of one task, started by hand. With `dry_run`, the default, they only say what they",
        "would do. Who triggers one is who decided: [decide about a night](../how-to/decide.md).\n",
        "| DAG | does | asks for |\n|---|---|---|",
        *(f"| `{name}` | {form.does} | {_asked(form.asks)} |" for name, form in decisions.FORMS.items()),
        "\n## A bad folder\n",
        "A pipeline whose folder has a mistake has no DAGs. Its message, with file and line, stands among Airflow's",
        "import errors, as one of `invalid_specs.py`. It stops no other pipeline.",
    ]
    return "\n".join(lines) + "\n"


def _dag(title: str, says: str, limits: Mapping[str, timedelta]) -> Iterator[str]:
    yield f"\n## `{title}`\n\n{says}\n"
    yield "| task | does | ended after | runbooks |\n|---|---|---|---|"
    for step, limit in limits.items():
        text = STEPS[step]
        pages = " ".join(f"[{kind.__name__}](../runbooks/{runbook_of(kind)})" for kind in text.errors)
        yield f"| `{step}` | {text.does} | {_time(limit)} | {pages} |"


def _params(says: Mapping[str, str]) -> Iterator[str]:
    yield "\n| parameter of a run by hand | |\n|---|---|"
    for name, meaning in says.items():
        yield f"| `{name}` | {meaning} |"


def _asked(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in (*names, "reason", "dry_run"))


def _time(limit: timedelta) -> str:
    minutes = int(limit.total_seconds()) // 60
    return f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"
