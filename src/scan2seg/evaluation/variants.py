"""Variants of one dataset side by side: which denoiser, backend or split gives a model the best segmentation?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scan2seg import logging
from scan2seg.errors import InputError
from scan2seg.evaluation.metrics import mean_iou
from scan2seg.evaluation.ranking import Ranked, rank
from scan2seg.evaluation.runs import Run


@dataclass(frozen=True)
class VariantRanking:
    """One model on the variants of one dataset, best first, tested against the first variant on the shared images."""

    model: str
    reference: str
    rows: list[Ranked]


def rank_variants(runs: Sequence[Run], variants: Sequence[str]) -> list[VariantRanking]:
    """Rank the variants of a dataset for every model that was trained on several of them.

    Scores are of the test images that all variants share, by name, with the statistics that models have: the mean over
    replicates of the mean IoU from summed counts, a bootstrap and a swap test over independent units. Images whose name
    another one of the same run has are left out.

    Args:
        runs: all runs of an experiment.
        variants: names of datasets that come from one file; the others are tested against the first.

    Returns:
        A ranking a model, in the order of the runs; none where no test image is shared or its labels differ.
    """
    found = []
    for model in dict.fromkeys(run.model for run in runs):
        mine = [run for name in variants for run in runs if (run.dataset, run.model) == (name, model)]
        names = list(dict.fromkeys(run.dataset for run in mine))
        shared = _shared_images(mine)
        if len(names) < 2 or not shared:
            continue
        try:
            rows = rank([_restrict(run, shared, model) for run in mine], names[0])[model]
        except InputError as error:
            logging.warn("%s: its variants are not compared: %s", model, error)
            continue
        found.append(VariantRanking(model, names[0], rows))
    return found


def _shared_images(runs: Sequence[Run]) -> list[str]:
    """Return the names of the images that every run was scored on, in the order of the first run.

    A name that stands for two images of a run says of neither which it is in another variant.
    """
    if not runs:
        return []
    once = [{name for name, count in Counter(run.images.names).items() if count == 1} for run in runs]
    common = set.intersection(*once)
    return [name for name in runs[0].images.names if name in common]


def _restrict(run: Run, names: list[str], model: str) -> Run:
    """Return the run with the named images alone, and the variant in the model's place."""
    places = [run.images.names.index(name) for name in names]
    counts = run.images.counts[places]
    images = replace(
        run.images,
        index=np.arange(len(places)),
        names=names,
        groups=[run.images.groups[place] for place in places],
        counts=counts,
        scores=run.images.scores[places],
    )
    identity = {"dataset": model, "model": run.dataset, "mean_iou": float(mean_iou(counts.sum(0)))}
    return replace(run, metrics={**run.metrics, **identity}, images=images)
