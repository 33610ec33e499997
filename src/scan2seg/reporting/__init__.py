"""The report of an experiment, and its import into MLflow."""
