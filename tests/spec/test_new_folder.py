"""What a team begins with: a folder that passes as it is, and a schema that editors agree with us on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nightcast import spec
from nightcast.cli.linting import lint
from nightcast.errors import SpecError
from nightcast.settings import from_environment

pytestmark = pytest.mark.unit


def test_a_new_folder_passes_lint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = spec.new_folder(tmp_path, "store_visits")
    lint(from_environment({"NIGHTCAST_PIPELINES": str(tmp_path)}), [])
    assert capsys.readouterr().out == "store_visits: ok\n"
    assert sorted(f.name for f in folder.iterdir()) == [
        "README.md",
        "expectations.yaml",
        "extract.sql",
        "pipeline.yaml",
    ]
    for file in folder.iterdir():
        assert "PIPELINE_NAME" not in file.read_text()
    assert (folder / "README.md").read_text().startswith("# store_visits\n")
    assert [f.name for f in tmp_path.iterdir() if f != folder] == [spec.SCHEMA]


@pytest.mark.parametrize(
    ("name", "message"), [("Visits", "expected a lower-case word"), ("taken", "is there already"), ("../up", "word")]
)
def test_what_cannot_be_a_new_folder_changes_nothing(tmp_path: Path, name: str, message: str) -> None:
    mine = tmp_path / "taken" / "pipeline.yaml"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(SpecError, match=message):
        spec.new_folder(tmp_path, name)
    assert list(tmp_path.iterdir()) == [mine.parent]
    assert mine.read_text() == "mine"


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nowhere: is not a folder"):
        spec.new_folder(tmp_path / "nowhere", "visits")


def test_the_committed_schema_is_that_of_the_code(repository: Path) -> None:
    committed = repository / "include" / "pipelines" / spec.SCHEMA
    assert committed.read_text() == spec.schema_text(), f"run: bin/nightcast schema > {committed}"


def written(folder: Path) -> Any:
    """A pipeline.yaml as an editor's schema validator sees it: dates are text there."""
    return json.loads(json.dumps(yaml.safe_load((folder / "pipeline.yaml").read_text()), default=str))


def judged(found: Mapping[str, Any]) -> list[str]:
    schema = json.loads(spec.schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(found)]


def test_the_schema_accepts_what_the_engine_accepts(repository: Path, tmp_path: Path) -> None:
    folders = [repository / "include/pipelines/daily_demand", spec.new_folder(tmp_path, "visits")]
    for folder in folders:
        assert judged(written(folder)) == []


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("forecast", "horizont", 14, "'horizont' was unexpected"),
        ("model", "family", "gradient_descent", "'gradient_descent' is not one of"),
        ("schedule", "ready_by", "6 o'clock", "does not match"),
        ("forecast", "horizon", "two weeks", "is not of type 'integer'"),
    ],
)
def test_the_schema_refuses_what_the_engine_refuses(
    tmp_path: Path, section: str, key: str, value: Any, message: str
) -> None:
    found = written(spec.new_folder(tmp_path, "visits"))
    found[section][key] = value
    assert any(message in said for said in judged(found))


def test_a_feature_has_one_name_and_its_own_keys(tmp_path: Path) -> None:
    found = written(spec.new_folder(tmp_path, "visits"))
    for wrong in ({"rolling_meen": {"of": "events"}}, {"age": {"of": "events", "windows": [7]}}, {}):
        assert judged(found | {"features": [wrong]})
