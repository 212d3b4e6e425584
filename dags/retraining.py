"""`<pipeline>_retraining`, one Airflow DAG per folder of pipelines: model versions."""

from nightcast.orchestration import build_dags

build_dags("retraining")
