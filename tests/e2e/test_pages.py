"""docs/how-to/add-a-pipeline.md, typed as it stands on the machine that the nights have run on."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from docs.pages import Block, Terminal, blocks, follow
from e2e.installation import Installation, until
from nightcast.demo import replay
from nightcast.local import environment, supervise
from nightcast.store.tables import VIEWS

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

NEW = "store_visits"
INFERENCE, RETRAINING = f"{NEW}_inference", f"{NEW}_retraining"


def test_a_reader_who_follows_add_a_pipeline_has_a_published_night_and_its_dags(
    machine: Installation, nights: dict[str, str], checkout: Path, terminal: Terminal
) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)

    def typed(block: Block) -> str:
        if block.text == "make demo\n":  # that of this machine: the demo's own would look for its own data
            user = {**machine.user, **environment.read_env_file(checkout / ".env")}
            supervise.up(user, machine.extra, machine.progress)
            return ""
        said = terminal.type(block)
        machine.progress(f"line {block.line}: {block.first}")
        return said

    def asked(block: Block) -> str:
        return terminal.run(f"make psql <<'SQL'\n{block.text}SQL\n", str(block))

    def written(block: Block) -> str:
        return change(checkout / f"include/pipelines/{NEW}/pipeline.yaml", block.text, yesterday)

    follow(blocks("add-a-pipeline.md"), {"bash": typed, "sql": asked, "yaml": written})

    for view in VIEWS:
        assert machine.read(f"SELECT * FROM forecast.{NEW}{view} LIMIT 0", "analyst") == []
    published = machine.read(f"SELECT DISTINCT origin, model_version FROM forecast.{NEW}", "analyst")
    assert published == [{"origin": yesterday, "model_version": 1}]
    client = machine.client
    until(lambda: {INFERENCE, RETRAINING} <= set(client.dag_ids()), "its DAGs are in Airflow")
    client.pause(INFERENCE, paused=False)
    due = [yesterday.isoformat()] if replay.anchor(datetime.now(UTC)).last_due_origin == yesterday else []
    until(lambda: [r["partition_key"] for r in client.runs(INFERENCE) if r["state"] == "success"] == due, "due nights")
    client.pause(INFERENCE, paused=True)
    states = machine.read("SELECT state::text FROM internal.run WHERE pipeline = %(name)s ORDER BY run_id", name=NEW)
    assert [found["state"] for found in states][-1 - len(due) :] == ["published", *("unchanged" for _ in due)]


def change(file: Path, lines: str, yesterday: date) -> str:
    """What the reader's editor does: each line takes the place of the one with the same key."""
    text = file.read_text()
    for line in lines.splitlines():
        key = line.partition(":")[0]
        wanted = re.sub(r"\d{4}-\d\d-\d\d", yesterday.isoformat(), line)
        text, times = re.subn(rf"^{re.escape(key)}:.*$", lambda _, wanted=wanted: wanted, text, flags=re.MULTILINE)
        assert times == 1, f"{key!r} is {times} times in {file}"
    file.write_text(text)
    return ""
