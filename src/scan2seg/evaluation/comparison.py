"""The stage ``compare_models``: all runs of an experiment in one table, and the ranking in words people read."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scan2seg import logging
from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.cost_notes import COST_COLUMNS, describe_costs
from scan2seg.evaluation.costs import COSTS, cost
from scan2seg.evaluation.hardware import name_devices
from scan2seg.evaluation.part_scores import COLUMNS as PART_COLUMNS
from scan2seg.evaluation.part_scores import describe_parts, part_score, tabulate_parts
from scan2seg.evaluation.ranking import Ranked, rank
from scan2seg.evaluation.run_measures import MEASURES, describe_controls, describe_unit, measure, tabulate
from scan2seg.evaluation.runs import Run, RunFiles, read_run
from scan2seg.evaluation.unions import UNION_SCORES, describe_unions, union_names
from scan2seg.evaluation.units import MINIMUM_UNITS, Units
from scan2seg.evaluation.variants import rank_variants
from scan2seg.replacement import replacing

CHOICE = "The replicate to use is the best on its validation images, or the first where no such score is known."


def compare_models(
    runs: Sequence[RunFiles],
    scores: Path,
    tables: Path,
    reference: str | None,
    published: Mapping[str, Sequence[PublishedRow]],
    variants: Sequence[Sequence[str]] = (),
) -> None:
    """Write ``scores.csv``, a row a dataset, model and replicate, and ``tables.md``, the ranking of every dataset.

    In scores.csv "rank" is the model's place by its mean over replicates, and "chosen" is 1 for the replicate to use.

    Args:
        runs: the files of each run.
        scores: the CSV file to write; unknown values are empty.
        tables: the Markdown file to write.
        reference: the model that the others are tested against; None for no test.
        published: rows of the literature of each dataset. They stand in a table of their own and take no part in the
            ranking.
        variants: names of datasets that come from one file, which are compared with each other too.

    Raises:
        InputError: a file is missing or unreadable.
    """
    read = [read_run(files) for files in runs]
    ranking = rank(read, reference)
    if reference and read and not any(run.model == reference for run in read):
        logging.warn("the reference model '%s' is not among the models: nothing is tested", reference)
    _write_scores(scores, ranking)
    text = write_tables(ranking, reference, published) + "".join(_variant_tables(read, names) for names in variants)
    with replacing(tables) as partial:
        partial.write_text(text, "utf-8")


def write_tables(
    ranking: dict[str, list[Ranked]], reference: str | None, published: Mapping[str, Sequence[PublishedRow]]
) -> str:
    """Return the ranking, the IoU a class and the cost of every dataset as Markdown."""
    parts = ["# Comparison of models\n"]
    if not ranking:
        parts.append("No model was trained, so there is nothing to compare.\n")
    for dataset, rows in ranking.items():
        parts += [
            f"## {dataset}\n",
            _ranking_table(rows, reference),
            _class_table(rows),
            _means_table("Training, validation and test", *tabulate_parts(rows), f"\n{describe_parts(rows)}\n"),
            _means_table("More measures, mean over replicates", *tabulate(rows)),
            _cost_table(rows),
        ]
        parts += [_published_table(rows_of)] if (rows_of := published.get(dataset)) else []
    return "\n".join(parts)


def _variant_tables(runs: list[Run], names: Sequence[str]) -> str:
    """Return a table of the variants of a dataset, a block of rows a model; empty where nothing can be compared."""
    found = rank_variants(runs, names)
    if not found:
        return ""
    first = found[0].reference
    head = ["model", "variant", "mean IoU", "spread", f"difference to {first}", "95 % interval of it", "p (Holm)"]
    body = []
    for ranking in found:
        for row in ranking.rows:
            against = row.against
            p_value = "-" if row.p_holm is None else f"{row.p_holm:.2g}"
            shown = [number(against.value if against else None, sign=True)]
            shown += [interval(against.interval if against else None), p_value]
            body.append([ranking.model, row.model, number(row.mean), number(row.spread), *shown])
    row = found[0].rows[0]
    note = f"Over the {row.images} test images that all variants share. {describe_uncertainty(row.units, first)}"
    return f"\n## Variants of {first}\n\n" + markdown_table(head, body) + f"\n{note}\n"


def _ranking_table(rows: list[Ranked], reference: str | None) -> str:
    head = ["rank", "model", "mean IoU", "spread", "95 % interval", "replicates", "mean image Jaccard", "mean image F1"]
    tested = any(row.model == reference for row in rows)
    head += [f"difference to {reference}", "95 % interval of it", "p (Holm)"] if tested else []
    head += ["replicate to use"]
    body = []
    for place, row in enumerate(rows, start=1):
        jaccard = row.average(lambda run: run.metrics["mean_image"].get("jaccard"))
        f1 = row.average(lambda run: run.metrics["mean_image"].get("f1"))
        cells = [str(place), row.model, number(row.mean), number(row.spread), interval(row.interval)]
        cells += [str(len(row.runs)), number(jaccard), number(f1)]
        if tested:
            p_value = "-" if row.p_holm is None else f"{row.p_holm:.2g}"
            found = row.against
            cells += [number(found.value if found else None, sign=True)]
            cells += [interval(found.interval if found else None), p_value]
        body.append([*cells, row.chosen.replicate])
    notes = [describe_scores(rows[0]), describe_uncertainty(rows[0].units, reference if tested else None), CHOICE]
    notes += describe_controls(rows)
    return markdown_table(head, body) + "\n" + "\n".join(notes) + "\n"


def describe_scores(row: Ranked) -> str:
    """Say of what images and classes the mean IoU is, and what its spread is of."""
    classes = row.runs[0].metrics["classes"]
    held = [name for name, scores in classes.items() if scores["support"]]
    which = f"the {len(held)} classes" if len(held) == len(classes) else f"{', '.join(held)}, the classes"
    return (
        f"IoU is from the confusion matrix summed over all {row.images} test images, its mean over {which} that their "
        "truth holds, for all models and folds. A model's mean IoU is the mean over its replicates, spread their "
        "standard deviation."
    )


def describe_uncertainty(units: Units, reference: str | None) -> str:
    """Say over what intervals and p are, or that there is too little of it."""
    if not units.enough:
        advice = f"at least {MINIMUM_UNITS} are needed for an interval or a p value"
        return f"The test images are {units.words}, which is too few: {advice}."
    over = f"Intervals are a bootstrap over {units.words}"
    if reference is None:
        return f"{over}."
    test = f"p is a test of the difference to {reference}, which swaps the two models over them"
    return f"{over}; {test}, with Holm's correction."


def describe_stray(rows: Iterable[Ranked]) -> list[str]:
    """Say of each model how many pixels it predicts as classes that the truth of the test images lacks."""
    return [
        f"{row.model} predicts {', '.join(f'{pixels:,.0f} pixels as {name}' for name, pixels in row.stray.items())}, "
        "which the truth of no test image holds: counted as errors of the classes that are there."
        for row in rows
        if row.stray
    ]


def _class_table(rows: list[Ranked]) -> str:
    names = list(dict.fromkeys(name for row in rows for run in row.runs for name in run.metrics["classes"]))
    names += union_names(rows)
    body = [[row.model, *(number(row.class_iou(name)) for name in names)] for row in rows]
    notes = "".join(f"\n{line}\n" for line in [*describe_unions(rows), *describe_stray(rows)])
    return "### IoU a class\n\n" + markdown_table(["model", *names], body) + notes


def _means_table(title: str, head: list[str], body: list[tuple[str, list[float | None]]], note: str = "") -> str:
    """Return means over replicates as a table; empty where nothing is known."""
    shown = [[model, *map(number, values)] for model, values in body]
    return f"### {title}\n\n{markdown_table(['model', *head], shown)}{note}" if head else ""


def _cost_table(rows: list[Ranked]) -> str:
    pretrained = any(cost(run, "pretraining_seconds") for row in rows for run in row.runs)
    columns = COST_COLUMNS if pretrained else COST_COLUMNS[1:]
    body = []
    for row in rows:
        devices = dict.fromkeys(name_devices(run) or "-" for run in row.runs)
        body.append(
            [
                row.model,
                number(row.mean),
                *(_scaled(row, name, factor, digits) for _, name, factor, digits in columns),
                ", ".join(devices),
            ]
        )
    notes = "".join(f"\n{note}\n" for note in describe_costs(rows))
    head = ["model", "mean IoU", *(name for name, *_ in columns), "trained on"]
    return "### Performance and cost, mean over replicates\n\n" + markdown_table(head, body) + notes


def _published_table(rows: Sequence[PublishedRow]) -> str:
    known = [row.known() for row in rows]
    keys = (key for found in known for key in found if key not in ("source", "repeated_by"))
    head = list(dict.fromkeys(["model", "mean_iou", *keys]))
    body = [[*(str(found.get(key, "-")) for key in head), row.source] for row, found in zip(rows, known, strict=True)]
    return "### Published elsewhere, not run here\n\n" + markdown_table([*head, "source"], body)


def markdown_table(head: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table; bars and line breaks in cells are escaped."""
    lines = [head, ["---"] * len(head), *body]
    escaped = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def number(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """Return a number with fixed digits, or a dash for an unknown one."""
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def interval(bounds: tuple[float, float] | None, digits: int = 4) -> str:
    """Return "low to high", or a dash for an unknown interval."""
    return "-" if bounds is None else f"{bounds[0]:.{digits}f} to {bounds[1]:.{digits}f}"


def _scaled(row: Ranked, name: str, factor: float, digits: int) -> str:
    value = row.average(lambda run: cost(run, name))
    return "-" if value is None else f"{value * factor:.{digits}f}"


def _write_scores(path: Path, ranking: dict[str, list[Ranked]]) -> None:
    placed = [(place, row, run) for rows in ranking.values() for place, row in enumerate(rows, 1) for run in row.runs]
    runs = [run for _, _, run in placed]
    names = list(dict.fromkeys(name for run in runs for name in run.metrics["classes"]))
    unions = [(score, name) for name in union_names(row for _, row, _ in placed) for score in UNION_SCORES]
    identity = ["dataset", "model", "replicate", "split"]
    summary = ["mean_iou", "mean_dice", "pixel_accuracy"]
    image = ["accuracy", "f1", "jaccard", "recall", "precision", "mean_iou"]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        shown = ["images", "units", "mean_iou_low", "mean_iou_high", *(f"mean_image_{key}" for key in image)]
        choice = ["rank", "validation_score", "chosen"]
        kinds = ("iou", "stray_pixels")
        writer.writerow(
            [
                *identity,
                *choice,
                *summary,
                *shown,
                *MEASURES,
                "distance_unit",
                *PART_COLUMNS,
                *COSTS,
                *(f"{kind}_{name}" for kind in kinds for name in names),
                *(f"{score}_{name}" for score, name in unions),
            ]
        )
        for place, row, run in placed:
            low, high = run.metrics.get("confidence", {}).get("mean_iou") or (None, None)
            cells = [run.metrics[key] for key in identity]
            cells += [place, run.validation_score, int(run is row.chosen), *(run.metrics[key] for key in summary)]
            cells += [row.images, row.units.count, low, high, *(run.metrics["mean_image"].get(key) for key in image)]
            cells += [*(measure(run, key) for key in MEASURES), describe_unit(run)]
            cells += [part_score(run, *pair) for pair in PART_COLUMNS.values()]
            cells += [cost(run, key) for key in COSTS]
            cells += [run.metrics["classes"].get(name, {}).get("iou") for name in names]
            cells += [run.metrics["stray_pixels"].get(name, 0) for name in names]
            cells += [run.unions.get(name, {}).get(score) for score, name in unions]
            writer.writerow(["" if cell is None else cell for cell in cells])
