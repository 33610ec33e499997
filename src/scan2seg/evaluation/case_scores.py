"""Scores of whole volumes or patients, as the metrics of a run hold them."""

import numpy as np

from scan2seg.documents import Json
from scan2seg.evaluation.runs import Run


def case_rows(metrics: Json) -> list[Json]:
    """Return what is known of every case; empty where images are no slices."""
    cases = (metrics.get("measures") or {}).get("cases") or {}
    return list(cases.get("rows", []))


def known_values(values: Json) -> list[float]:
    """Return the values of a case by class that are known."""
    return [float(value) for value in values.values() if value is not None]


def mean_known(values: Json) -> float:
    """Return their mean, NaN where there is none."""
    known = known_values(values)
    return float(np.mean(known)) if known else float("nan")


def mean_case_dice(run: Run) -> float | None:
    """Return the mean over cases of the mean Dice over classes; None where no case was scored as a whole."""
    means = [mean_known(case["dice"]) for case in case_rows(run.metrics)]
    known = [mean for mean in means if not np.isnan(mean)]
    return float(np.mean(known)) if known else None
