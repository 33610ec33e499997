"""Training curves: the loss, and beside it the scores, of every model and run."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scan2seg.reporting.charts import ACCENT, SERIES, new_figure, plain, styled
from scan2seg.reporting.content import ReportRun

LOSSES = (("train_loss", SERIES[2], "-", "training"), ("validation_loss", SERIES[1], "-", "validation"))
SCORES = (
    ("validation_mean_iou", ACCENT, "-", "validation mean IoU"),
    ("train_accuracy", SERIES[2], "--", "training accuracy"),
    ("validation_accuracy", SERIES[1], "--", "validation accuracy"),
)
"""Columns of history.csv; those that a run does not have are not drawn."""


@styled
def draw_curves(models: Sequence[tuple[str, Sequence[ReportRun]]]) -> Figure | None:
    """Draw loss and scores over the epochs, a pair of panels a model, two models in a row.

    None where no model has a history.
    """
    known = [(model, [run for run in runs if run.history]) for model, runs in models]
    known = [(model, runs) for model, runs in known if runs]
    if not known:
        return None
    across = min(2, len(known))
    rows = -(-len(known) // across)
    figure, axes = new_figure(6.15 * across, 2.3 * rows + 0.4, rows, 2 * across)
    entries: dict[str, Line2D] = {}
    for place, (model, runs) in enumerate(known):
        loss, score = axes[2 * place : 2 * place + 2]
        for axis, lines in ((loss, LOSSES), (score, SCORES)):
            entries |= _draw_lines(axis, runs, lines)
            axis.set_xlabel("epoch")
        loss.set_title(f"{plain(model)}: loss")
        score.set_title("scores")
        loss.set_ylim(bottom=0)
        score.set_ylim(0, 1)
    for axis in axes[2 * len(known) :]:
        axis.set_visible(False)
    figure.legend(list(entries.values()), list(entries), loc="outside upper left", ncols=len(entries))
    return figure


def _draw_lines(axis: Axes, runs: Sequence[ReportRun], lines: Sequence[tuple[str, str, str, str]]) -> dict[str, Line2D]:
    """Draw the columns of all runs; return one line a label, for the legend."""
    drawn: dict[str, Line2D] = {}
    for name, colour, style, label in lines:
        for run in runs:
            epochs, values = run.history.curve(name)
            if epochs:
                line = axis.plot(epochs, values, color=colour, linestyle=style, linewidth=1.3, alpha=0.8)[0]
                drawn.setdefault(label, line)
    return drawn
