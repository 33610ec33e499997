"""Scores of predictions against known labels, and the comparison of models with each other."""
