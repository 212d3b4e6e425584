"""Airflow's options that are the same wherever Nightcast runs: on one machine and in containers.

Where Airflow's default is left alone, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping

from nightcast.local.state import LOGINS

AIRFLOW_ROLES = {"admin": "admin", "operator": "op", "viewer": "viewer"}  # SimpleAuthManager's names
Sections = Mapping[str, Mapping[str, object]]

EVERYWHERE: Sections = {
    "core": {
        "load_examples": False,
        "dags_are_paused_at_creation": True,
        "hostname_callable": "socket.gethostname",  # the default asks a name server
        "simple_auth_manager_users": ",".join(f"{user}:{AIRFLOW_ROLES[user]}" for user in LOGINS),
    },
    "api": {"instance_name": "Nightcast"},
    "logging": {"logging_level": "INFO"},
    "scheduler": {
        "scheduler_idle_sleep_time": 0.25,  # a second between steps would be most of a night's time
        "task_instance_heartbeat_timeout": 60,
        # What a killed scheduler was running is taken up again this soon (plus the 30 s after which it counts as
        # dead). Safe because what it left running is killed, by its keeper or with its container; with the default of
        # 300 it takes minutes.
        "orphaned_tasks_check_interval": 15,
    },
    # A failed task is reported at the next heartbeat; a task may start while the api-server restarts.
    "workers": {"min_heartbeat_interval": 1, "execution_api_retries": 10},
    "dag_processor": {"refresh_interval": 10, "min_file_process_interval": 15},  # an edit is seen this soon
}


def variables(sections: Sections) -> dict[str, str]:
    """Options as the environment variables that Airflow reads them from."""
    return {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, options in sections.items()
        for name, value in options.items()
    }
