"""What every model reached and took, with what the literature reports of it in the next columns."""

from collections.abc import Iterable, Sequence

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.comparison import cost, describe_device
from scan2seg.evaluation.hardware import are_comparable
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run
from scan2seg.reporting import tables
from scan2seg.reporting.tables import Cell, Table

OURS = ("model", "mean IoU", "batch", "epochs", "steps", "training", "devices", "prediction of an image")
"""The columns of our models: those of the final table of published comparisons of this kind, and the steps."""
TIMES = ("training_seconds", "prediction_seconds_per_image")
PUBLISHED = {
    "published": "model", "published mean IoU": "mean_iou", "published batch": "batch_size",
    "published epochs": "epochs", "published steps": "steps", "published training": "training_time",
    "published devices": "devices", "published prediction of an image": "prediction_seconds",
    "published protocol": "protocol", "source": "source",
}  # fmt: skip
"""The columns of published rows and the keys that they show, in the literature's own shape."""


def performance_table(rows: Sequence[Ranked], published: Sequence[PublishedRow]) -> Table:
    """Return a row a model, best first, with the published rows that it repeats beside it; other published rows below.

    Our values are means over replicates. Published columns of which no row knows anything are left out.
    """
    shown = {head: key for head, key in PUBLISHED.items() if any(key in row.known() for row in published)}
    body, blank = [], [Cell("")] * len(OURS)
    comparable = {name: are_comparable(rows, name) for name in TIMES}
    for row in rows:
        beside = [item for item in published if row.model in item.repeated_by]
        for place, item in enumerate(beside or [None]):
            body.append([*(_our_cells(row, comparable) if place == 0 else blank), *_published_cells(item, shown)])
    models = {row.model for row in rows}
    alone = [item for item in published if not models & set(item.repeated_by)]
    marked = [[*blank, *_published_cells(item, shown)] for item in alone]
    caption = "Values are means over replicates; epochs are those that were trained, steps those of the optimiser."
    if published:
        caption += " Published values are the source's, with its own data, split and definitions."
    return Table([*OURS, *shown], body, marked, caption=caption, best=0)


def _our_cells(row: Ranked, comparable: dict[str, bool]) -> list[Cell]:
    value = {
        name: row.average(lambda run, name=name: tables.as_number(cost(run, name)))  # type: ignore[misc]
        for name in ("batch_size", "epochs", "steps", *TIMES)
    }
    training, prediction = (tables.side_by_side(tables.duration(value[name]), comparable[name]) for name in TIMES)
    spread = "" if row.spread is None else f" ± {tables.number(row.spread).text}"
    return [
        tables.text(row.model),
        Cell(f"{tables.number(row.mean).text}{spread}", row.mean),
        *(tables.number(value[name], 0) for name in ("batch_size", "epochs", "steps")),
        training,
        tables.text(", ".join(_distinct(describe_devices(run) for run in row.runs)) or tables.UNKNOWN),
        prediction,
    ]


def describe_devices(run: Run) -> str:
    """Return how many devices of what kind a run was trained on, such as "2 × NVIDIA H100"; empty where unknown."""
    count, kind = tables.as_number(cost(run, "devices")), describe_device(run)
    gpu = run.training.get("provenance", {}).get("hardware", {}).get("gpu")
    if kind != "cuda":
        return kind
    return f"{count:.0f} × {gpu or kind}" if count else str(gpu or kind)


def _published_cells(row: PublishedRow | None, shown: dict[str, str]) -> list[Cell]:
    known, cells = row.known() if row else {}, []
    for key in shown.values():
        value = known.get(key)
        if value is None:
            cells.append(Cell(""))
        elif key == "model":
            cells.append(Cell(str(value), str(value).lower(), badge="published"))
        elif key == "mean_iou":
            cells.append(tables.number(value))
        elif key == "prediction_seconds":
            cells.append(tables.duration(value))
        else:
            number = tables.as_number(value)
            cells.append(tables.text(str(value)) if number is None else tables.number(number, 0))
    return cells


def _distinct(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word]
