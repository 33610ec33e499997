"""The sections of the page: every dataset's ranking, classes, cost, curves, pictures, data."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup

from scan2seg.evaluation import statistics
from scan2seg.evaluation.comparison import CHOICE, describe_scores, describe_uncertainty
from scan2seg.evaluation.ranking import Ranked, compare
from scan2seg.evaluation.units import MINIMUM_UNITS
from scan2seg.reporting import figures as draw
from scan2seg.reporting import tables
from scan2seg.reporting.charts import FigureFolder
from scan2seg.reporting.content import DatasetInput, ReportRun
from scan2seg.reporting.controls import with_controls
from scan2seg.reporting.data import DataSummary, summarise
from scan2seg.reporting.measures import MeasuresSection, build_measures
from scan2seg.reporting.panels import ImagePanel, class_colours, image_panels
from scan2seg.reporting.saliency import saliency_pictures
from scan2seg.reporting.score_tables import (
    class_table,
    confusion_table,
    cost_number,
    cost_table,
    microstructure_table,
    ranking_table,
)
from scan2seg.reporting.tables import Table
from scan2seg.reporting.volumes import Picture

Json = dict[str, Any]


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
    verdict: str = ""
    notes: list[str] = field(default_factory=list)
    ranking: Table | None = None
    ranking_chart: Markup | None = None
    classes: Table | None = None
    cost: Table | None = None
    cost_chart: Markup | None = None
    curves: Markup | None = None
    panels: list[ImagePanel] = field(default_factory=list)
    colours: list[tuple[str, str]] = field(default_factory=list)
    saliency: list[list[Picture]] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    microstructure: Table | None = None
    microstructure_chart: Markup | None = None
    hardware: list[str] = field(default_factory=list)
    measures: MeasuresSection | None = None


def build_section(
    entry: DatasetInput, rows: Sequence[Ranked], runs: Sequence[ReportRun], reference: str | None, folder: FigureFolder
) -> DatasetSection:
    """Build the section of one dataset; ``rows`` are its ranked models, empty where nothing was trained."""
    name, stack, published = entry["name"], entry.get("stack"), entry.get("published") or []
    stack = stack if stack is not None and stack.exists() else None
    data = summarise(stack, entry.get("split")) if stack is not None else None
    base: Json = {"name": name, "anchor": f"dataset-{name}", "data": data}
    if not rows:
        return DatasetSection(**base)
    names = list(dict.fromkeys(label for row in rows for run in row.runs for label in run.metrics["classes"]))
    tested = reference if any(row.model == reference for row in rows) else None
    chart = _Charts(folder, name)
    colours = [f"rgb{colour}" for colour in class_colours(len(names))]
    section = DatasetSection(
        **base,
        headline=_headline(rows[0]),
        winner=rows[0],
        verdict=lead_of_the_winner(rows),
        notes=[describe_scores(rows[0]), describe_uncertainty(rows[0].units, tested), CHOICE],
        ranking=with_controls(ranking_table(rows, published, tested), rows),
        ranking_chart=chart("ranking", draw.ranking(rows, published), "Mean IoU of every model"),
        classes=class_table(rows, names),
        cost=cost_table(rows),
        cost_chart=chart("cost", draw.cost_plot(rows), "Mean IoU against cost"),
        curves=chart("curves", draw.curves(_by_model(rows, runs)), "Training curves of every model"),
        panels=image_panels(stack, rows, runs, folder, f"images_{name}") if stack is not None else [],
        saliency=saliency_pictures(stack, _in_order(rows, runs)) if stack is not None else [],
        colours=list(zip(names, colours, strict=True)),
        confusions=[Confusion(row.model, confusion_table(row, names)) for row in rows],
        microstructure=microstructure_table(rows[0]),
        microstructure_chart=chart("phases", draw.phase_fractions(rows, names), "Phase fractions of every model"),
        hardware=_hardware(rows),
    )
    shown = [panel.name for panel in section.panels]
    return replace(section, measures=build_measures(stack, rows, runs, chart, shown))


@dataclass(frozen=True)
class _Charts:
    folder: FigureFolder
    dataset: str

    def __call__(self, name: str, figure: Any, description: str) -> Markup | None:
        if figure is None:
            return None
        return self.folder.chart(f"{name}_{self.dataset}", figure, f"{description}, {self.dataset}")


def lead_of_the_winner(rows: Sequence[Ranked]) -> str:
    """Say how far the first model is ahead of the second, and whether the test images can tell them apart."""
    if len(rows) < 2:
        return ""
    found, units = compare(rows[0], rows[1]), rows[0].units
    if found is None:
        return ""
    if not found.value:
        return f"{rows[0].model} and {rows[1].model} have the same mean IoU."
    lead = f"{rows[0].model} leads {rows[1].model} by {found.value:.3f} in mean IoU"
    if found.p_value is None:
        return f"{lead}. With {units.words}, fewer than {MINIMUM_UNITS}, nothing can be said of how certain that is."
    bounds = f"95 % interval of the difference over {units.words} {tables.interval(found.interval).text}"
    p_value = tables.p_value(found.p_value).text
    facts = f"{bounds}, p {p_value}" if p_value.startswith("<") else f"{bounds}, p = {p_value}"
    if found.p_value < 1 - statistics.LEVEL:
        return f"{lead} ({facts}): the test images tell the two apart."
    return f"{lead} ({facts}): the test images do not tell the two apart."


def _headline(winner: Ranked) -> list[tuple[str, str]]:
    spread = f" ± {tables.number(winner.spread).text}" if winner.spread is not None else ""
    cells = [("mean IoU", f"{tables.number(winner.mean).text}{spread}")]
    cells.append(("95 % interval", tables.interval(winner.interval).text))
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


def _hardware(rows: Sequence[Ranked]) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        for run in row.runs:
            for source, label in ((run.training, "training"), (run.timing, "prediction")):
                machine = source.get("provenance", {}).get("hardware", {})
                words = [str(machine[key]) for key in ("gpu", "processor") if machine.get(key)]
                cores = f", {machine['cores']} cores" if machine.get("cores") else ""
                if words:
                    found[f"{label}: {', '.join(words)}{cores}"] = None
    return list(found)
