"""The default pipeline's folder, whole and with one mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nightcast import spec
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import SpecError


@pytest.fixture(scope="session")
def good() -> PipelineFolder:
    return spec.load_folder(Path(spec.__file__).parents[2] / "pipelines" / "daily_demand")


@pytest.fixture
def after(good: PipelineFolder) -> Callable[[str, str], list[str]]:
    """The problems of the default pipeline after one edit of its file; the line that was edited as LINE."""

    def edit(old: str, new: str) -> list[str]:
        text = good.files["pipeline.yaml"]
        assert old in text
        line = text[: text.index(old)].count("\n") + 1
        try:
            spec.from_files("daily_demand", {**good.files, "pipeline.yaml": text.replace(old, new, 1)})
        except SpecError as error:
            return [p.replace(f"pipeline.yaml:{line}:", "LINE:") for p in error.problems]
        return []

    return edit
