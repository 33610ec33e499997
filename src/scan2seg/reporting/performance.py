"""What every model reached and took, with what the literature reports of it in the next columns."""

from collections.abc import Iterable, Sequence

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.costs import cost
from scan2seg.evaluation.hardware import are_comparable, name_devices
from scan2seg.evaluation.published import SCORES, Score, known_scores, pair_published
from scan2seg.evaluation.ranking import Ranked
from scan2seg.reporting import tables
from scan2seg.reporting.tables import Cell, Table

FIRST, LAST = ("model", "mean IoU"), ("batch", "epochs", "steps", "training", "devices", "prediction of an image")
"""The columns of our models, and between them the other scores that the literature prints: those of the final table of
published comparisons of this kind, and the steps."""
TIMES = ("training_seconds", "prediction_seconds_per_image")
PUBLISHED = {
    "published": "model",
    **{f"published {score.name}": key for key, score in SCORES.items()},
    "published batch": "batch_size", "published epochs": "epochs", "published steps": "steps",
    "published training": "training_time", "published devices": "devices",
    "published prediction of an image": "prediction_seconds", "published protocol": "protocol", "note": "note",
    "source": "source",
}  # fmt: skip
"""The columns of published rows and the keys that they show, in the literature's own shape."""


def performance_table(rows: Sequence[Ranked], published: Sequence[PublishedRow]) -> Table:
    """Return a row a model, best first, with the published rows that it repeats beside it; other published rows below.

    Our values are means over replicates. Published columns of which no row knows anything are left out.
    """
    shown = {head: key for head, key in PUBLISHED.items() if any(key in row.known() for row in published)}
    scores = [score for key, score in known_scores(published).items() if key not in ("mean_iou", "dice")]
    ours = [*FIRST, *(score.name for score in scores), *LAST]
    comparable = {name: are_comparable(rows, name) for name in TIMES}
    body: list[list[Cell]] = []
    marked: list[list[Cell]] = []
    before = None
    for row, item in pair_published(rows, published):
        # a model that repeats several rows says what it reached beside the first of them
        cells = _our_cells(row, scores, comparable) if row and row is not before else [Cell("")] * len(ours)
        (body if row else marked).append([*cells, *_published_cells(item, shown)])
        before = row
    caption = "Values are means over replicates; epochs are those that were trained, steps those of the optimiser."
    if published:
        caption += " Published values are the source's, with its own data, split and definitions."
    return Table([*ours, *shown], body, marked, caption=caption, best=0)


def _our_cells(row: Ranked, scores: Sequence[Score], comparable: dict[str, bool]) -> list[Cell]:
    value = {
        name: row.average(lambda run, name=name: tables.as_number(cost(run, name)))  # type: ignore[misc]
        for name in ("batch_size", "epochs", "steps", *TIMES)
    }
    training, prediction = (tables.side_by_side(tables.duration(value[name]), comparable[name]) for name in TIMES)
    spread = "" if row.spread is None else f" ± {tables.number(row.spread).text}"
    return [
        tables.text(row.model),
        Cell(f"{tables.number(row.mean).text}{spread}", row.mean),
        *(tables.number(score.read(row)) for score in scores),
        *(tables.number(value[name], 0) for name in ("batch_size", "epochs", "steps")),
        training,
        tables.text(", ".join(_distinct(name_devices(run) for run in row.runs)) or tables.UNKNOWN),
        prediction,
    ]


def _published_cells(row: PublishedRow | None, shown: dict[str, str]) -> list[Cell]:
    known, cells = row.known() if row else {}, []
    for key in shown.values():
        value = known.get(key)
        if value is None:
            cells.append(Cell(""))
        elif key == "model":
            cells.append(Cell(str(value), str(value).lower(), badge="published"))
        elif key in SCORES:
            cells.append(tables.number(value))
        elif key == "prediction_seconds":
            cells.append(tables.duration(value))
        else:
            number = tables.as_number(value)
            cells.append(tables.text(str(value)) if number is None else tables.number(number, 0))
    return cells


def _distinct(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word]
