"""How charts look and where they go: one figure is a PNG in the figures folder and an inline SVG of the page.

In the SVG text and lines take the page's own colours, so that charts follow its light and dark theme.
"""

import base64
import io
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PIXELS_PER_INCH = 92  # of the page: nine points become the size of its small print
INK, GRID = "#14181d", "#d5dae1"
ACCENT, PLAIN, PUBLISHED = "#0b7a75", "#7b8794", "#b7791f"
MOST_FIGURED = 20
"""Figures show this many models, the best; tables show all."""
SERIES = ("#0b7a75", "#c2571a", "#4c6fb1", "#a8467f", "#7a8b1f", "#6b5ca5", "#b7791f", "#3a9bc1")
_REPLACED = {INK: "currentColor", GRID: "var(--line)", ACCENT: "var(--accent)", PLAIN: "var(--muted)"}
_STYLE: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


class FigureFolder:
    """Writes figures as PNG files into a folder and returns them for the page."""

    def __init__(self, folder: Path) -> None:
        """Write into a folder that exists."""
        self.folder = folder

    def chart(self, name: str, figure: Figure, description: str) -> Markup:
        """Save a chart and return it as SVG with a description for those who cannot see it."""
        figure.savefig(self.folder / f"{name}.png", dpi=150, facecolor="white")
        buffer = io.StringIO()
        with rc_context({**_STYLE, "svg.hashsalt": name, "svg.id": None}):
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        body = buffer.getvalue()
        body = body[body.index("<svg") :]
        for colour, variable in _REPLACED.items():
            body = body.replace(colour, variable)
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
        body = re.sub(r"\bid=\"(?:figure|patch|legend|axes|matplotlib|text|line2d|xtick|ytick)\.?[\w.]*\"", "", body)
        body = re.sub(r"font: ([^;\"']*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--font)", body)
        label = Markup.escape(description)
        width = figure.get_figwidth() * PIXELS_PER_INCH
        opening = f'<svg role="img" aria-label="{label}" class="chart" style="max-width:{width:.0f}px" '
        return Markup(body.replace("<svg ", opening, 1))


styled = rc_context(_STYLE)
"""Decorator of a function that draws: text, axes and legends take the style of the report."""


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure in inches and its axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def plain(name: Any) -> str:
    """Return text that matplotlib does not take for a formula, shortened where it is very long."""
    shown = str(name).replace("$", r"\$")
    return shown if len(shown) <= 40 else shown[:39] + "…"


def data_uri(content: bytes, kind: str = "png") -> str:
    """Return the bytes of a picture as a data URI."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")
