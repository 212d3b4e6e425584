"""`bin/nightcast`: the command line with this machine's settings."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping

from nightcast.errors import NightcastError
from nightcast.local import environment
from nightcast.local.state import CHECKOUT, existing


def settings(caller: Mapping[str, str]) -> dict[str, str]:
    """The environment for the command line; before the first start only where the pipelines lie is known."""
    user = environment.user_environment(caller)
    local = existing(user)
    if local:
        return environment.shell_environment(local, user)
    return {"NIGHTCAST_PIPELINES": str(CHECKOUT / "include/pipelines"), **user}


if __name__ == "__main__":
    try:
        found = settings(os.environ)
    except NightcastError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    os.environ.clear()
    os.environ.update(found)
    runpy.run_module("nightcast.cli", run_name="__main__", alter_sys=True)
