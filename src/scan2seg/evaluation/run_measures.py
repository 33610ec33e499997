"""The measures beside IoU of a run, read from its metrics.json: which there are, and what they are called and in."""

from collections.abc import Iterable, Sequence
from typing import Any

from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run
from scan2seg.evaluation.unions import UNION_SCORES, average_union, union_names

MEASURES: dict[str, tuple[str, ...]] = {
    "kappa": ("kappa",),
    "balanced_accuracy": ("balanced_accuracy",),
    "boundary_f1": ("boundary_f1",),
    "hausdorff_95": ("hausdorff_95",),
    "surface_distance": ("surface_distance",),
    "detection_f1": ("detection_f1",),
    "panoptic_quality": ("panoptic_quality",),
    "expected_calibration_error": ("calibration", "expected_error"),
    "case_dice": ("cases", "dice"),
    "case_hausdorff_95": ("cases", "hausdorff_95"),
    "case_surface_distance": ("cases", "surface_distance"),
}
"""The measures that are one number a run, as columns of scores.csv, and where metrics.json has them."""

MEASURE_WORDS = {
    "kappa": "Cohen’s kappa",
    "balanced_accuracy": "balanced accuracy",
    "boundary_f1": "boundary F1",
    "hausdorff_95": "Hausdorff 95, {unit}",
    "surface_distance": "surface distance, {unit}",
    "detection_f1": "detection F1",
    "panoptic_quality": "panoptic quality",
    "expected_calibration_error": "calibration error",
    "case_dice": "Dice of a volume",
    "case_hausdorff_95": "Hausdorff 95 of a volume, µm",
    "case_surface_distance": "surface distance of a volume, µm",
}
"""What people call them; the unit is that of distances in images."""


def measure(run: Run, name: str) -> float | None:
    """Return one of ``MEASURES`` of a run; None where it is unknown."""
    value: Any = run.metrics.get("measures")
    for key in MEASURES[name]:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else float(value)


def check_truth(runs: Iterable[Run]) -> str:
    """Return which run's scoring found the truth in the prediction's place less than perfect; empty where none did."""
    for run in runs:
        control = (run.metrics.get("controls") or {}).get("truth") or {}
        wrong = {name: value for name, value in control.items() if value != 1}
        if wrong:
            values = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in wrong.items())
            return (
                f"Check failed: the truth scored against itself must be exactly 1, but for {run.name} it has {values}. "
                "The scores of this table are not to be trusted; report it with the dataset."
            )
    return ""


def control(run: Run, kind: str, name: str) -> float | None:
    """Return a score of a control, "shuffled" or "truth"; None where it is unknown."""
    value = ((run.metrics.get("controls") or {}).get(kind) or {}).get(name)
    return None if value is None else float(value)


def average(row: Ranked, name: str) -> float | None:
    """Return the mean over a model's replicates of one of ``MEASURES``; None where it is unknown."""
    return row.average(lambda run: measure(run, name))


def tabulate(rows: Sequence[Ranked]) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """Return the heads of the measures that any model has, and each model with its means over replicates.

    Behind them stand the Dice scores of unions of classes.
    """
    names = [name for name in MEASURES if any(average(row, name) is not None for row in rows)]
    heads = [MEASURE_WORDS[name].format(unit=describe_unit(rows[0].runs[0])) for name in names]
    merged = [(union, score) for union in union_names(rows) for score in ("dice", "case_dice")]
    merged = [pair for pair in merged if any(average_union(row, *pair) is not None for row in rows)]
    heads += [f"{UNION_SCORES[score]}, {union}" for union, score in merged]
    values = [[average(row, name) for name in names] + [average_union(row, *pair) for pair in merged] for row in rows]
    return heads, [(row.model, cells) for row, cells in zip(rows, values, strict=True)]


def describe_controls(rows: Sequence[Ranked]) -> list[str]:
    """Say what the winner scores with its pixels shuffled, and whether the truth scored perfectly."""
    failed = check_truth(run for row in rows for run in row.runs)
    chance = rows[0].average(lambda run: control(run, "shuffled", "mean_iou"))
    if failed:
        return [failed]
    if chance is None:
        return []
    return [f"Controls: {rows[0].model} with its pixels shuffled has mean IoU {chance:.4f}, the truth exactly 1."]


def describe_unit(run: Run) -> str:
    """Return the unit of surface distances in images: µm or px."""
    unit = str((run.metrics.get("measures") or {}).get("unit", "pixel"))
    return {"micrometre": "µm", "pixel": "px"}.get(unit, unit)
