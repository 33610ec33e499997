"""Tables of scores and costs of the models on one dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.comparison import describe_stray
from scan2seg.evaluation.cost_notes import describe_costs
from scan2seg.evaluation.costs import cost
from scan2seg.evaluation.hardware import are_comparable, name_devices
from scan2seg.evaluation.part_scores import COLUMNS, PAIRS, describe_parts, tabulate_parts
from scan2seg.evaluation.published import SCORES
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run
from scan2seg.evaluation.unions import describe_unions, union_names
from scan2seg.reporting import tables
from scan2seg.reporting.tables import Cell, Table


def ranking_table(rows: Sequence[Ranked], published: Sequence[PublishedRow], reference: str | None) -> Table:
    """Return the ranking, with published rows marked below it."""
    head = ["rank", "model", "mean IoU", "± spread", "95 % interval", "runs"]
    head += [f"Δ to {reference}", "p (Holm)"] if reference else []
    head += ["mean Dice", "pixel accuracy", "image Jaccard", "image F1"]
    body = []
    for place, row in enumerate(rows, start=1):
        name = tables.text(row.model, note=_pretraining_note(row))
        cells = [tables.number(place, 0), name, tables.number(row.mean), tables.number(row.spread)]
        cells += [tables.interval(row.interval), tables.number(len(row.runs), 0)]
        if reference:
            mine = tables.number(row.against.value if row.against else None, sign=True)
            cells += [Cell("reference") if row.model == reference else mine, tables.p_value(row.p_holm)]
        body.append(cells + [tables.number(SCORES[key].read(row)) for key in _SUMMARY if key != "mean_iou"])
    marked = [_published_cells(row, bool(reference)) for row in published if row.known().keys() & {*_SUMMARY}]
    return Table(head, body, marked, best=0)


def _pretraining_note(row: Ranked) -> str:
    """Say on what a model's encoder was pre-trained, if it was."""
    facts = row.runs[0].training.get("pretraining") if row.runs else None
    return f"encoder pre-trained on {facts['images']} images of {facts['dataset']}" if facts else ""


def _published_name(row: PublishedRow) -> Cell:
    note = "; ".join(part for part in (row.source, row.protocol, row.note) if part)
    return Cell(row.model, note=note, badge="published")


def _published_number(row: PublishedRow, key: str) -> Cell:
    value = row.known().get(key)
    return Cell("") if value is None else tables.number(value)


def _published_cells(row: PublishedRow, tested: bool) -> list[Cell]:
    blank = Cell("")
    mean_iou, *scores = (tables.number(row.known().get(key)) for key in _SUMMARY)
    cells = [blank, _published_name(row), mean_iou, blank, blank, blank]
    return [*cells, *([blank, blank] if tested else []), *scores]


def class_table(rows: Sequence[Ranked], names: Sequence[str]) -> Table:
    """Return the IoU of every class and union, tinted by its value; a class that the truth lacks has none."""
    names = [*names, *union_names(rows)]
    body = [
        [tables.text(row.model), *(tables.number(row.class_iou(name), heat=True) for name in names)] for row in rows
    ]
    return Table(["model", *names], body, best=0, caption=" ".join([*describe_unions(rows), *describe_stray(rows)]))


def part_table(rows: Sequence[Ranked], published: Sequence[PublishedRow] = ()) -> Table | None:
    """Return the scores on training, validation and test images; None where they were not asked for.

    Published rows that tell of training or validation images are marked below them.
    """
    head, body = tabulate_parts(rows)
    if not head:
        return None
    cells = [[tables.text(model), *map(tables.number, values)] for model, values in body]
    keys = [score if part == "test" else f"{part}_{score}" for part, score in PAIRS]
    told = [row for row in published if row.known().keys() & {*COLUMNS}]
    marked = [[_published_name(row), *(_published_number(row, key) for key in keys)] for row in told]
    return Table(["model", *head], cells, marked, best=0, caption=describe_parts(rows))


def cost_table(rows: Sequence[Ranked]) -> Table:
    """Return what every model cost beside the times of the table of performance, as means over replicates."""
    head = ["model", "pre-training", "Mpixel/s", "model only", "parameters", "FLOPs", "peak memory", "energy", "device"]
    body = []
    alike = are_comparable(rows, "prediction_pixels_per_second")
    for row in rows:
        value = {name: row.average(lambda run, name=name: cost_number(run, name)) for name in _COST_NAMES}  # type: ignore[misc]
        speeds = [value["prediction_pixels_per_second"], value["prediction_pixels_per_second_model"]]
        devices = list(dict.fromkeys(name_devices(run) or tables.UNKNOWN for run in row.runs))
        body.append(
            [
                tables.text(row.model),
                tables.duration(value["pretraining_seconds"]),
                *(tables.side_by_side(tables.quantity(speed and speed / 1e6), alike) for speed in speeds),
                tables.quantity(value["parameters"]),
                tables.quantity(value["flops"]),
                tables.quantity(value["peak_memory_bytes"], "B"),
                tables.quantity(value["energy_joules"], "J"),
                tables.text(", ".join(devices)),
            ]
        )
    caption = "Mpixel/s is the speed from the stack to labels in memory; model only the network's."
    caption = " ".join([caption, *describe_costs(rows)])
    head, body = without_unknown(head, body)
    return Table(head, body, best=0, caption=caption)


def without_unknown(head: list[str], body: list[list[Cell]]) -> tuple[list[str], list[list[Cell]]]:
    """Leave out the columns of which nothing is known."""
    kept = [place for place in range(len(head)) if any(row[place].text != tables.UNKNOWN for row in body)]
    return [head[place] for place in kept], [[row[place] for place in kept] for row in body]


def confusion_table(row: Ranked, names: Sequence[str]) -> Table:
    """Return the share of each true class (rows) that was predicted as each class (columns)."""
    matrix = np.sum([run.metrics["confusion_matrix"] for run in row.runs], axis=0, dtype=np.float64)
    totals = matrix.sum(1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)
    body = [
        [Cell(name), *(tables.number(share, heat=True) for share in line)]
        for name, line in zip(names, shares.tolist(), strict=True)
    ]
    return Table(["true \\ predicted", *names], body)


def microstructure_table(winner: Ranked) -> Table | None:
    """Return phase fractions, particle counts and diameters of truth and the winner, a row a class."""
    found = winner.runs[0].metrics.get("microstructure")
    if not found:
        return None
    unit = {"micrometre": "µm", "pixel": "px"}.get(found["unit"], found["unit"])
    head = [
        "class",
        "fraction, truth",
        "fraction, predicted",
        "error, points",
        "particles, truth",
        "particles, predicted",
    ]
    head += [f"diameter, truth ({unit})", f"diameter, predicted ({unit})", "size distribution distance"]
    body = []
    for name in found["classes"]:
        read = _Microstructure(winner, name)
        error = read("error", "phase_fraction")
        cells = [tables.text(name), tables.percent(read("truth", "phase_fraction"), 2)]
        cells += [tables.percent(read("prediction", "phase_fraction"), 2)]
        cells += [tables.number(None if error is None else 100 * error, 2, sign=True)]
        cells += [tables.number(read(kind, "particles"), 0) for kind in ("truth", "prediction")]
        cells += [tables.number(read(kind, "mean_diameter"), 2) for kind in ("truth", "prediction")]
        body.append([*cells, tables.number(read("error", "size_distribution_distance"))])
    caption = (
        f"{winner.model}, mean over replicates. Particles are connected regions of at least "
        f"{found['minimum_size_pixels']} pixels in one image; diameters are those of discs of equal area."
    )
    return Table(head, body, caption=caption)


@dataclass(frozen=True)
class _Microstructure:
    winner: Ranked
    name: str

    def __call__(self, kind: str, key: str) -> float | None:
        return self.winner.average(lambda run: run.metrics["microstructure"]["classes"][self.name][kind].get(key))


_SUMMARY = ("mean_iou", "mean_dice", "pixel_accuracy", "mean_image_jaccard", "mean_image_f1")
"""Keys of published rows, and of ours, in the ranking."""
_COST_NAMES = (
    "pretraining_seconds", "prediction_pixels_per_second", "prediction_pixels_per_second_model", "parameters", "flops",
    "peak_memory_bytes", "energy_joules",
)  # fmt: skip


def cost_number(run: Run, name: str) -> float | None:
    """Return one of the costs of a run as a number, None where it is unknown."""
    return tables.as_number(cost(run, name))
