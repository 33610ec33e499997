"""How good the models are on each volume or patient: a table and a chart of the distribution over cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.case_scores import case_rows, known_values, mean_known
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.statistics import bootstrap_mean
from scan2seg.reporting import tables
from scan2seg.reporting.charts import ACCENT, MOST_FIGURED, PLAIN, new_figure, plain, styled
from scan2seg.reporting.tables import Cell, Table


@dataclass(frozen=True)
class Cases:
    """The cases of a model, (cases,), mean over its replicates: Dice, distances in µm, NaN where there is none."""

    model: str
    names: list[str]
    dice: NDArray[np.float64]
    hausdorff: NDArray[np.float64]
    distance: NDArray[np.float64]


def read_cases(rows: Sequence[Ranked]) -> list[Cases]:
    """Return the cases of every model, as its runs were scored on them; none where images are no slices."""
    return [_read_model(row) for row in rows if all(case_rows(run.metrics) for run in row.runs)]


def describe_cases(rows: Sequence[Ranked]) -> str:
    """Say why cases have no score as a whole; empty where all have one."""
    found = case_rows(rows[0].runs[0].metrics)
    reasons = [f"{row['case']}: {row['reason']}" for row in found if row["reason"] and not known_values(row["dice"])]
    if not reasons:
        return ""
    more = f", and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return f"Not scored as a whole: {'; '.join(reasons[:3])}{more}."


def case_table(scored: Sequence[Cases], published: Sequence[PublishedRow] = ()) -> Table:
    """Return mean, interval, spread, quartiles, the worst case and mean distances of every model.

    Published rows of such a mean are marked below them.
    """
    count = int(np.isfinite(scored[0].dice).sum())
    what = f"{count} whole volumes or patients" if count > 1 else "one whole volume or patient"
    caption = (
        f"Dice of {what}, the counts of all slices together: the mean over the classes that its truth holds, without "
        "the first, the background; mean over replicates. ± spread is the standard deviation over cases; the interval "
        "is that of the mean, a bootstrap over cases."
    )
    head = [
        "model",
        "mean Dice of a case",
        "95 % interval",
        "± spread",
        "25 %",
        "median",
        "75 %",
        "worst",
        "worst case",
    ]
    head += ["Hausdorff 95 %, µm", "surface distance, µm"]
    body = [_row(cases) for cases in scored]
    kept = [place for place in range(len(head)) if any(row[place].text != tables.UNKNOWN for row in body)]
    marked = [_published_cells(row, len(head)) for row in published if row.mean_case_dice is not None]
    ours, theirs = ([[row[at] for at in kept] for row in rows] for rows in (body, marked))
    return Table([head[at] for at in kept], ours, theirs, caption=caption, best=0)


def case_headline(scored: Sequence[Cases], winner: str) -> list[tuple[str, str]]:
    """Return the winner's scores of whole volumes or patients, as pairs of words; none where none is tested whole."""
    found = next((cases for cases in scored if cases.model == winner), None)
    known = found.dice[np.isfinite(found.dice)] if found is not None else np.empty(0)
    if found is None or not known.size:
        return []
    spread = f" ± {tables.number(float(known.std(ddof=1))).text} over {known.size}" if known.size > 1 else ""
    pairs = [("Dice of a case", f"{tables.number(float(known.mean())).text}{spread}")]
    distance = _mean(found.distance)
    return pairs + ([("surface distance of a case", f"{distance:.3g} µm")] if distance is not None else [])


@styled
def draw_cases(scored: Sequence[Cases]) -> Figure | None:
    """Draw the middle half, the median and a point a case for the first models; None with fewer than two cases."""
    shown = [(cases.model, cases.dice[np.isfinite(cases.dice)]) for cases in scored[:MOST_FIGURED]]
    if not shown or len(shown[0][1]) < 2:
        return None
    figure, (axes,) = new_figure(8.2, 0.9 + 0.34 * len(shown))
    for place, (_, values) in enumerate(shown):
        colour = ACCENT if place == 0 else PLAIN
        low, middle, high = np.percentile(values, [25, 50, 75]).tolist()
        axes.plot([low, high], [place, place], color=colour, linewidth=8, alpha=0.3, solid_capstyle="butt")
        axes.plot([middle] * 2, [place - 0.28, place + 0.28], color=colour, linewidth=2.5)
        axes.plot(values, [place] * len(values), "o", color=colour, markersize=3.5, alpha=0.6)
    axes.set_yticks(range(len(shown)), [plain(model) for model, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("Dice of a case: line = median, band = middle half, dots = cases")
    axes.grid(axis="y", visible=False)
    return figure


def _published_cells(row: PublishedRow, count: int) -> list[Cell]:
    note = "; ".join(part for part in (row.source, row.protocol, row.note) if part)
    cells = [Cell(row.model, note=note, badge="published"), tables.number(row.mean_case_dice)]
    return cells + [Cell("")] * (count - len(cells))


def _row(cases: Cases) -> list[Cell]:
    known = np.flatnonzero(np.isfinite(cases.dice))
    if not known.size:
        return [tables.text(cases.model), *[Cell(tables.UNKNOWN)] * 10]
    values = cases.dice[known]
    worst = int(known[np.argmin(values)])
    numbers = [float(values.std(ddof=1)) if known.size > 1 else None]
    numbers += [*np.percentile(values, [25, 50, 75]).tolist(), float(cases.dice[worst])]
    distances = [_mean(cases.hausdorff), _mean(cases.distance)]
    cells = [tables.text(cases.model), tables.number(float(values.mean())), tables.interval(bootstrap_mean(values))]
    cells += [*map(tables.number, numbers), tables.text(cases.names[worst])]
    return [*cells, *(tables.number(value, 2) for value in distances)]


def _read_model(row: Ranked) -> Cases:
    names = [case["case"] for case in case_rows(row.runs[0].metrics)]
    found = {
        key: np.mean([[mean_known(case[key]) for case in case_rows(run.metrics)] for run in row.runs], axis=0)
        for key in ("dice", "hausdorff_95", "surface_distance")
    }
    return Cases(row.model, names, found["dice"], found["hausdorff_95"], found["surface_distance"])


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None
