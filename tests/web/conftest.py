"""Fixtures of others: a database as an installation has it, and Airflow on private databases."""

from __future__ import annotations

from orchestration.conftest import airflow_environment, airflow_template
from store.conftest import memory, template

__all__ = ["airflow_environment", "airflow_template", "memory", "template"]
