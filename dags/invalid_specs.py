"""No Airflow DAG: fails to import while a pipeline's folder has a mistake, so that the mistake is seen in Airflow.

A file of its own, because a DAG file that fails takes every DAG in it along.
"""

from nightcast.orchestration import report_invalid_specs

report_invalid_specs()
