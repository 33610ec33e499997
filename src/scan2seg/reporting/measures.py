"""The part of a dataset's section that shows the measures beside IoU."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from scan2seg.documents import Json
from scan2seg.evaluation.measures.rank_tests import RankComparison, compare_ranks, seeds_needed
from scan2seg.evaluation.metrics import mean_iou
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.run_measures import MEASURE_WORDS, MEASURES, average, describe_unit
from scan2seg.evaluation.units import MINIMUM_UNITS
from scan2seg.reporting import measure_figures as draw
from scan2seg.reporting import tables
from scan2seg.reporting.content import ReportRun
from scan2seg.reporting.pictures import Picture
from scan2seg.reporting.tables import UNKNOWN, Cell, Table
from scan2seg.reporting.uncertainty import uncertainty_pictures

Chart = Callable[[str, Any, str], Markup | None]
LENGTHS = ("hausdorff_95", "surface_distance", "case_hausdorff_95", "case_surface_distance")
FEWEST_MODELS = 4
MOST_SEEDS = 1000


@dataclass(frozen=True)
class MeasuresSection:
    """What the page shows of the measures; what does not exist is None or empty."""

    table: Table
    reliability: Markup | None = None
    edges: Markup | None = None
    volumes: Markup | None = None
    ranks: Markup | None = None
    notes: list[str] = field(default_factory=list)
    maps: dict[str, list[Picture]] = field(default_factory=dict)


def build_measures(
    stack: Path | None, rows: Sequence[Ranked], runs: Sequence[ReportRun], chart: Chart, images: Sequence[str]
) -> MeasuresSection | None:
    """Build the part of one dataset; None where its runs were scored without these measures.

    Args:
        stack: the images, None where they do not exist.
        rows: the ranked models, best first.
        runs: their runs.
        chart: makes a chart of a name, a figure and a description.
        images: names of the test images that are shown, for which maps are drawn.
    """
    if not any(run.metrics.get("measures") for row in rows for run in row.runs):
        return None
    found = _compare_ranks(rows)
    return MeasuresSection(
        measures_table(rows),
        chart("reliability", draw.reliability(rows), "Reliability of the models"),
        chart("edge_distance", draw.edge_distance(rows), "Mean IoU against the distance to the image's edge"),
        chart("along_volumes", draw.along_volumes(rows), "Mean IoU along volumes"),
        chart("mean_ranks", draw.mean_ranks(rows, found) if found else None, "Mean ranks and critical difference"),
        [words for words in (describe_ranks(rows, found), describe_seeds(rows)) if words],
        uncertainty_pictures(stack, rows, runs, images) if stack is not None else {},
    )


def measures_table(rows: Sequence[Ranked]) -> Table:
    """Return the measures of every model, means over its replicates; those that no model has are left out."""
    unit = describe_unit(rows[0].runs[0])
    known = [name for name in MEASURES if any(average(row, name) is not None for row in rows)]
    known = [name for name in known if name != "case_dice"]  # has a table of its own, by the case
    head = ["model", *(MEASURE_WORDS[name].format(unit=unit) for name in known)]
    body = [[tables.text(row.model), *(_cell(row, name) for name in known)] for row in rows]
    return Table(head, body, best=0, caption=_caption(rows[0]))


def describe_seeds(rows: Sequence[Ranked]) -> str:
    """Say how many runs a model would tell the first two rows apart; empty where the spread of one is unknown."""
    if len(rows) < 2 or any(row.spread is None or row.mean is None for row in rows[:2]):
        return ""
    first, second = rows[:2]
    difference = float(first.mean or 0) - float(second.mean or 0)
    spread = math.sqrt((float(first.spread or 0) ** 2 + float(second.spread or 0) ** 2) / 2)
    pair = f"{first.model} and {second.model}"
    if not difference or not spread:
        return ""
    needed = seeds_needed(difference, spread, most=MOST_SEEDS)
    have = min(len(first.values), len(second.values))
    many = f"{MOST_SEEDS:,} or more" if needed >= MOST_SEEDS else str(needed)
    words = (
        f"Seeds: {pair} differ by {difference:.4f} in mean IoU, and one run spreads by {spread:.4f} over replicates. "
        f"To tell such a difference from the luck of training (t-test at 5 %, found in 8 of 10 cases) takes {many} "
        f"runs of each; there {'is' if have == 1 else 'are'} {have}."
    )
    return words + " It says nothing of other test images."


def describe_ranks(rows: Sequence[Ranked], found: RankComparison | None) -> str:
    """Say what the mean ranks tell of more than three models, or that there is too little to tell."""
    if len(rows) < FEWEST_MODELS:
        return ""
    units = rows[0].units
    if found is None:
        return (
            f"Mean ranks of the {len(rows)} models need at least {MINIMUM_UNITS} independent units, not {units.words}."
        )
    alike = "the models differ" if found.p < 0.05 else "the models are not told apart"
    return (
        f"Mean ranks are over {units.words}; by Friedman's test {alike} (p {_p_words(found.p)}). By Nemenyi's, two "
        f"models differ where their mean ranks are {found.critical:.2f} or more apart (5 %); a bar joins the others."
    )


def _p_words(value: float) -> str:
    shown = tables.p_value(value).text
    return shown if shown.startswith("<") else f"= {shown}"


def _compare_ranks(rows: Sequence[Ranked]) -> RankComparison | None:
    """Rank more than three models by their mean IoU on each independent unit; None with too few units."""
    if len(rows) < FEWEST_MODELS or not rows[0].units.enough:
        return None
    return compare_ranks(np.stack([mean_iou(row.counts).mean(0) for row in rows], axis=1))


def _cell(row: Ranked, name: str) -> Cell:
    value = average(row, name)
    if name not in LENGTHS:
        return tables.number(value)
    note = _describe_missing(row) if name == "hausdorff_95" else ""
    if value is None:
        return Cell(UNKNOWN, note=note)
    digits = 2 if value == 0 else max(0, 2 - math.floor(math.log10(value)))
    return Cell(f"{value:,.{digits}f}", value, note=note)


def _describe_missing(row: Ranked) -> str:
    """Say in how many images a class was missed, invented or not measured, mean over the replicates."""
    words = {"missed": "missed", "invented": "invented", "too_large": "too large"}
    found = []
    for key, word in words.items():
        counts = [
            sum(region["images"][key] for region in run.metrics["measures"]["classes"].values())
            for run in row.runs
            if run.metrics.get("measures")
        ]
        found += [f"{np.mean(counts):,.3g} {word}"] if any(counts) else []
    return ", ".join(found)


def _caption(row: Ranked) -> str:
    held: Json = next((run.metrics["measures"] for run in row.runs if run.metrics.get("measures")), {})
    caption = (
        f"Means over replicates. Surfaces and particles are of every class but {held.get('background', 'the first')}, "
        "the mean over images and then over classes. Below a distance stands in how many images a class was missed or "
        "invented: those have no distance, and a boundary F1 of 0."
    )
    cases = held.get("cases") or {}
    reasons = list(dict.fromkeys(item["reason"] for item in cases.get("rows", []) if item["reason"]))
    if cases:
        caption += f" {cases['scored']} of {cases['cases']} volumes or patients are scored as a whole"
        caption += f"; the first reason against it: {reasons[0]}." if reasons else "."
    return caption
