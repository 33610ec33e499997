"""Figures stay legible: tick labels do not run into each other, however near the values are."""

from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scan2seg.reporting.tradeoff import _log_scale


@pytest.mark.parametrize("values", [(1680, 2480), (0.036, 0.039), (5, 5), (0.9, 7.9), (3, 900), (1, 1e7)])
def test_ticks_of_a_logarithmic_axis_stand_apart(values: tuple[float, float]) -> None:
    figure = Figure(figsize=(3, 2))
    axis = figure.add_subplot()
    axis.plot(values, (0, 1), "o")
    _log_scale(axis, values)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    left, right = axis.get_xlim()
    ticks = zip(axis.get_xticks(), axis.get_xticklabels(), strict=True)
    boxes = [label.get_window_extent(canvas.get_renderer()) for place, label in ticks if left <= place <= right]
    assert boxes
    assert all(first.x1 < second.x0 for first, second in pairwise(boxes))
