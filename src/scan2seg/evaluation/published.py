"""Rows of the literature beside our own: which of our models repeats which, and which scores stand beside which."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.case_scores import mean_case_dice
from scan2seg.evaluation.part_scores import PARTS, part_score
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run


class Score(NamedTuple):
    """A score that the literature prints, and how ours is read."""

    name: str
    read: Callable[[Ranked], float | None]


def _average(read: Callable[[Run], float | None]) -> Callable[[Ranked], float | None]:
    return lambda row: row.average(read)


def _image_score(run: Run, score: str) -> float | None:
    value: float | None = run.metrics["mean_image"].get(score)
    return value


SCORES = {
    "mean_iou": Score("mean IoU", lambda row: row.mean),
    "mean_dice": Score("mean Dice", _average(lambda run: run.metrics["mean_dice"])),
    "mean_case_dice": Score("Dice of a case", _average(mean_case_dice)),
    "dice": Score("Dice, averaged over what is not said", lambda row: None),
    **{
        f"{'' if part == 'test' else f'{part}_'}pixel_accuracy": Score(
            f"{name} accuracy", _average(partial(part_score, part=part, score="pixel_accuracy"))
        )
        for part, name in PARTS.items()
    },
    **{
        f"mean_image_{score}": Score(f"image {name}", _average(partial(_image_score, score=score)))
        for score, name in {
            "jaccard": "Jaccard", "f1": "F1", "accuracy": "accuracy", "recall": "recall", "precision": "precision",
        }.items()
    },
}  # fmt: skip
"""By the key of a published row."""


def known_scores(rows: Sequence[PublishedRow]) -> dict[str, Score]:
    """Return the scores that one of the rows has."""
    return {key: score for key, score in SCORES.items() if any(key in row.known() for row in rows)}


def pair_published(
    rows: Sequence[Ranked], published: Sequence[PublishedRow]
) -> list[tuple[Ranked | None, PublishedRow | None]]:
    """Return the lines of a table of our models and the literature, for one dataset.

    Args:
        rows: our models, best first.
        published: the rows of the literature of the dataset.

    Returns:
        Each model with every row that it repeats, a line each, or with None where it repeats none; then None with each
        row that no model repeats.
    """
    pairs: list[tuple[Ranked | None, PublishedRow | None]] = []
    for row in rows:
        repeated = [item for item in published if row.model in item.repeated_by]
        pairs += [(row, item) for item in repeated] or [(row, None)]
    models = {row.model for row in rows}
    return pairs + [(None, item) for item in published if models.isdisjoint(item.repeated_by)]
