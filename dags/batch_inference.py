"""`<pipeline>_inference`, one Airflow DAG per folder of pipelines: the nights."""

from nightcast.orchestration import build_dags

build_dags("inference")
