"""Where MLflow keeps the runs."""

from scan2seg.config.base import Address, Settings


class Tracking(Settings):
    """Where MLflow keeps the runs."""

    uri: Address | None = None
    """Address of an MLflow server; null keeps ``mlflow.db`` in the results folder. A user and password in it reach the
    server alone; better is ``${NAME}``, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment."""
