"""`nightcast_waive` and the like: decisions that people take, one Airflow DAG for each kind."""

from nightcast.orchestration import build_dags

build_dags("decisions")
