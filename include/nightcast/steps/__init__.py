"""Use cases: one module per task, named as the task. Ids go in, a small JSON-ready result comes out.

Every step runs without Airflow too: `run(night, rooms, clock)`.
"""
