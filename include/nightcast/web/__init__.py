"""Pages for Airflow's UI: read through the store, guarded by whoever mounts them."""
