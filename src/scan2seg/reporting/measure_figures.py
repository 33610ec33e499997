"""The charts of the measures: reliability, scores against place, mean ranks. The best eight models, best in colour."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from scan2seg.evaluation.measures.rank_tests import RankComparison
from scan2seg.evaluation.ranking import Ranked
from scan2seg.reporting.charts import ACCENT, INK, PLAIN, SERIES, new_figure, plain, styled

MOST_LINES = len(SERIES)
MOST_RANKS = 20
FEWEST_SLICES = 3
"""Fewer test slices of a volume are no line."""


@styled
def reliability(rows: Sequence[Ranked]) -> Figure | None:
    """Draw how often models are right against how sure they are; None where no run kept probabilities."""
    known = [(row, pooled) for row in rows if (pooled := _pool_reliability(row)) is not None][:MOST_LINES]
    if not known:
        return None
    figure, (axes,) = new_figure(5.6, 4.2)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
    for colour, (row, (confidence, accuracy)) in zip(SERIES, known, strict=False):
        axes.plot(confidence, accuracy, "o-", color=colour, markersize=4, linewidth=1.4, label=plain(row.model))
    axes.set_xlabel("mean probability of the predicted class")
    axes.set_ylabel("share of right pixels")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def edge_distance(rows: Sequence[Ranked]) -> Figure | None:
    """Draw mean IoU against the distance to the image's edge."""
    found = [(row, held) for row in rows if (held := _by_distance(row))][:MOST_LINES]
    if not found:
        return None
    starts, pixels, _ = found[0][1]
    filled = [place for place, count in enumerate(pixels) if count]
    ends = [f"{first} to {second - 1}" for first, second in pairwise(starts)] + [f"{starts[-1]} and more"]
    figure, (axes,) = new_figure(7.2, 3.6)
    for colour, (row, (_, _, scores)) in zip(SERIES, found, strict=False):
        values = [scores[place] for place in filled]
        axes.plot(range(len(filled)), values, "o-", color=colour, markersize=4, linewidth=1.4, label=plain(row.model))
    total = sum(pixels)
    labels = [f"{ends[place]}\n{100 * pixels[place] / total:.0f} % of pixels" for place in filled]
    axes.set_xticks(range(len(filled)), labels)
    axes.set_xlabel("distance to the nearest edge of the image, pixels")
    axes.set_ylabel("mean IoU")
    figure.legend(loc="outside upper left", ncols=3)
    return figure


@styled
def along_volumes(rows: Sequence[Ranked]) -> Figure | None:
    """Draw the mean IoU of each slice, for the winner's best, median and worst volume; None without volumes."""
    chosen = list(_choose_volumes(rows[0]))
    if not chosen:
        return None
    figure, axes = new_figure(4.1 * len(chosen) if len(chosen) > 1 else 7.2, 3.2, 1, len(chosen))
    for axis, (reason, group, places) in zip(axes, chosen, strict=True):
        for colour, row in zip(SERIES, rows, strict=False):
            _draw_slices(axis, row, places, colour)
        axis.set_title(plain(f"{group}{reason}"))
        axis.set_xlabel("slice, from the first test slice")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.sharey(axes[0])
    axes[0].set_ylabel("mean IoU")
    handles = axes[0].get_lines()
    figure.legend(handles, [str(line.get_label()) for line in handles], loc="outside upper left", ncols=3)
    return figure


@styled
def mean_ranks(rows: Sequence[Ranked], found: RankComparison) -> Figure:
    """Draw the critical-difference diagram: mean ranks, and bars that join models which are not told apart."""
    shown = found.order[:MOST_RANKS]
    figure, (axes,) = new_figure(8.2, 1.1 + 0.28 * len(shown))
    ranks = found.ranks[: len(shown)]
    axes.plot(ranks, range(len(shown)), "o", color=PLAIN, markersize=6)
    axes.plot(ranks[:1], [0], "o", color=ACCENT, markersize=6)
    right = max(ranks)
    step = 0.04 * max(right - 1, 1)
    cliques = [(first, min(last, len(shown) - 1)) for first, last in found.cliques]
    for place, (first, last) in enumerate(clique for clique in cliques if clique[1] > clique[0]):
        axes.plot([right + step * (place + 2)] * 2, [first - 0.15, last + 0.15], color=INK, linewidth=3)
    axes.plot([1, 1 + found.critical], [-0.8, -0.8], color=INK, linewidth=1.5)
    axes.annotate("critical difference", (1 + found.critical, -0.8), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(shown)), [plain(rows[place].model) for place in shown])
    axes.set_ylim(len(shown) - 0.4, -1.3)
    axes.set_xlim(left=0.9)
    axes.set_xlabel("mean rank over the independent units (1 is best)")
    axes.grid(axis="y", visible=False)
    return figure


def _pool_reliability(row: Ranked) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return confidence and accuracy of the filled bins, all pixels of all replicates together."""
    held = [found for run in row.runs if (found := (run.metrics.get("measures") or {}).get("calibration"))]
    if not held:
        return None
    pixels = np.array([one["pixels"] for one in held], np.float64)
    sums = [np.nansum(pixels * np.array([one[key] for one in held], np.float64), axis=0) for key in _BINNED]
    filled = pixels.sum(0) > 0
    confidence, accuracy = (total[filled] / pixels.sum(0)[filled] for total in sums)
    return confidence, accuracy


_BINNED = ("confidence", "accuracy")


def _by_distance(row: Ranked) -> tuple[list[int], list[int], list[float]] | None:
    """Return where the bins begin, their pixels, and the mean IoU over replicates, NaN where a bin is empty."""
    held = [found for run in row.runs if (found := (run.metrics.get("measures") or {}).get("edge_distance"))]
    if not held:
        return None
    scores = np.array([one["mean_iou"] for one in held], np.float64).mean(0)
    return held[0]["from_pixels"], held[0]["pixels"], scores.tolist()


def _choose_volumes(winner: Ranked) -> Iterator[tuple[str, str, list[int]]]:
    """Yield why, the name and the places of the images of the winner's best, median and worst volume."""
    images = winner.runs[0].images
    members: dict[str, list[int]] = {}
    for place, group in enumerate(images.groups):
        members.setdefault(group, []).append(place)
    scores = _slice_scores(winner)
    known = {group: places for group, places in members.items() if len(places) >= FEWEST_SLICES}
    order = sorted(known, key=lambda group: (-float(np.nanmean(scores[known[group]])), group))
    if len(order) <= FEWEST_SLICES:
        yield from (("", group, known[group]) for group in order)
        return
    for reason, place in ((", best", 0), (", median", len(order) // 2), (", worst", len(order) - 1)):
        yield reason, order[place], known[order[place]]


def _slice_scores(row: Ranked) -> NDArray[np.float64]:
    return np.asarray(np.mean([run.images.scores for run in row.runs], axis=0))


def _draw_slices(axis: Axes, row: Ranked, places: list[int], colour: str) -> None:
    """Draw one model on one volume; slices that are not tested interrupt the line."""
    index, scores = row.runs[0].images.index[places], _slice_scores(row)[places]
    slices = np.arange(index[0], index[-1] + 1)
    values = np.full(len(slices), np.nan)
    values[index - index[0]] = scores
    axis.plot(slices - index[0] + 1, values, ".-", color=colour, linewidth=1.3, markersize=3, label=plain(row.model))
