"""Airflow: the DAGs, and what happens around a step when it is a task. Only what Airflow adds is here.

A DAG file of a team's own project:

    # Airflow looks for the words airflow and dag
    from nightcast.orchestration import build_dags
    build_dags()
"""

from nightcast.orchestration.dag_files import build_dags, report_invalid_specs
from nightcast.orchestration.inference import published_asset

__all__ = ["build_dags", "published_asset", "report_invalid_specs"]
