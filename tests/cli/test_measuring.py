"""`nightcast backtest` as people call it."""

from __future__ import annotations

import json

import pytest

from cli.calling import bad, cli
from nightcast.domain.backtest_table import block_of, markdown
from steps.world import PIPELINE, RECIPE, SMALL, World

pytestmark = pytest.mark.postgres

OTHER = """
model:
  family: hist_gradient_boosting
  parameters: {loss: poisson, max_iter: 3}
  calibration: {origins: 2, gap_origins: 1}
features:
  - rolling_mean: {of: units, windows: [28]}
"""


def test_a_backtest_is_printed_and_kept_beside_the_pipeline(world: World) -> None:
    for old, new in zip(RECIPE, SMALL, strict=True):
        world.edit("pipeline.yaml", old, new)
    world.edit("pipeline.yaml", "max_iter: 150", "max_iter: 3")
    other, folder, report = world.folder / "simple.yaml", world.folder / PIPELINE, world.folder / "report.json"
    other.write_text(OTHER)
    asked = ("backtest", PIPELINE, "--last", 1, "--model", other, "--json", report, "--write")
    done = cli(world, *asked)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    assert found["origins"] == ["2011-10-09"]  # the newest whose 14 days have come
    assert list(found["methods"])[:2] == ["model", "simple"]
    assert found["made_with"]["other_models"].keys() == {"simple"}
    assert done.stdout == markdown(found) + "\n"
    assert (folder / "backtest.json").read_text() == report.read_text()
    assert block_of((folder / "README.md").read_text()) == markdown(found)
    assert ["2011-10-09: " in line for line in done.stderr.splitlines()] == [False, True, False]
    assert " rows; model " in done.stderr


def test_what_is_wrong_is_said_before_minutes_of_work(world: World) -> None:
    typed = cli(world, "backtest", PIPELINE, "--origins", "2011-10-03, October")
    assert (typed.returncode, "expected YYYY-MM-DD" in typed.stderr) == (2, True)
    (world.folder / "adida.yaml").write_text(OTHER)
    assert "none of model, seasonal_naive" in bad(world, "backtest", PIPELINE, "--model", world.folder / "adida.yaml")
    assert "expected one for --json" in bad(world, "backtest", PIPELINE, "--json", "nowhere/report.json")
    (world.folder / PIPELINE / "README.md").unlink()
    assert "expected the pipeline's README for --write" in bad(world, "backtest", PIPELINE, "--write")
