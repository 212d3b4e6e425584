"""The benchmarks run at tiny sizes, so that they do not rot; what they say of time is judged nowhere."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import extract, monitors, place, predict, publish, report, whole
from benchmarks.harness import Cost, Line, measure, median, met_by, ratio_of
from nightcast.local.postgres import Server

TINY = [2_000, 4_000]


@pytest.fixture(scope="module")
def where(server: Server, tmp_path_factory: pytest.TempPathFactory) -> place.Place:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "LEARNED", 300)
        folder = tmp_path_factory.mktemp("bench")
        predict.model_of(str(folder))  # is kept for all subjects
    return place.Place(server, folder)


@pytest.mark.postgres
@pytest.mark.parametrize("subject", [extract, predict, publish])
def test_a_subject_measures_what_it_names(subject, where: place.Place) -> None:
    said: list[str] = []
    lines = subject.lines(where, TINY, 1, said.append)
    assert said
    assert all(line.ours is not None and line.ours >= 0 for line in lines)
    assert {line.name for line in lines if line.goal == 1.25} == {f"{lines[0].subject}: memory at 4 k rows, beside 2 k"}


@pytest.mark.postgres
@pytest.mark.parametrize("subject", [whole, monitors])
def test_a_subject_of_one_size_measures_what_it_names(subject, where: place.Place) -> None:
    lines = subject.lines(where, TINY[:1], 1, lambda _: None)
    assert all(line.ours is not None and line.ours > 0 and line.ratio is not None for line in lines)
    assert any(line.goal is not None for line in lines)


def busy(seconds: float) -> Iterator[None]:
    """A task: a buffer of 64 MiB before, another one after, and some work."""
    before = bytearray(64 << 20)
    yield
    after = bytearray(64 << 20)
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return len(before) + len(after)


def test_a_task_is_measured_from_its_yield_on() -> None:
    cost = measure(busy, seconds=0.2)
    assert cost.answer == 128 << 20
    assert cost.cpu >= 0.2
    assert 60 < cost.memory < 100


def failing() -> Iterator[None]:
    yield
    raise ValueError("no such thing")


def test_a_task_that_fails_stops_the_benchmark() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        measure(failing)


def test_the_median_is_taken_of_each_number() -> None:
    costs = [Cost(cpu=c, memory=m, wall=w) for c, m, w in ((3, 1, 5), (1, 2, 6), (2, 9, 4))]
    assert median(costs) == Cost(cpu=2, memory=2, wall=5)


def test_a_goal_is_met_by_its_ratio_alone() -> None:
    assert [met_by(r, g) for r, g in ((0.2, 0.25), (0.25, 0.25), (0.3, 0.25), (None, 0.25), (0.2, None))] == [
        *(True, True, False, None, None),
    ]
    line = Line(subject="s", name="n", unit="s", ours=3.0, other=4.0, against="x", goal=0.5)
    assert (line.ratio, line.met) == (0.75, False)
    assert "missed**, 1.50 × the goal" in report.page(found_of([line]))


def found_of(lines: list[Line]) -> dict:
    return json.loads(json.dumps(report.results(lines, "2026-01-01")))


def test_what_is_committed_was_computed_and_rendered() -> None:
    found = json.loads(report.JSON.read_text())
    lines = [line for measured in found["subjects"].values() for line in measured["lines"]]
    assert lines
    for line in lines:
        assert line["ratio"] == ratio_of(line["ours"], line["other"]), line["name"]
        assert line["met"] == met_by(line["ratio"], line["goal"]), line["name"]
    assert report.PAGE.read_text() == report.page(found)


def test_results_are_written_as_they_are_read_and_other_subjects_stay(tmp_path: Path) -> None:
    line = Line(subject="s", name="n", unit="s", ours=1.0, other=None, against="x", note="why")
    report.write(report.results([line], "2026-01-01", found_of([replace(line, subject="before")])), tmp_path)
    found = json.loads((tmp_path / "benchmarks.json").read_text())
    assert list(found["subjects"]) == ["before", "s"]
    assert found["subjects"]["s"]["lines"][0]["note"] == "why"
    assert (tmp_path / "benchmarks.md").read_text() == report.page(found)
