"""What accuracy costs: mean IoU against time and size, with the models that no other beats in both."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from scan2seg.documents import Json
from scan2seg.evaluation.costs import cost
from scan2seg.evaluation.hardware import are_comparable
from scan2seg.evaluation.ranking import Ranked
from scan2seg.reporting.charts import ACCENT, PLAIN, new_figure, plain, styled
from scan2seg.reporting.tables import as_number

Point = tuple[float, float, str]
"""Cost, mean IoU, model."""
TIMES = (
    ("prediction_seconds_per_image", 1.0, "prediction of an image, s"),
    ("training_seconds", 1.0, "training, s"),
)
SIZES = (
    ("prediction_pixels_per_second", 1e-6, "prediction speed end to end, megapixel/s"),
    ("parameters", 1e-6, "parameters, millions"),
    ("flops", 1e-9, "GFLOP a patch"),
)
MOST_NAMES = 8
"""With more models than this, the winner and the Pareto front carry names, the others none."""


@styled
def draw_times(rows: Sequence[Ranked], width: float = 5.6, height: float = 3.0) -> Figure | None:
    """Draw mean IoU against the times of prediction and training, with the Pareto front; None where none is known.

    Times of unlike hardware have no front, since they cannot be ranked.
    """
    return _draw(rows, TIMES, width, height, front=True)


@styled
def draw_sizes(rows: Sequence[Ranked]) -> Figure | None:
    """Draw mean IoU against prediction speed, parameters and operations; None where none of them is known."""
    return _draw(rows, SIZES, 12.3, 3.2, front=False)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats: every other one costs more or scores less; by rising cost.

    Of points that are equal in cost and score all are kept.
    """
    return sorted(
        point
        for point in points
        if not any(
            other[0] <= point[0] and other[1] >= point[1] and (other[0], other[1]) != (point[0], point[1])
            for other in points
        )
    )


def _draw(
    rows: Sequence[Ranked], views: Sequence[tuple[str, float, str]], width: float, height: float, front: bool
) -> Figure | None:
    shown = []
    for name, factor, label in views:
        points = _points(rows, name, factor)
        ranked = front and are_comparable(rows, name)
        if points:
            words = label if ranked or not front else f"{label} (unlike hardware)"
            shown.append((points, words, pareto_front(points) if ranked else []))
    if not shown:
        return None
    inches = width / len(views)
    figure, axes = new_figure(inches * len(shown), height, 1, len(shown))
    for axis in axes[1:]:
        axis.sharey(axes[0])
    for axis, (points, label, best) in zip(axes, shown, strict=True):
        _scatter(axis, points, rows[0].model, best)
        axis.set_xlabel(label)
    for axis, (points, _, best) in zip(axes, shown, strict=True):  # once the common height is known
        _write_names(axis, points, rows[0].model, best, inches)
    axes[0].set_ylabel("mean IoU")
    return figure


def _points(rows: Sequence[Ranked], name: str, factor: float) -> list[Point]:
    values = [(row, row.average(lambda run: as_number(cost(run, name)))) for row in rows]
    return [(value * factor, row.mean, row.model) for row, value in values if value and row.mean is not None]


def _scatter(axis: Axes, points: Sequence[Point], winner: str, front: Sequence[Point]) -> None:
    """Draw the points, those of the front as diamonds with a line through them."""
    if len(front) > 1:
        axis.step(*zip(*(point[:2] for point in front), strict=True), where="post", color=ACCENT, linewidth=1.1)
    for point in points:
        colour = ACCENT if point[2] == winner or point in front else PLAIN
        axis.plot([point[0]], [point[1]], "D" if point in front else "o", color=colour, markersize=5.5)
    _log_scale(axis, [value for value, _, _ in points])


def _write_names(axis: Axes, points: Sequence[Point], winner: str, front: Sequence[Point], inches: float) -> None:
    """Write names beside points, on the side that has room; they step aside for each other."""
    left, right = (math.log10(edge) for edge in axis.get_xlim())
    low, high = axis.get_ylim()

    def place(point: Point) -> tuple[float, float]:
        return (math.log10(point[0]) - left) / (right - left), (point[1] - low) / (high - low)

    taken = [(x - 0.012, x + 0.012, y) for x, y in map(place, points)]
    for point in points:
        if len(points) > MOST_NAMES and point not in front and point[2] != winner:
            continue
        label = plain(point[2])
        x, y = place(point)
        width = 0.02 + 0.08 * len(label) / inches
        before = x + width > 1 and x > 0.5
        y = _free_height(x - 0.02 - width if before else x + 0.02, y, width, taken)
        lift = 6 if point in front else 0  # off the line
        offset: Json = {"xytext": (-7 if before else 7, lift), "textcoords": "offset points", "va": "center"}
        weight = "bold" if point[2] == winner else "normal"
        where = (point[0], low + y * (high - low))
        axis.annotate(label, where, fontsize=8, fontweight=weight, ha="right" if before else "left", **offset)


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
    axis.set_xlim(low / 10 ** (0.15 * room), high * 10 ** (0.35 * room))
    axis.margins(y=0.12)
    if room < 0.7:  # too narrow for two powers or their halves
        axis.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    else:
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0,) if room > 1.5 else (1.0, 2.0, 5.0), numticks=4))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
