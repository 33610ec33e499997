"""Training curves: the loss, and beside it the scores, of every model and run."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scan2seg.reporting.charts import SERIES, new_figure, plain, styled
from scan2seg.reporting.content import ReportRun

TRAINING, VALIDATION = SERIES[2], SERIES[1]
LOSSES = (("train_loss", TRAINING, "-"), ("validation_loss", VALIDATION, "-"))
SCORES = (
    ("train_mean_iou", TRAINING, "-"),
    ("validation_mean_iou", VALIDATION, "-"),
    ("train_accuracy", TRAINING, "--"),
    ("validation_accuracy", VALIDATION, "--"),
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
    for place, (model, runs) in enumerate(known):
        loss, score = axes[2 * place : 2 * place + 2]
        for axis, lines in ((loss, LOSSES), (score, SCORES)):
            _draw_lines(axis, runs, lines)
            axis.set_xlabel("epoch")
        accuracy = any(run.history.curve(name)[0] for run in runs for name, _, style in SCORES if style == "--")
        loss.set_title(f"{plain(model)}: loss")
        score.set_title("mean IoU; dashed: pixel accuracy" if accuracy else "mean IoU")
        loss.set_ylim(bottom=0)
        score.set_ylim(0, 1)
    for axis in axes[2 * len(known) :]:
        axis.set_visible(False)
    entries = {"training": TRAINING, "validation": VALIDATION}
    handles = [Line2D([], [], color=colour, linewidth=1.3) for colour in entries.values()]
    figure.legend(handles, list(entries), loc="outside upper left", ncols=2)
    return figure


def _draw_lines(axis: Axes, runs: Sequence[ReportRun], lines: Sequence[tuple[str, str, str]]) -> None:
    for name, colour, style in lines:
        for run in runs:
            epochs, values = run.history.curve(name)
            if epochs:
                axis.plot(epochs, values, color=colour, linestyle=style, linewidth=1.3, alpha=0.8, label=name)
