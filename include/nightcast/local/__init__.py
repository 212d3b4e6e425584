"""One machine: a private Postgres, the processes of Airflow under a supervisor, and their settings."""
