"""The faults as data: `catalogue.yaml`, typed, with every mistake found before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = Path(__file__).with_name("catalogue.yaml")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(Strict):
    """What the fault must come to before anybody acts, and how it is mended."""

    run: str  # state of the run at the verdict
    told: Sequence[str] = ()  # classes of the errors of the tries, or the checks that were not passed
    tries: int | None = None  # of the task that is hit; None: it is not reached
    readers: Literal["old", "new"]  # the night that they see at the verdict: the one before, or tonight's
    rows: Literal["same", "other"] = "same"  # tonight's in the end, beside the undisturbed night
    revision: int = 1  # of tonight in the end
    mended: Literal["by itself", "clear", "clear cause", "clear all", "run again", "never"] = "by itself"


class Fault(Strict):
    """One row of the catalogue."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    section: str
    what: str
    task: str  # that is hit; the tasks before it have ended well
    point: str | None = None  # where in the task's process (points.POINTS); None: before it starts
    act: str = "pause"  # what its process does there (points.ACTS)
    hits: int = 1  # tries that are hit
    before: Mapping[str, Any] = Field(default_factory=dict)  # what is so before the task starts (conditions)
    world: Mapping[str, Any] = Field(default_factory=dict)  # what happens at the point, or before the task without one
    heals: Literal["at once", "retry", "recovery"] = "recovery"  # when that is undone
    hours: float = 0.0  # by which the night is late
    place: Literal["retail", "meters"] = "retail"  # the installation: rows from Postgres, or from files
    night: date | None = None  # that is played; None: an ordinary one
    needs: Literal["nothing", "root"] = "nothing"  # to mount a file system
    expect: Expected
    quick: bool = False  # part of `make test`

    @model_validator(mode="after")
    def _says_something(self) -> Fault:
        if self.point is None and not self.world:
            raise ValueError(f"{self.id} has neither a point nor a world; expected one of them")
        return self


def in_words(run: str, tries: int | None) -> str:
    """A run's state and how often its task was tried."""
    return run if tries is None else f"{run}, {tries} {'try' if tries == 1 else 'tries'}"


def load(path: Path = FILE) -> tuple[Fault, ...]:
    """All faults, in the order of the file: section -> rows."""
    sections = yaml.safe_load(path.read_text())
    found = tuple(Fault(section=name, **row) for name, rows in sections.items() for row in rows)
    twice = {f.id for f in found if sum(g.id == f.id for g in found) > 1}
    assert not twice, f"ids that are there twice: {sorted(twice)}"
    return found
