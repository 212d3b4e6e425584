"""Pipelines' folders: found, read and judged. One bad folder never hides a good one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nightcast.domain.manifest import digest_json
from nightcast.domain.pipeline import Pipeline, PipelineFolder
from nightcast.domain.team_file import shown, unknown
from nightcast.errors import SpecError
from nightcast.spec.reading import read_yaml
from nightcast.spec.rules import broken_rules
from nightcast.spec.validation import validate

PIPELINE, EXPECTATIONS = "pipeline.yaml", "expectations.yaml"
EXTRACT = "extract.sql"
REQUIRED = (PIPELINE, EXPECTATIONS)
ASKED_OF_A_DATABASE = (EXTRACT, "calendar.sql", "freshness.sql")
KNOWN = (*REQUIRED, *ASKED_OF_A_DATABASE)
OTHER_MODEL = ("model", "features")  # what a file may declare that is compared with the folder's own
SECTIONS = ("contract", "rows", "signals", "predictions")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def list_pipelines(root: Path) -> list[str]:
    """Names of the folders below `root`, sorted; a leading dot or underscore says that one is not a pipeline."""
    if not root.is_dir():
        raise SpecError(str(root), [f"{root}: is not a folder; expected the folder that holds one folder per pipeline"])
    return sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "_")))


def load_all(root: Path) -> tuple[dict[str, PipelineFolder], dict[str, SpecError]]:
    """Every pipeline below `root`: the good ones, and what is wrong with the others."""
    good: dict[str, PipelineFolder] = {}
    bad: dict[str, SpecError] = {}
    for name in list_pipelines(root):
        try:
            good[name] = load_folder(root / name)
        except SpecError as error:
            bad[name] = error
    return good, bad


def load_folder(path: Path) -> PipelineFolder:
    """The pipeline whose folder is `path`; the folder's name is the pipeline's.

    Raises:
        SpecError: everything that is wrong with it, a line each.
    """
    if not path.is_dir():
        raise SpecError(path.name, [f"{path}: is not a folder; expected the folder of a pipeline"])
    if (path / "pipeline.py").exists():
        raise SpecError(
            path.name, ["pipeline.py:1: is not supported yet; expected only declared features. Take the file away"]
        )
    files: dict[str, str] = {}
    problems = []
    for name in KNOWN:
        try:
            files[name] = (path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            problems.append(f"{name}:1: is not UTF-8 ({error.reason} at byte {error.start}); expected UTF-8 text")
        except OSError as error:
            problems.append(f"{name}:1: cannot be read ({error.strerror}); expected a readable file")
    if problems:
        raise SpecError(path.name, problems)
    return from_files(path.name, files)


def from_files(name: str, files: Mapping[str, str]) -> PipelineFolder:
    """The pipeline `name` from the texts of its folder: file name -> text.

    The digest is over all texts, under their names.

    Raises:
        SpecError: everything that is wrong with it, a line each.
    """
    problems = [*wrong_name(name), *_wrong_files(files)]
    pipeline = None
    if files.get(PIPELINE, "").strip():
        read, mistakes = read_yaml(files[PIPELINE], PIPELINE)
        pipeline, found = validate(name, read) if not mistakes else (None, mistakes)
        problems += found or broken_rules(pipeline, read, "calendar.sql" in files)
        problems += _wrong_extract(files, _reads_files(read.value))
    if files.get(EXPECTATIONS, "").strip():
        problems += _wrong_expectations(files[EXPECTATIONS])
    if problems or pipeline is None:
        raise SpecError(name, problems)
    return PipelineFolder(pipeline=pipeline, files=dict(files), digest=digest_json(dict(files)))


def with_model(folder: PipelineFolder, path: Path) -> Pipeline:
    """The pipeline of a folder with another model: `model`, `features` or both from a file with these keys.

    What the file's `model` does not say is as in the folder; `features` are replaced as a whole.

    Raises:
        SpecError: everything that is wrong with that file, a line each.
    """
    name = folder.pipeline.name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            name, [f"{path}:1: cannot be read ({error}); expected UTF-8 text with the key model"]
        ) from error
    base, _ = read_yaml(folder.files[PIPELINE], PIPELINE)
    read, problems = read_yaml(text, str(path))
    said = read.value if isinstance(read.value, dict) else {}
    if not problems and (not said or said.keys() - set(OTHER_MODEL) or not isinstance(said.get("model", {}), dict)):
        problems = [read.problem((), f"found {shown(read.value)}; expected the keys {' and '.join(OTHER_MODEL)} only")]
    if problems:
        raise SpecError(name, problems)
    merged = replace(read, value=base.value | said | {"model": base.value["model"] | said.get("model", {})})
    pipeline, problems = validate(name, merged)
    problems += broken_rules(pipeline, merged, "calendar.sql" in folder.files)
    if problems or pipeline is None:
        raise SpecError(name, problems)
    return pipeline


def wrong_name(name: str) -> list[str]:
    """What is wrong with a pipeline's name, a line each."""
    if _NAME.fullmatch(name):
        return []
    return [
        f"{name}: is the folder's name; expected a lower-case word of letters, digits and underscores, at most 40, "
        "it names tables and DAGs"
    ]


def _wrong_files(files: Mapping[str, str]) -> list[str]:
    problems = [f"{name}:1: {unknown(name, KNOWN, 'file')}" for name in files if name not in KNOWN]
    problems += [f"{name}:1: is missing; expected it beside {PIPELINE}" for name in REQUIRED if name not in files]
    problems += [f"{name}:1: is empty; expected its text" for name, text in files.items() if not text.strip()]
    return problems


def _reads_files(value: Any) -> bool:
    source = value.get("source") if isinstance(value, dict) else None
    return isinstance(source, dict) and source.get("files") is not None


def _wrong_extract(files: Mapping[str, str], reads_files: bool) -> list[str]:
    """Rows come from a database or from files, never from both."""
    if not reads_files and EXTRACT not in files:
        return [f"{EXTRACT}:1: is missing; expected it beside {PIPELINE}, or source.files in it"]
    if not reads_files:
        return []
    return [
        f"{name}:1: found beside source.files; expected no SQL, files answer none"
        for name in ASKED_OF_A_DATABASE
        if name in files
    ]


def _wrong_expectations(text: str) -> list[str]:
    """Mistakes in the form of expectations.yaml. The entries themselves are judged by the room of checks."""
    read, problems = read_yaml(text, EXPECTATIONS)
    if problems:
        return problems
    if not isinstance(read.value, dict):
        return [read.problem((), f"found no sections; expected {', '.join(SECTIONS)}")]
    return [read.problem((name,), unknown(name, SECTIONS, "section")) for name in read.value if name not in SECTIONS]
