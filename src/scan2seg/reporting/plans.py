"""The plans of inference: which ways to apply a model were tried on validation images, and what the plan cost."""

from collections.abc import Sequence

from scan2seg.documents import Json
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run
from scan2seg.reporting import tables
from scan2seg.reporting.tables import Cell, Table

_HEAD = [
    "model", "tile", "tiles an image", "overlap", "pixels computed", "precision", "channels last", "batch", "runtime",
    "Mpixel/s", "mean IoU, validation", "chosen",
]  # fmt: skip


def plan_table(rows: Sequence[Ranked]) -> Table | None:
    """Return a row a way that was tried for the replicate to use of each model; None where nothing was planned."""
    planned = [(row.chosen, row.chosen.timing["plan"]) for row in rows if row.chosen.timing.get("plan")]
    if not planned:
        return None
    body = [_cells(run, way) for run, plan in planned for way in plan["table"]]
    costs = [
        f"{run.name} {tables.duration(plan['seconds']).text} on {len(plan['images'])} images"
        + (f", {len(plan['left_out'])} ways left out for want of memory" if plan["left_out"] else "")
        for run, plan in planned
    ]
    caption = (
        "Measured on validation images, key by key; chosen is the fastest whose mean IoU is at most the tolerance "
        f"({', '.join(sorted({str(plan['tolerance']) for _, plan in planned}))}) below the best. "
        f"What the plans took: {'; '.join(costs)}."
    )
    return Table(_HEAD, body, caption=caption)


def _cells(run: Run, way: Json) -> list[Cell]:
    return [
        tables.text(run.name),
        tables.text("\u00a0×\u00a0".join(map(str, way["tile"]))),
        tables.number(way["tiles"], 0),
        tables.number(way["overlap"], 3),
        tables.number(way["computed"], 2),
        tables.text(way["precision"]),
        tables.text("yes" if way["channels_last"] else "no"),
        tables.number(way["batch_size"], 0),
        tables.text(way["runtime"]),
        tables.quantity(way["pixels_per_second"] / 1e6),
        tables.number(way["mean_iou"], 4),
        tables.text("chosen" if way["chosen"] else ""),
    ]
