"""Tables of the page, and numbers as people read them."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

UNKNOWN = "–"
LETTERS = 150
"""That a line of a table has room for on a printed sheet."""


@dataclass(frozen=True)
class Cell:
    """One cell: what is shown, what it is sorted by, how strongly it is tinted (0 to 1, None for not), its badge.

    A value that cannot be compared with those of other rows is not ``ranked``: its column is not sorted by it.
    """

    text: str
    key: float | str | None = None
    heat: float | None = None
    note: str = ""
    badge: str = ""
    ranked: bool = True

    @property
    def sort_key(self) -> str:
        """The key as text; unknown and unranked values are empty and sort last."""
        return "" if self.key is None or not self.ranked else str(self.key)


@dataclass(frozen=True)
class Table:
    """A sortable table; marked rows come from elsewhere and stay below the others, ``best`` is the row to stress.

    ``controls`` stand below all others; ``alarm`` says that one of them failed.
    """

    columns: list[str]
    rows: list[list[Cell]]
    marked: list[list[Cell]] = field(default_factory=list)
    caption: str = ""
    best: int | None = None
    controls: list[list[Cell]] = field(default_factory=list)
    alarm: str = ""

    @property
    def fits_paper(self) -> bool:
        """Whether the headings have room on a sheet without a word of them being parted."""
        return sum(2 + max(map(len, column.split()), default=0) for column in self.columns) <= LETTERS


def text(value: str, note: str = "") -> Cell:
    """Return a cell of text, sorted alphabetically."""
    return Cell(value, value.lower(), note=note)


def number(value: Any, digits: int = 3, *, sign: bool = False, heat: bool = False, note: str = "") -> Cell:
    """Return a cell of a number with fixed digits; unknown values show a dash; heat tints by the value, 0 to 1."""
    known = as_number(value)
    if known is None:
        return Cell(UNKNOWN, note=note)
    shown = f"{known:{'+' if sign else ''}.{digits}f}".replace("-", "−")
    return Cell(shown, known, min(max(known, 0.0), 1.0) if heat else None, note)


def percent(value: Any, digits: int = 1, *, sign: bool = False) -> Cell:
    """Return a cell of a share in percent."""
    known = as_number(value)
    cell = number(None if known is None else 100 * known, digits, sign=sign)
    return cell if known is None else Cell(f"{cell.text} %", known)


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> Cell:
    """Return a cell of an interval, sorted by its middle."""
    if bounds is None:
        return Cell(UNKNOWN)
    low, high = (number(bound, digits).text for bound in bounds)
    return Cell(f"{low} to {high}", (bounds[0] + bounds[1]) / 2)


def p_value(value: float | None) -> Cell:
    """Return a cell of a p value with two significant digits."""
    if value is None:
        return Cell(UNKNOWN)
    return Cell("< 0.001" if value < 0.001 else f"{value:.2g}", value)


def duration(seconds: Any) -> Cell:
    """Return a cell of a time in the unit that suits it."""
    known = as_number(seconds)
    if known is None:
        return Cell(UNKNOWN)
    for limit, factor, unit in ((1, 1e3, "ms"), (120, 1, "s"), (7200, 1 / 60, "min"), (math.inf, 1 / 3600, "h")):
        if known < limit:
            return Cell(f"{known * factor:.3g} {unit}", known)
    return Cell(UNKNOWN)


def side_by_side(cell: Cell, comparable: bool) -> Cell:
    """Return a cell that its column is sorted by only where its values can be compared."""
    return replace(cell, ranked=comparable)


def quantity(value: Any, unit: str = "") -> Cell:
    """Return a cell of a large number with three digits and a metric prefix, such as 24.4 M."""
    known = as_number(value)
    if known is None:
        return Cell(UNKNOWN)
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(known) >= factor:
            return Cell(f"{known / factor:.3g} {prefix}{unit}", known)
    return Cell(f"{known:.3g} {unit}".strip(), known)


def as_number(value: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
