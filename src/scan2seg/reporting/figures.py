"""The charts of scores: ranking and phase fractions."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from scan2seg.config.published import PublishedRow
from scan2seg.documents import Json
from scan2seg.evaluation.ranking import Ranked
from scan2seg.reporting.charts import ACCENT, INK, PLAIN, PUBLISHED, new_figure, plain, styled
from scan2seg.reporting.tables import as_number

MOST_CLASSES = 8
"""More classes than this do not fit a chart of one panel a class."""


@styled
def ranking(rows: Sequence[Ranked], published: Sequence[PublishedRow]) -> Figure:
    """Draw mean IoU of every model: mean, replicates and 95 % interval; published values below, hollow."""
    literature = [(row.model, row.mean_iou) for row in published if row.mean_iou is not None]
    count = len(rows) + len(literature)
    figure, (axes,) = new_figure(8.2, 0.9 + 0.3 * count)
    for place, row in enumerate(rows):
        colour = ACCENT if place == 0 else PLAIN
        if row.interval:
            axes.plot(row.interval, [place, place], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.plot(row.values, [place] * len(row.values), "o", color=colour, markersize=4, alpha=0.7)
        if row.mean is not None:
            axes.plot([row.mean] * 2, [place - 0.28, place + 0.28], color=colour, linewidth=2.5)
    for place, (_, value) in enumerate(literature, start=len(rows)):
        axes.plot([value], [place], "D", color=PUBLISHED, markerfacecolor="none", markersize=6)
    if literature:
        axes.axhline(len(rows) - 0.5, color=INK, linewidth=0.6, linestyle=(0, (2, 3)))
    names = [row.model for row in rows] + [f"{model} (published)" for model, _ in literature]
    axes.set_yticks(range(count), [plain(name) for name in names])
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xlabel("mean IoU: line = mean, dots = replicates, band = 95 % interval")
    axes.grid(axis="y", visible=False)
    return figure


@styled
def phase_fractions(rows: Sequence[Ranked], classes: Sequence[str]) -> Figure | None:
    """Draw predicted phase fractions of every model, a panel a class, with a line at the truth."""
    shown = [name for name in classes if _fraction(rows[0], name, "truth") is not None][:MOST_CLASSES]
    if not shown:
        return None
    columns = min(4, len(shown))
    lines = math.ceil(len(shown) / columns)
    figure, axes = new_figure(12.3 if columns > 2 else 4.6 * columns, (0.9 + 0.22 * len(rows)) * lines, lines, columns)
    for place, (axis, name) in enumerate(zip(axes, shown, strict=False)):
        axis.axvline(100 * (_fraction(rows[0], name, "truth") or 0), color=INK, linewidth=1.2)
        for level, row in enumerate(rows):
            for run in row.runs:
                value = _run_fraction(run.metrics, name, "prediction")
                if value is not None:
                    axis.plot(
                        [100 * value], [level], "o", color=ACCENT if level == 0 else PLAIN, markersize=5, alpha=0.8
                    )
        first = place % columns == 0
        axis.set_yticks(range(len(rows)), [plain(row.model) for row in rows] if first else [""] * len(rows))
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(plain(name))
        axis.set_xlabel("% of pixels; line = truth")
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    return figure


def _fraction(row: Ranked, name: str, kind: str) -> float | None:
    return row.average(lambda run: _run_fraction(run.metrics, name, kind))


def _run_fraction(metrics: Json, name: str, kind: str) -> float | None:
    found = metrics.get("microstructure", {}).get("classes", {}).get(name, {}).get(kind, {})
    return as_number(found.get("phase_fraction"))
