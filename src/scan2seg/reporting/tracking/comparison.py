"""The parent run: the comparison of an experiment as metrics and tables, with its report and settings."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.costs import COSTS, cost
from scan2seg.evaluation.part_scores import PAIRS, average_parts
from scan2seg.evaluation.published import pair_published
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.unions import union_names
from scan2seg.reporting.content import ReportInputs
from scan2seg.reporting.tracking.record import Point, Record, Table, clean_name, flatten
from scan2seg.reporting.tracking.runs import find_times

COMPARED: dict[str, Callable[[Ranked], float | None]] = {
    "mean_iou": lambda row: row.mean,
    "training_seconds": lambda row: row.average(lambda run: cost(run, "training_seconds")),
    "prediction_seconds_per_image": lambda row: row.average(lambda run: cost(run, "prediction_seconds_per_image")),
}
"""The metrics of the parent run, one a model."""
OWN_SETTINGS = ("description", "reference_model", "replicates", "ensembles")


def describe_experiment(inputs: ReportInputs, ranking: dict[str, list[Ranked]], report: Path, figures: Path) -> Record:
    """Return what MLflow keeps of an experiment as a whole.

    Args:
        inputs: the report's.
        ranking: the models of every dataset, best first.
        report: the HTML file.
        figures: the folder of PNG files.
    """
    rows = [row for ranked in ranking.values() for row in ranked]
    times = [find_times(run) for row in rows for run in row.runs]
    ended = max((end for _, end in times), default=0)
    published = {entry["name"]: entry["published"] for entry in inputs["datasets"] if entry["published"]}
    tables = {"ranking": tabulate_ranking(ranking), "iou_a_class": tabulate_classes(rows)}
    tables |= {"performance": tabulate_performance(ranking, published)}
    tables |= {"parts": tabulate_part_scores(rows)} if any(run.parts for row in rows for run in row.runs) else {}
    tables |= {"published": tabulate_published(published)} if published else {}
    settings = json.dumps(inputs["settings"], indent=1, default=str).encode()
    paths = [report, *(path for key in ("scores", "tables") if (path := inputs[key]))]
    files: dict[str, Path | bytes] = {path.name: path for path in paths if path.exists()}
    files |= {f"figures/{path.name}": path for path in sorted(figures.glob("*.png"))}
    return Record(
        key=inputs["experiment"],
        name=inputs["experiment"],
        started=min((start for start, _ in times), default=0),
        ended=ended,
        parameters=dict(_experiment_parameters(inputs, ranking)),
        points=list(_compare(ranking, ended)),
        files=files | {"experiment.json": settings},
        tables=tables,
        description=inputs["title"],
    )


def tabulate_ranking(ranking: dict[str, list[Ranked]]) -> Table:
    """Return a row a dataset and model, best first, with the interval of its mean IoU and the test against the
    reference; ``replicate_to_use`` is the best on its validation images."""
    columns = ["dataset", "rank", "model", "mean_iou", "spread", "mean_iou_low", "mean_iou_high", "replicates"]
    columns += ["test_images", "difference_to_reference", "p_holm", "replicate_to_use"]
    body = [
        [
            *(row.dataset, place, row.model, row.mean, row.spread, *(row.interval or (None, None)), len(row.runs)),
            *(row.images, row.against.value if row.against else None, row.p_holm, row.chosen.replicate),
        ]
        for rows in ranking.values()
        for place, row in enumerate(rows, 1)
    ]
    return Table(columns, body)


def tabulate_classes(rows: Sequence[Ranked]) -> Table:
    """Return the IoU of every class and union, mean over replicates; None where a dataset lacks it."""
    names = list(dict.fromkeys(name for row in rows for run in row.runs for name in run.metrics["classes"]))
    names += union_names(rows)
    body = [[row.dataset, row.model, *(row.class_iou(name) for name in names)] for row in rows]
    return Table(["dataset", "model", *names], body)


def tabulate_performance(
    ranking: Mapping[str, Sequence[Ranked]], published: Mapping[str, Sequence[PublishedRow]]
) -> Table:
    """Return what each model cost, mean over replicates, beside its mean IoU, and the published rows that it repeats
    in the next columns, a line each; those that no model repeats have lines of their own.

    Words of replicates that differ are joined.
    """
    ours = ["dataset", "model", "mean_iou", *COSTS]
    keys = [key for key in PublishedRow.model_fields if key != "repeated_by"]
    theirs = [key for key in keys if any(key in row.known() for found in published.values() for row in found)]
    body = []
    for dataset in dict.fromkeys([*ranking, *published]):
        for row, item in pair_published(ranking.get(dataset, []), published.get(dataset, [])):
            costs = [_summarise(cost(run, name) for run in row.runs) if row else None for name in COSTS]
            known = item.known() if item else {}
            own = [row.model, row.mean] if row else [None, None]
            body.append([dataset, *own, *costs, *(known.get(key) for key in theirs)])
    return Table([*ours, *(f"published_{key}" for key in theirs)], body)


def tabulate_part_scores(rows: Sequence[Ranked]) -> Table:
    """Return the scores on training, validation and test images, mean over replicates; None where one is not known."""
    body = [[row.dataset, row.model, *average_parts(row)] for row in rows]
    return Table(["dataset", "model", *(f"{part}_{score}" for part, score in PAIRS)], body)


def tabulate_published(published: Mapping[str, Sequence[PublishedRow]]) -> Table:
    """Return the rows of the literature of each dataset with every column that one of them has."""
    known = [{"dataset": dataset, **row.known()} for dataset, rows in published.items() for row in rows]
    first = ["dataset", "model", "mean_iou", "source"]
    columns = list(dict.fromkeys([*first, *(key for row in known for key in row)]))
    return Table(columns, [[row.get(key) for key in columns] for row in known])


def _summarise(values: Iterable[Any]) -> Any:
    """Return the mean of numbers, the different ones of words, and None of nothing."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, (int, float)) for value in known):
        return sum(known) / len(known)
    return ", ".join(dict.fromkeys(map(str, known))) or None


def _compare(ranking: dict[str, list[Ranked]], time: int) -> Iterable[Point]:
    for dataset, rows in ranking.items():
        for row in rows:
            subject = row.model if len(ranking) == 1 else f"{dataset}.{row.model}"
            for name, read in COMPARED.items():
                if (value := read(row)) is not None:
                    yield Point(clean_name(f"{name}.{subject}"), value, time)


def _experiment_parameters(inputs: ReportInputs, ranking: dict[str, list[Ranked]]) -> Iterable[tuple[str, str]]:
    """Yield what the experiment adds to its models and datasets, whose settings ``experiment.json`` has in full."""
    settings = inputs["settings"]
    yield from flatten({key: settings[key] for key in OWN_SETTINGS if settings.get(key)})
    yield "datasets", ", ".join(ranking)
    yield "models", ", ".join(dict.fromkeys(row.model for rows in ranking.values() for row in rows))
    datasets = settings.get("datasets", {})
    for name, dataset in datasets.items() if isinstance(datasets, dict) else ():
        parts = {key: dataset[key] for key in ("classes", "split", "pixel_size") if dataset.get(key) is not None}
        yield from flatten({name: parts})
