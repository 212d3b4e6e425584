"""SCIKIT-LEARN, skops and LightGBM: builds, seals and opens models. No other room imports them.

The libraries are imported when a function is first asked for: most steps only want to know the environment.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nightcast.models.archive import profiles_of
    from nightcast.models.bundle import Opened, open_bundle, seal
    from nightcast.models.families import fit, predict
    from nightcast.models.machine import environment

__all__ = ["Opened", "environment", "fit", "open_bundle", "predict", "profiles_of", "seal"]
_WHERE = {"profiles_of": "archive", "environment": "machine", "fit": "families", "predict": "families"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE.get(name, 'bundle')}"), name)
