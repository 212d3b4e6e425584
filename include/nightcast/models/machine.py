"""Which Python and libraries compute, on which class of processor."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

CPU = "cpu"  # the one entry that says where, not with what


def environment() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a prediction, and the processor's class.

    Predictions are promised to be equal to the byte where all of these are equal. The class is the architecture with
    the instruction sets that numpy found, because the mathematical functions choose their code by them.
    """
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        **{name: version(name) for name in ("scikit-learn", "skops", "pyarrow")},  # without importing them
        CPU: " ".join([platform.machine(), *sorted(np.show_config(mode="dicts")["SIMD Extensions"]["found"])]),
    }


def minor(version: str) -> str:
    """Major and minor part of a version: 1.9.1 -> 1.9."""
    return ".".join(version.split(".")[:2])
