"""Studies: values drawn by Optuna, one training a trial, and their comparison."""
