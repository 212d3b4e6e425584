"""docs/how-to/query-the-forecast.md, asked by psql as analyst of an installation that has published three nights."""

from __future__ import annotations

import csv
import io
import os
import subprocess

import pytest

from docs.pages import Block, blocks, follow
from steps.world import NIGHTS, World

PAGE = "query-the-forecast.md"
pytestmark = pytest.mark.postgres


def psql(world: World, block: Block, *options: str) -> str:
    """What psql prints, as role analyst."""
    url = world.url("analyst").replace("+psycopg2", "")
    command = [str(world.server.binaries / "psql"), "-X", "-v", "ON_ERROR_STOP=1", *options, url]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=env, input=block.text, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{block}: {done.stderr}"
    return done.stdout


def test_every_query_of_the_page_has_an_answer(published: World) -> None:
    def ask(block: Block) -> str:
        said = psql(published, block)
        assert "(0 rows)" not in said, f"{block} finds nothing"
        assert len(said.splitlines()) > 2, f"{block} says nothing"
        return said

    follow(blocks(PAGE), {"sql": ask})


def answer(world: World, title: str) -> list[dict[str, str]]:
    """Rows of the query that has a column of this name."""
    (block,) = [b for b in blocks(PAGE) if b.language == "sql" and f" AS {title}" in b.text]
    return list(csv.DictReader(io.StringIO(psql(world, block, "--csv"))))


def test_totals_and_accuracy_are_those_of_the_nights(published: World) -> None:
    weeks = answer(published, "week")
    (total,) = published.as_analyst(
        "SELECT sum(mean) AS mean, count(DISTINCT target_date) AS days FROM forecast.daily_demand"
    )
    assert sum(float(w["expected"]) for w in weeks) == pytest.approx(total["mean"], abs=len(weeks))  # rounded
    assert sum(int(w["days"]) for w in weeks) == total["days"]
    (first, *_) = answer(published, "happened")
    assert first["horizon"] == "1"
    assert 0 < float(first["wape"]) < 2
    assert 0.5 < float(first["within_q10_q90"]) <= 1
    accuracy = [row for row in answer(published, "value_added") if row["days_come"]]
    assert [row["origin"] for row in accuracy] == [
        night.isoformat() for night in NIGHTS[:-1]
    ]  # of the last no day has come
    for row in accuracy:
        assert float(row["value_added"]) == pytest.approx(float(row["naive"]) - float(row["wape"]), abs=0.002)
