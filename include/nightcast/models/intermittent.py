"""Methods for intermittent demand from statsforecast, to be measured against; needed by no night."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import numpy as np
import numpy.typing as npt

LIBRARY = "statsforecast"  # of the development lock; an installation need not have it


def optional_libraries() -> dict[str, str]:
    """The library that `adida` needs, with its version; empty where it is not installed."""
    try:
        return {LIBRARY: metadata.version(LIBRARY)}
    except metadata.PackageNotFoundError:
        return {}


def adida(series: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """One forecast per series, the same for every day to come: ADIDA with optimised exponential smoothing.

    Each series holds its entity's past open days in order, from its first day above zero. Nikolopoulos et al., An
    aggregate-disaggregate intermittent demand approach (2011).
    """
    from statsforecast.models import ADIDA  # takes seconds

    return np.array([ADIDA().forecast(y=values, h=1)["mean"][0] for values in series], dtype=np.float64)
