"""The charts of the report: ranking, cost, training curves, phase fractions."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from scan2seg.evaluation.comparison import cost
from scan2seg.evaluation.ranking import Ranked
from scan2seg.reporting.charts import ACCENT, INK, PLAIN, PUBLISHED, SERIES, new_figure, plain, styled
from scan2seg.reporting.content import ReportRun
from scan2seg.reporting.tables import as_number

Json = dict[str, Any]
MOST_CLASSES = 8
"""More classes than this do not fit a chart of one panel a class."""
MOST_NAMES = 8
"""With more models than this, points of the cost plot carry ranks instead of names."""


@styled
def ranking(rows: Sequence[Ranked], published: Sequence[Json]) -> Figure:
    """Draw mean IoU of every model: mean, replicates and 95 % interval; published values below, hollow."""
    literature = [row for row in published if as_number(row.get("mean_iou")) is not None]
    count = len(rows) + len(literature)
    figure, (axes,) = new_figure(8.2, 0.9 + 0.3 * count)
    for place, row in enumerate(rows):
        colour = ACCENT if place == 0 else PLAIN
        if row.interval:
            axes.plot(row.interval, [place, place], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.plot(row.values, [place] * len(row.values), "o", color=colour, markersize=4, alpha=0.7)
        if row.mean is not None:
            axes.plot([row.mean] * 2, [place - 0.28, place + 0.28], color=colour, linewidth=2.5)
    for place, published_row in enumerate(literature, start=len(rows)):
        value = float(published_row["mean_iou"])
        axes.plot([value], [place], "D", color=PUBLISHED, markerfacecolor="none", markersize=6)
    if literature:
        axes.axhline(len(rows) - 0.5, color=INK, linewidth=0.6, linestyle=(0, (2, 3)))
    names = [row.model for row in rows] + [f"{row.get('model')} (published)" for row in literature]
    axes.set_yticks(range(count), [plain(name) for name in names])
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xlabel("mean IoU: line = mean, dots = replicates, band = 95 % interval")
    axes.grid(axis="y", visible=False)
    return figure


@styled
def cost_plot(rows: Sequence[Ranked]) -> Figure | None:
    """Draw mean IoU against training time and against prediction speed; None where nothing is known of either."""
    views = [
        ("training_seconds", 1.0, "training time, s"),
        ("prediction_pixels_per_second", 1e-6, "prediction speed end to end, megapixel/s"),
        ("parameters", 1e-6, "parameters, millions"),
    ]
    shown = []
    for name, factor, label in views:
        points = [(row, row.average(lambda run, name=name: _float_cost(run, name))) for row in rows]  # type: ignore[misc]
        known = [(row, value * factor) for row, value in points if value and row.mean is not None]
        if known:
            shown.append((known, label))
    if not shown:
        return None
    figure, axes = new_figure(4.1 * len(shown), 3.4, 1, len(shown))
    for axis in axes[1:]:
        axis.sharey(axes[0])
    for axis, (known, label) in zip(axes, shown, strict=True):
        _scatter(axis, [(value, float(row.mean or 0), row.model) for row, value in known], rows[0].model)
        axis.set_xlabel(label)
    axes[0].set_ylabel("mean IoU")
    return figure


@styled
def curves(models: Sequence[tuple[str, Sequence[ReportRun]]]) -> Figure | None:
    """Draw loss and validation mean IoU over epochs, a panel a model; None where no model has a history."""
    known = [(model, [run for run in runs if run.history]) for model, runs in models]
    known = [(model, runs) for model, runs in known if runs]
    if not known:
        return None
    columns = min(3, len(known))
    rows = math.ceil(len(known) / columns)
    figure, axes = new_figure((6.0, 8.2, 12.3)[columns - 1], 2.6 * rows, rows, columns)
    for axis, (model, runs) in zip(axes, known, strict=False):
        _curve_panel(axis, runs)
        axis.set_title(plain(model))
    for axis in axes[len(known) :]:
        axis.set_visible(False)
    handles = [*axes[0].get_lines()[:2], figure.axes[len(axes)].get_lines()[0]]
    figure.legend(handles, [str(line.get_label()) for line in handles], loc="outside upper left", ncols=3)
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


def _scatter(axis: Axes, points: list[tuple[float, float, str]], best: str) -> None:
    """Draw points with their names, or with their ranks where there are many; labels step aside for each other."""
    for value, score, model in points:
        axis.plot([value], [score], "o", color=ACCENT if model == best else PLAIN, markersize=6)
    _log_scale(axis, [value for value, _, _ in points])
    left, right = (math.log10(edge) for edge in axis.get_xlim())
    low, high = axis.get_ylim()
    places = [((math.log10(value) - left) / (right - left), (score - low) / (high - low)) for value, score, _ in points]
    taken = [(x - 0.012, x + 0.012, y) for x, y in places]
    for rank, (value, _, model) in enumerate(points, start=1):
        label = plain(model) if len(points) <= MOST_NAMES else str(rank)
        x, y = places[rank - 1]
        y = _free_height(x + 0.02, y, 0.03 + 0.02 * len(label), taken)
        offset: Json = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
        weight = "bold" if model == best else "normal"
        axis.annotate(label, (value, low + y * (high - low)), fontsize=8, fontweight=weight, **offset)


def _free_height(x: float, y: float, width: float, taken: list[tuple[float, float, float]]) -> float:
    """Return the height nearest to y, in parts of the axes, at which a label overlaps none before it."""
    step = 0.062
    for shift in (0, 1, -1, 2, -2, 3, -3):
        found = y + shift * step
        if all(abs(found - other) > 0.9 * step or x > end or x + width < start for start, end, other in taken):
            break
    taken.append((x, x + width, found))
    return found


def _log_scale(axis: Axes, values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with room for labels on the right and plain numbers as ticks."""
    low, high = min(values), max(values)
    room = max(math.log10(high / low), 0.3)
    axis.set_xscale("log")
    axis.set_xlim(low / 10 ** (0.1 * room), high * 10 ** (0.6 * room))
    axis.margins(y=0.12)
    if room < 0.7:  # too narrow for two powers or their halves
        axis.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    else:
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0,) if room > 1.5 else (1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())


def _curve_panel(axis: Axes, runs: Sequence[ReportRun]) -> None:
    score = axis.twinx()
    score.set_ylim(0, 1)
    score.grid(visible=False)
    lines = [
        (axis, "train_loss", SERIES[2], "training loss"),
        (axis, "validation_loss", SERIES[1], "validation loss"),
        (score, "validation_mean_iou", ACCENT, "validation mean IoU (right axis)"),
    ]
    for place, run in enumerate(runs):
        for target, name, colour, label in lines:
            shown = label if place == 0 else None  # one entry of the legend for all runs
            target.plot(*run.history.curve(name), color=colour, linewidth=1.4, alpha=0.8, label=shown)
    axis.set_xlabel("epoch")
    axis.set_ylim(bottom=0)


def _fraction(row: Ranked, name: str, kind: str) -> float | None:
    return row.average(lambda run: _run_fraction(run.metrics, name, kind))


def _run_fraction(metrics: Json, name: str, kind: str) -> float | None:
    found = metrics.get("microstructure", {}).get("classes", {}).get(name, {}).get(kind, {})
    return as_number(found.get("phase_fraction"))


def _float_cost(run: Any, name: str) -> float | None:
    return as_number(cost(run, name))
