"""What a run cost: times, sizes and devices, by the files of its training and its timing."""

from typing import Any

from scan2seg.evaluation.runs import Run

COSTS = {
    "training_seconds": ("training", "wall_seconds"),
    "pretraining_seconds": ("training", "pretraining", "seconds"),
    "epochs": ("training", "epochs"),
    "best_epoch": ("training", "best_epoch"),
    "batch_size": ("training", "batch_size"),
    "steps": ("training", "steps"),
    "devices": ("training", "devices"),
    "training_samples_per_second": ("training", "samples_per_second"),
    "prediction_pixels_per_second": ("timing", "image", "pixels_per_second"),
    "prediction_pixels_per_second_model": ("timing", "image", "pixels_per_second_model"),
    "prediction_seconds_per_image": ("timing", "image", "seconds_end_to_end"),
    "parameters": ("training", "parameters"),
    "flops": ("training", "flops"),
    "peak_memory_bytes": ("training", "peak_memory_bytes"),
    "energy_joules": ("training", "energy_joules"),
    "training_device": ("training", "device"),
    "training_threads": ("training", "threads"),
    "training_precision": ("training", "precision"),
    "prediction_device": ("timing", "device"),
    "prediction_threads": ("timing", "threads"),
    "prediction_precision": ("timing", "precision"),
    "prediction_runtime": ("timing", "runtime"),
}
"""Name to the file that says it and the keys there."""


def cost(run: Run, name: str) -> Any:
    """Return one of ``COSTS`` of a run, None where it is unknown."""
    source, *keys = COSTS[name]
    value: Any = run.training if source == "training" else run.timing
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
