"""The stage ``render_report``: one self-contained HTML file that needs no network, and its figures as PNG."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scan2seg import logging, provenance
from scan2seg.damage import naming_damage
from scan2seg.documents import Json
from scan2seg.evaluation.ranking import Ranked, rank
from scan2seg.replacement import replacing
from scan2seg.reporting import tables
from scan2seg.reporting.charts import FigureFolder
from scan2seg.reporting.content import DatasetInput, ReportInputs
from scan2seg.reporting.dag import draw_dag
from scan2seg.reporting.exports import PARTS, PERFORMANCE, Attachment, attach, write_forms
from scan2seg.reporting.gaps import gap_table, read_runs
from scan2seg.reporting.labelled_files import summarise_labelled_files
from scan2seg.reporting.panels import DISCREPANCIES
from scan2seg.reporting.sections import DatasetSection, build_section
from scan2seg.reporting.segmentations import SegmentationSummary, summarise_segmentation
from scan2seg.reporting.studies import StudySummary, summarise_study
from scan2seg.reporting.variants import VariantTable, variant_tables
from scan2seg.reporting.viewer import BUDGET
from scan2seg.reporting.volume_comparison import VolumeTable, compare_volumes
from scan2seg.reporting.volumes import ScanSummary, summarise_scan

_STORES: tuple[Literal["reconstruction", "denoised", "labels"], ...] = ("reconstruction", "denoised", "labels")
"""Of a scan."""


@dataclass(frozen=True)
class _Page:
    sections: list[DatasetSection]
    scans: list[ScanSummary]
    compared: list[VolumeTable]
    segmentations: list[SegmentationSummary]
    studies: list[StudySummary]
    overview: tables.Table | None
    variants: list[VariantTable]
    gaps: tables.Table | None
    provenance: list[tuple[str, str]]


def render_report(content: ReportInputs, output: Path, figures: Path) -> None:
    """Write the report of an experiment.

    Args:
        content: "experiment" and "title"; "datasets" ("name", "stack", "split", "published" rows); "runs" ("dataset",
            "model", "replicate" and the folder "run" with metrics.json, per_image.csv and, where they exist,
            training.json, timing.json, history.csv and prediction.zarr); "scans" ("dataset", "scan", and the stores
            "reconstruction", "denoised" and "labels" or None); "scores" and "tables" of the comparison, linked where
            they exist; "reference", the model that the others are tested against; "settings", the resolved
            experiment, to be shown; "segmentations"; "labelled_files"; "studies". Runs, datasets, scans and
            studies may be empty.
        output: the HTML file to write; of an experiment with runs the table of performance goes beside it, as
            performance.csv, performance.md and performance.tex, and where runs were scored on training and validation
            images the table of these, as parts.csv and so on.
        figures: the folder to write PNG files to; it is replaced.

    Raises:
        InputError: a store or table is there but cannot be read.
    """
    with replacing(figures) as partial:
        partial.mkdir(parents=True)
        page = _build(content, FigureFolder(partial))
    tables = _write_tables(content, page)
    for name, text in tables.items():
        with replacing(output.with_name(name)) as partial_file:
            partial_file.write_text(text, "utf-8")
    with replacing(output) as partial_file:
        partial_file.write_text(_fill(content, page, tables), "utf-8")


def _write_tables(content: ReportInputs, page: _Page) -> dict[str, str]:
    """Return name and content of the files of tables that only the report makes."""
    performance = {section.name: section.performance for section in page.sections if section.performance}
    files = write_forms(PERFORMANCE, performance) if content["runs"] else {}
    parts = {section.name: section.parts for section in page.sections if section.parts}
    # also where none of the runs that are there has them: the workflow waits for the files
    asked = any("parts" in run for run in content["runs"])
    return files | (write_forms(PARTS, parts) if asked else {})


def _build(content: ReportInputs, folder: FigureFolder) -> _Page:
    runs, gaps = read_runs(content["runs"], content.get("ensembles") or [])
    reference = content.get("reference")
    ranked = rank([run.scores for run in runs], reference)
    entries, segmentations = _datasets(content, ranked), content.get("segmentations") or []
    budget = BUDGET // max(1, len(entries) + len(content["scans"]) + len(segmentations))
    sections = []
    for entry in logging.progress(entries, "report"):
        mine = [run for run in runs if run.scores.dataset == entry["name"]]
        sections.append(build_section(entry, ranked.get(entry["name"], []), mine, reference, folder, budget))
    with naming_damage([entry[key] for entry in content["scans"] for key in _STORES]):
        scans = [summarise_scan(entry, folder, budget) for entry in content["scans"]]
        compared = compare_volumes(content["scans"], content.get("variants") or [])
    segmented = [summarise_segmentation(entry, content["scans"], budget) for entry in segmentations]
    segmented += [summarise_labelled_files(entry) for entry in content.get("labelled_files") or []]
    studied = [summarise_study(entry, folder) for entry in content.get("studies") or []]
    return _Page(
        [section for section in sections if section.winner or section.data],
        [scan for scan in scans if scan is not None],
        compared,
        [item for item in segmented if item is not None],
        [study for study in studied if study is not None],
        _overview(ranked),
        variant_tables([run.scores for run in runs], content.get("variants") or []),
        gap_table(gaps),
        _describe(content.get("settings") or {}),
    )


def _datasets(content: ReportInputs, ranked: dict[str, list[Ranked]]) -> list[DatasetInput]:
    """Return the datasets in the order given, and those that only the runs name."""
    entries = list(content["datasets"])
    named = {entry["name"] for entry in entries}
    return entries + [
        DatasetInput(name=name, stack=None, split=None, published=[]) for name in ranked if name not in named
    ]


def _overview(ranked: dict[str, list[Ranked]]) -> tables.Table | None:
    """Return mean IoU of every model on every dataset; None with fewer than two datasets."""
    if len(ranked) < 2:
        return None
    scores: dict[str, dict[str, Any]] = {}
    for dataset, rows in ranked.items():
        for row in rows:
            scores.setdefault(row.model, {})[dataset] = row.mean
    body = [
        [tables.text(model), *(tables.number(found.get(dataset), heat=True) for dataset in ranked)]
        for model, found in scores.items()
    ]
    return tables.Table(["model", *ranked], body)


def _describe(settings: Json) -> list[tuple[str, str]]:
    record = provenance.record(settings)
    hardware = record["hardware"]
    pairs = [("scan2seg", record["scan2seg"])]  # not when: the page has one line with a date
    pairs += [("commit", record["commit"] or "not known"), ("Python", record["python"])]
    pairs += [("report written on", f"{hardware['processor']}, {hardware['cores']} cores")]
    return pairs + sorted(record["libraries"].items())


def _fill(content: ReportInputs, page: _Page, written: dict[str, str]) -> str:
    environment = Environment(
        loader=PackageLoader("scan2seg.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    load = environment.loader
    assert load is not None
    # Style and script are files of the package, not input: they go into the page as they are.
    assets = {name: Markup(load.get_source(environment, name)[0]) for name in ("style.css", "script.js")}
    return environment.get_template("report.html").render(
        experiment=content["experiment"],
        title=content.get("title") or content["experiment"],
        page=page,
        dag=draw_dag(content),
        discrepancies=[(label, f"rgb{colour}") for label, colour in DISCREPANCIES],
        files=_attachments(content, written),
        settings=yaml.safe_dump(_plain(content.get("settings") or {}), sort_keys=False, allow_unicode=True),
        date=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        style=assets["style.css"],
        script=assets["script.js"],
    )


def _attachments(content: ReportInputs, written: dict[str, str]) -> list[Attachment]:
    """Return the tables of the comparison and those of the report as files that travel inside the page."""
    paths = [content.get("scores"), content.get("tables")]
    found = [attach(path.name, path.read_text("utf-8")) for path in paths if path is not None and path.exists()]
    return found + [attach(name, text) for name, text in written.items()]


def _plain(value: Any) -> Any:
    """Return settings as YAML can write them: dictionaries, lists, numbers and text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
