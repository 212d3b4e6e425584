"""The families of models: a module each with the same four functions, chosen by name here and nowhere else.

A module is imported when a model of its family is fitted or opened, so that nobody needs the library of another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from nightcast.domain.families import wrong_parameters
from nightcast.domain.model_spec import Model
from nightcast.domain.team_file import one_of
from nightcast.errors import BundleRejected, Permanent, TrainingImpossible

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where a family is implemented, its file in a bundle, and the libraries that define what the file means."""

    module: str
    member: str
    libraries: tuple[str, ...]
    install: str


FAMILIES: Mapping[str, Family] = {
    "hist_gradient_boosting": Family(
        module="hist_gradient_boosting",
        member="model.skops",
        libraries=("scikit-learn", "skops"),
        install="nightcast",
    ),
    "lightgbm": Family(
        module="lightgbm_booster",
        member="model.txt",
        libraries=("lightgbm",),
        install="nightcast[lightgbm]",
    ),
}
MEMBERS: Mapping[str, str] = {family.member: name for name, family in FAMILIES.items()}  # -> name of the family


class Implementation(Protocol):
    """What a family's module offers. `Any` is its own model, which nobody else looks into."""

    def fit(self, parameters: Mapping[str, Any], x: Features, y: Floats, weight: Floats, seed: int) -> Any:
        """A model. The same arguments give the same; `ValueError` where the library refuses the labels."""

    def predict(self, model: Any, x: Features, threads: int | None) -> Floats:
        """What the model says of each of one or more rows; the same with any number of threads."""

    def dump(self, model: Any) -> bytes:
        """The model as a file, whose bytes depend on the model only."""

    def load(self, data: bytes, features: int) -> Any:
        """The model of that many features in a file. Nothing in it is believed: `BundleRejected`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimator:
    """A fitted model with the name of its family."""

    family: str
    model: Any


def fit(model: Model, x: Features, y: Floats, weight: Floats, seed: int) -> Estimator:
    """An estimator of `model.family` on features (rows, columns), labels and sample weights.

    `TrainingImpossible` where the family or a parameter is unknown, its library is not installed, or it refuses.
    """
    if model.family not in FAMILIES:
        raise TrainingImpossible(
            f"model.family is {model.family!r}; expected {one_of(sorted(FAMILIES))}. Correct pipeline.yaml"
        )
    wrong = [f"{name}: {message}" for name, message in wrong_parameters(model.family, model.parameters)]
    if wrong:
        raise TrainingImpossible(f"model.parameters.{'; '.join(wrong)}. Correct pipeline.yaml")
    family = implementation(model.family, TrainingImpossible)
    try:
        return Estimator(family=model.family, model=family.fit(model.parameters, x, y, weight, seed))
    except ValueError as error:
        raise TrainingImpossible(
            f"the library refused the fit: {error}. Expected parameters and labels that {model.family} accepts; "
            "correct model.parameters"
        ) from error


def predict(estimator: Estimator, x: Features, threads: int | None = None) -> Floats:
    """What the estimator says of each row, float64; the same to the bit with any number of threads."""
    if not len(x):
        return np.empty(0)
    return implementation(estimator.family, BundleRejected).predict(estimator.model, x, threads)


def implementation(name: str, refusal: type[Permanent]) -> Implementation:
    """The module of a family; `refusal` with what to install where its library is not there."""
    try:
        return cast(Implementation, importlib.import_module(f"nightcast.models.{FAMILIES[name].module}"))
    except (ImportError, OSError) as error:  # OSError: a shared library of the system that it needs
        raise refusal(missing(name, str(error))) from error


def missing(name: str, found: str) -> str:
    """What to say where a family's library cannot be used."""
    family = FAMILIES[name]
    return (
        f"the model is of family {name} and {one_of(family.libraries)} cannot be used here ({found}); expected it in "
        f"this environment. Install {family.install}, by its lock, in the image of every worker"
    )


def versions(name: str) -> dict[str, str]:
    """The installed versions of a family's libraries, without importing them; one that is not there is left out."""
    found = {}
    for library in FAMILIES[name].libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
