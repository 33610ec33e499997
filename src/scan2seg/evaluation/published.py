"""Rows of the literature beside our own: which of our models repeats which."""

from collections.abc import Sequence

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.ranking import Ranked


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
