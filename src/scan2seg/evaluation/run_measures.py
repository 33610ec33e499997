"""The measures beside IoU of a run, read from its metrics.json: which there are, and what they are called and in."""

from typing import Any

from scan2seg.evaluation.runs import Run

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


def measure(run: Run, name: str) -> float | None:
    """Return one of ``MEASURES`` of a run; None where it is unknown."""
    value: Any = run.metrics.get("measures")
    for key in MEASURES[name]:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else float(value)


def describe_unit(run: Run) -> str:
    """Return the unit of surface distances in images: µm or px."""
    unit = str((run.metrics.get("measures") or {}).get("unit", "pixel"))
    return {"micrometre": "µm", "pixel": "px"}.get(unit, unit)
