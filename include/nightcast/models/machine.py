"""Which Python and libraries compute, on which class of processor."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

from nightcast.models.families import versions

DEFAULT = "hist_gradient_boosting"
CPU = "cpu"  # the one entry that says where, not with what


def environment(family: str = DEFAULT) -> dict[str, str]:
    """Versions of Python and of the libraries that decide a prediction of a family, and the processor's class.

    Those of the default family are always there; another's are named beside them, where they are installed.

    Predictions are promised to be equal to the byte where all of these are equal. The class is the architecture with
    the instruction sets that numpy found, because the mathematical functions choose their code by them.
    """
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "pyarrow": version("pyarrow"),  # without importing it
        **versions(DEFAULT),
        **versions(family),
        CPU: " ".join([platform.machine(), *sorted(np.show_config(mode="dicts")["SIMD Extensions"]["found"])]),
    }


def libraries(family: str = DEFAULT) -> dict[str, str]:
    """The environment of a family without the processor: with what, not where."""
    return {name: text for name, text in environment(family).items() if name != CPU}


def minor(version: str) -> str:
    """Major and minor part of a version: 1.9.1 -> 1.9."""
    return ".".join(version.split(".")[:2])
