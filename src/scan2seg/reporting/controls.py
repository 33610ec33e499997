"""Two rows below every ranking that are no models: what must score perfectly, and what must score like chance."""

from collections.abc import Sequence
from dataclasses import replace

from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.run_measures import check_truth, control
from scan2seg.reporting import tables
from scan2seg.reporting.tables import Cell, Table

SCORES = {"mean IoU": "mean_iou", "mean Dice": "mean_dice", "pixel accuracy": "pixel_accuracy"}
"""The columns of the ranking that a control has, and the scores in them."""


def with_controls(table: Table, rows: Sequence[Ranked]) -> Table:
    """Return a ranking with the controls below it, and the warning that one failed; unchanged for runs without them."""
    winner = rows[0]
    if not any(run.metrics.get("controls") for run in winner.runs):
        return table
    runs = [run for row in rows for run in row.runs]
    lines = [
        ("truth", "truth in the prediction’s place", "must be exactly 1"),
        ("shuffled", f"{winner.model}, pixels shuffled", "how often each class is, without where"),
    ]
    controls = []
    for kind, label, note in lines:
        cells = [_score(winner, kind, column) for column in table.columns]
        cells[table.columns.index("model")] = Cell(label, note=note)
        controls.append(cells)
    return replace(table, controls=controls, alarm=check_truth(runs))


def _score(row: Ranked, kind: str, column: str) -> Cell:
    if column not in SCORES:
        return Cell("")
    return tables.number(row.average(lambda run: control(run, kind, SCORES[column])))
