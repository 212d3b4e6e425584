"""A pipeline's folder to begin with: a copy of the template, which passes `lint` as it is."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from nightcast.errors import SpecError
from nightcast.spec.editor_schema import json_schema
from nightcast.spec.folder import wrong_name

TEMPLATE = Path(__file__).parent / "template"
SCHEMA = "pipeline.schema.json"  # beside the pipelines' folders, where the template's first line points to
_NAME = "PIPELINE_NAME"


def new_folder(root: Path, name: str) -> Path:
    """Make the folder of pipeline `name` below `root`, all of it or nothing, and the schema for editors beside it.

    Raises:
        SpecError: a name that cannot be one, or that is taken; `root` does not exist.
    """
    folder = root / name
    problems = wrong_name(name)
    if not root.is_dir():
        problems.append(f"{root}: is not a folder; expected the folder that holds one folder per pipeline")
    elif not problems and folder.exists():
        problems.append(f"{folder}: is there already; expected a name that is free. Nothing was changed")
    if problems:
        raise SpecError(name, problems)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=root) as draft:
        copy = Path(draft) / name
        copy.mkdir()
        for file in sorted(TEMPLATE.iterdir()):
            (copy / file.name).write_text(file.read_text(encoding="utf-8").replace(_NAME, name), encoding="utf-8")
        (root / SCHEMA).write_text(schema_text(), encoding="utf-8")
        shutil.move(copy, folder)
    return folder


def schema_text() -> str:
    """The schema of `pipeline.yaml` as its file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
