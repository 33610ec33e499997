"""Scores of the training, validation and test parts side by side: does a model know its training images by heart?"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from scan2seg.evaluation.runs import Run

if TYPE_CHECKING:
    from scan2seg.evaluation.ranking import Ranked

PARTS = {"train": "training", "validation": "validation", "test": "test"}
"""The parts of a split, and what people call them."""
SCORES = {"mean_iou": "mean IoU", "mean_dice": "mean Dice", "pixel_accuracy": "accuracy"}
"""The scores of a part that tables show, and what people call them."""
PAIRS = [(part, score) for score in SCORES for part in PARTS]
COLUMNS = {f"{part}_{score}": (part, score) for score in SCORES for part in PARTS if part != "test"}
"""Columns of scores.csv; those of the test images have no part in their names."""


def part_score(run: Run, part: str, score: str) -> float | None:
    """Return a score of a run on a part; None where it is unknown."""
    value = (run.metrics if part == "test" else run.parts.get(part) or {}).get(score)
    return None if value is None else float(value)


def tabulate_parts(rows: Sequence["Ranked"]) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """Return the heads, and each model with its means over replicates; nothing where no run was scored on parts."""
    if not any(run.parts for row in rows for run in row.runs):
        return [], []
    heads = [f"{PARTS[part]} {SCORES[score]}" for part, score in PAIRS]
    return heads, [(row.model, average_parts(row)) for row in rows]


def average_parts(row: "Ranked") -> list[float | None]:
    """Return the means over a model's replicates of the scores of ``PAIRS``; None where one is unknown."""
    return [row.average(partial(part_score, part=part, score=score)) for part, score in PAIRS]


def describe_parts(rows: Sequence["Ranked"]) -> str:
    """Say on how many images of each part the scores are, and what they are good for; empty without any."""
    counts = [words for part in PARTS if part != "test" and (words := _describe_part(part, rows))]
    if not counts:
        return ""
    return (
        f"Means over replicates, from the pixels of {' and '.join(counts)}, and of all {rows[0].images} test images. "
        "Every model is applied to all of them in the same way. Nothing is chosen by these scores; where those of the "
        "training images are far above the others, a model knows its training images by heart."
    )


def _describe_part(part: str, rows: Iterable["Ranked"]) -> str:
    for row in rows:
        for run in row.runs:
            if found := run.parts.get(part):
                drawn, whole = len(found["images"]), found["of"]
                if drawn < whole:
                    return f"{drawn:,} of {whole:,} {PARTS[part]} images, drawn by a fixed seed,"
                return f"all {whole:,} {PARTS[part]} images" if whole > 1 else f"the only {PARTS[part]} image"
    return ""
