"""SCIKIT-LEARN, skops and LightGBM: builds, seals and opens models; and asks statsforecast. No other room imports them.

The libraries are imported when a function is first asked for: most steps only want to know the environment.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nightcast.models.archive import profiles_of
    from nightcast.models.bundle import Opened, open_bundle, seal
    from nightcast.models.families import fit, predict
    from nightcast.models.intermittent import adida, optional_libraries
    from nightcast.models.machine import environment, libraries

__all__ = [
    "Opened",
    "adida",
    "environment",
    "fit",
    "libraries",
    "open_bundle",
    "optional_libraries",
    "predict",
    "profiles_of",
    "seal",
]
_WHERE = {
    "profiles_of": "archive",
    **dict.fromkeys(("environment", "libraries"), "machine"),
    **dict.fromkeys(("fit", "predict"), "families"),
    **dict.fromkeys(("adida", "optional_libraries"), "intermittent"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE.get(name, 'bundle')}"), name)
