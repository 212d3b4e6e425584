"""`bin/nightcast` and `bin/airflow`: a command line with this machine's settings."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping

from nightcast.errors import NightcastError, NotFound
from nightcast.local import environment
from nightcast.local.state import CHECKOUT, existing

AIRFLOW = "airflow"  # the name under which Airflow's is called; any other is a link to ours


def settings(caller: Mapping[str, str], program: str = "nightcast") -> dict[str, str]:
    """The environment for the command line; before the first start only where the pipelines lie is known.

    Raises:
        NotFound: Airflow's is called before the first start: it would make a database of its own in the home folder.
    """
    user = environment.user_environment(caller)
    local = existing(user)
    if local:
        return environment.shell_environment(local, user)
    if program == AIRFLOW:
        raise NotFound("this checkout has no Airflow yet; expected one that `make demo` has set up")
    return {"NIGHTCAST_PIPELINES": str(CHECKOUT / "include/pipelines"), **user}


if __name__ == "__main__":
    called = sys.argv.pop(1)
    try:
        found = settings(os.environ, called)
    except NightcastError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    os.environ.clear()
    os.environ.update(found)
    runpy.run_module(AIRFLOW if called == AIRFLOW else "nightcast.cli", run_name="__main__", alter_sys=True)
