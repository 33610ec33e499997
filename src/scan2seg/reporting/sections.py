"""The sections of the page: every dataset's ranking, classes, cost, curves, pictures, data."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from scan2seg.config.published import PublishedRow
from scan2seg.documents import Json
from scan2seg.evaluation.comparison import CHOICE, describe_scores, describe_uncertainty
from scan2seg.evaluation.hardware import describe_machines
from scan2seg.evaluation.ranking import Ranked
from scan2seg.reporting import figures as draw
from scan2seg.reporting import tables
from scan2seg.reporting.answer import answer, lead_of_the_winner, leader_table
from scan2seg.reporting.cases import case_headline, case_table, describe_cases, draw_cases, read_cases
from scan2seg.reporting.charts import MOST_FIGURED, FigureFolder
from scan2seg.reporting.content import DatasetInput, ReportRun
from scan2seg.reporting.controls import with_controls
from scan2seg.reporting.curves import draw_curves
from scan2seg.reporting.data import DataSummary, summarise
from scan2seg.reporting.measures import MeasuresSection, build_measures
from scan2seg.reporting.panels import ImagePanel, class_colours, image_panels
from scan2seg.reporting.performance import performance_table
from scan2seg.reporting.pictures import Picture
from scan2seg.reporting.plans import plan_table
from scan2seg.reporting.saliency import saliency_pictures
from scan2seg.reporting.score_tables import (
    class_table,
    confusion_table,
    cost_number,
    cost_table,
    microstructure_table,
    part_table,
    ranking_table,
)
from scan2seg.reporting.tables import Table
from scan2seg.reporting.tradeoff import draw_sizes, draw_times
from scan2seg.reporting.viewer import Viewer
from scan2seg.reporting.walks import walk_test_images


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of a model, rows normalised to the truth, summed over replicates."""

    model: str
    table: Table


@dataclass(frozen=True)
class DatasetSection:
    """All the page shows of one dataset; what does not exist is None or empty."""

    name: str
    anchor: str
    data: DataSummary | None = None
    headline: list[tuple[str, str]] = field(default_factory=list)
    winner: Ranked | None = None
    answer: str = ""
    verdict: str = ""
    leaders: Table | None = None
    tradeoff: Markup | None = None
    left_out: str = ""
    notes: list[str] = field(default_factory=list)
    ranking: Table | None = None
    ranking_chart: Markup | None = None
    classes: Table | None = None
    parts: Table | None = None
    performance: Table | None = None
    cases: Table | None = None
    cases_note: str = ""
    cases_chart: Markup | None = None
    cost: Table | None = None
    cost_chart: Markup | None = None
    plans: Table | None = None
    curves: Markup | None = None
    viewer: Viewer | None = None
    panels: list[ImagePanel] = field(default_factory=list)
    colours: list[tuple[str, str]] = field(default_factory=list)
    saliency: list[list[Picture]] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    microstructure: Table | None = None
    microstructure_chart: Markup | None = None
    hardware: list[str] = field(default_factory=list)
    measures: MeasuresSection | None = None


def build_section(
    entry: DatasetInput,
    rows: Sequence[Ranked],
    runs: Sequence[ReportRun],
    reference: str | None,
    folder: FigureFolder,
    budget: int,
) -> DatasetSection:
    """Build the section of one dataset.

    Args:
        entry: the dataset.
        rows: its ranked models, empty where nothing was trained.
        runs: its runs.
        reference: the model that the others are tested against.
        folder: where figures are written to.
        budget: bytes for the pictures that can be walked through.
    """
    name, stack = entry["name"], entry.get("stack")
    stack = stack if stack is not None and stack.exists() else None
    data = summarise(stack, entry.get("split")) if stack is not None else None
    base: Json = {"name": name, "anchor": f"dataset-{name}", "data": data}
    if not rows:
        return DatasetSection(**base)
    published = entry.get("published") or []
    tested = reference if any(row.model == reference for row in rows) else None
    chart = _Charts(folder, name)
    section = DatasetSection(
        **base,
        **_scores(rows, published, tested, chart),
        **_costs(rows, published, chart),
        **(_pictures(stack, rows, runs, folder, name, budget) if stack is not None else {}),
        curves=chart("curves", draw_curves(_by_model(rows[:MOST_FIGURED], runs)), "Training curves"),
    )
    shown = [panel.name for panel in section.panels]
    return replace(section, measures=build_measures(stack, rows, runs, chart, shown))


def _scores(rows: Sequence[Ranked], published: Sequence[PublishedRow], tested: str | None, chart: "_Charts") -> Json:
    names, figured = _class_names(rows), rows[:MOST_FIGURED]
    cases = [found for found in read_cases(rows) if np.isfinite(found.dice).any()]
    return {
        "headline": _headline(rows[0], case_headline(cases, rows[0].model)),
        "winner": rows[0],
        "answer": answer(rows),
        "verdict": lead_of_the_winner(rows),
        "leaders": leader_table(rows),
        "left_out": _left_out(len(rows)),
        "notes": [describe_scores(rows[0]), describe_uncertainty(rows[0].units, tested), CHOICE],
        "ranking": with_controls(ranking_table(rows, published, tested), rows),
        "ranking_chart": chart("ranking", draw.ranking(figured, published), "Mean IoU of the models"),
        "classes": class_table(rows, names),
        "parts": part_table(rows, published),
        "cases": case_table(cases, published) if cases else None,
        "cases_note": describe_cases(rows),
        "cases_chart": chart("cases", draw_cases(cases), "Dice of every case"),
        "confusions": [Confusion(row.model, confusion_table(row, names)) for row in rows],
        "microstructure": microstructure_table(rows[0]),
        "microstructure_chart": chart("phases", draw.phase_fractions(figured, names), "Phase fractions of the models"),
    }


def _left_out(models: int) -> str:
    if models <= MOST_FIGURED:
        return ""
    return (
        f"Figures show the best {MOST_FIGURED} of {models} models; the other {models - MOST_FIGURED} are in tables, "
        "and every model can be chosen under “Two models side by side”."
    )


def _costs(rows: Sequence[Ranked], published: Sequence[PublishedRow], chart: "_Charts") -> Json:
    return {
        "tradeoff": chart("tradeoff", draw_times(rows), "Mean IoU against time"),
        "performance": performance_table(rows, published),
        "cost": cost_table(rows),
        "cost_chart": chart("cost", draw_sizes(rows), "Mean IoU against speed and size"),
        "hardware": describe_machines(rows),
        "plans": plan_table(rows),
    }


def _pictures(
    stack: Path, rows: Sequence[Ranked], runs: Sequence[ReportRun], folder: FigureFolder, name: str, budget: int
) -> Json:
    names, figured = _class_names(rows), rows[:MOST_FIGURED]
    colours = [f"rgb{colour}" for colour in class_colours(len(names))]
    return {
        "viewer": walk_test_images(stack, rows, runs, f"viewer-{name}", budget),
        "panels": image_panels(stack, figured, runs, folder, f"images_{name}"),
        "saliency": saliency_pictures(stack, _in_order(rows, runs)),
        "colours": list(zip(names, colours, strict=True)),
    }


def _class_names(rows: Sequence[Ranked]) -> list[str]:
    return list(dict.fromkeys(label for row in rows for run in row.runs for label in run.metrics["classes"]))


@dataclass(frozen=True)
class _Charts:
    folder: FigureFolder
    dataset: str

    def __call__(self, name: str, figure: Any, description: str) -> Markup | None:
        if figure is None:
            return None
        return self.folder.chart(f"{name}_{self.dataset}", figure, f"{description}, {self.dataset}")


def _headline(winner: Ranked, of_cases: list[tuple[str, str]]) -> list[tuple[str, str]]:
    spread = f" ± {tables.number(winner.spread).text}" if winner.spread is not None else ""
    cells = [("mean IoU", f"{tables.number(winner.mean).text}{spread}")]
    cells += [("95 % interval", tables.interval(winner.interval).text), *of_cases]
    cells += [("replicate to use", winner.chosen.replicate)] if len(winner.runs) > 1 else []
    cells.append(("training", tables.duration(winner.average(lambda run: cost_number(run, "training_seconds"))).text))
    seconds = winner.average(lambda run: cost_number(run, "prediction_seconds_per_image"))
    cells.append(("prediction of one image", tables.duration(seconds).text))
    cells.append(("parameters", tables.quantity(winner.average(lambda run: cost_number(run, "parameters"))).text))
    return [(label, value) for label, value in cells if value != tables.UNKNOWN]


def _by_model(rows: Sequence[Ranked], runs: Sequence[ReportRun]) -> list[tuple[str, list[ReportRun]]]:
    wrapped = {id(run.scores): run for run in runs}
    return [(row.model, [wrapped[id(run)] for run in row.runs]) for row in rows]


def _in_order(rows: Sequence[Ranked], runs: Sequence[ReportRun]) -> list[ReportRun]:
    return [run for _, group in _by_model(rows, runs) for run in group]
