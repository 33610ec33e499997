"""What must be said below a table of costs."""

from collections.abc import Iterable

from scan2seg.evaluation.hardware import describe_unlike
from scan2seg.evaluation.ranking import Ranked

COST_COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    ("pre-training s", "pretraining_seconds", 1.0, 1),
    ("batch", "batch_size", 1.0, 0),
    ("epochs", "epochs", 1.0, 0),
    ("steps", "steps", 1.0, 0),
    ("training s", "training_seconds", 1.0, 1),
    ("devices", "devices", 1.0, 0),
    ("prediction s an image", "prediction_seconds_per_image", 1.0, 3),
    ("prediction Mpixel/s", "prediction_pixels_per_second", 1e-6, 3),
    ("parameters", "parameters", 1.0, 0),
    ("GFLOP", "flops", 1e-9, 2),
    ("peak memory MB", "peak_memory_bytes", 1e-6, 0),
    ("energy J", "energy_joules", 1.0, 0),
)
"""Columns of the table of performance and cost: heading, cost, factor, digits; the first is left out where unknown."""


def describe_costs(rows: Iterable[Ranked]) -> list[str]:
    """Say whether encoders were pre-trained, which times cannot be compared, and why energy is not known."""
    rows = list(rows)
    trained = [(row.model, run.training) for row in rows for run in row.runs if run.training]
    notes = ["One pre-training serves all replicates."] if any(facts.get("pretraining") for _, facts in trained) else []
    notes += describe_unlike(rows)
    models: dict[str, list[str]] = {}
    for model, facts in trained:
        if facts.get("energy_note"):
            models.setdefault(str(facts["energy_note"]), []).append(model)
    if models:
        known = any(facts.get("energy_joules") is not None for _, facts in trained) or len(models) > 1
        whose = {reason: f" of {', '.join(dict.fromkeys(names))}" if known else "" for reason, names in models.items()}
        notes += [f"Energy{whose[reason]} is not known: {reason}." for reason in models]
    return notes
