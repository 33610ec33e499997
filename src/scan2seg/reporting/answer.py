"""The first screen: what the experiment found, in two sentences with their uncertainty, and the best models."""

from collections.abc import Sequence

from scan2seg.evaluation import statistics
from scan2seg.evaluation.hardware import are_comparable
from scan2seg.evaluation.ranking import Ranked, compare
from scan2seg.evaluation.units import MINIMUM_UNITS
from scan2seg.reporting import tables
from scan2seg.reporting.score_tables import cost_number, without_unknown
from scan2seg.reporting.tables import Cell, Table

LEADERS = 7
"""Models in the short ranking."""


def answer(rows: Sequence[Ranked]) -> str:
    """Say which model is best and how good it is, with spread and interval."""
    best, count = rows[0], len(rows[0].runs)
    if best.mean is None:
        return f"No model has a mean IoU on {best.dataset}: the truth of its test images holds no class."
    place = f"best of {len(rows)} models on" if len(rows) > 1 else "the only model on"
    spread = f" ± {best.spread:.3f} over {count} runs" if best.spread is not None else " in a single run"
    sure = f", 95 % interval {tables.interval(best.interval).text}" if best.interval else ""
    return f"{best.model} is {place} {best.dataset}: mean IoU {best.mean:.3f}{spread}{sure}."


def lead_of_the_winner(rows: Sequence[Ranked]) -> str:
    """Say how far the first model is ahead of the second, and whether the test images can tell them apart."""
    if len(rows) < 2:
        return ""
    found, units = compare(rows[0], rows[1]), rows[0].units
    if found is None:
        return ""
    if not found.value:
        return f"{rows[0].model} and {rows[1].model} have the same mean IoU."
    far = f"{found.value:.3f}" if found.value >= 0.0005 else "less than 0.001"
    lead = f"{rows[0].model} leads {rows[1].model} by {far} in mean IoU"
    if found.p_value is None:
        return f"{lead}. With {units.words}, fewer than {MINIMUM_UNITS}, nothing can be said of how certain that is."
    bounds = f"95 % interval of the difference over {units.words} {tables.interval(found.interval).text}"
    p_value = tables.p_value(found.p_value).text
    facts = f"{bounds}, p {p_value}" if p_value.startswith("<") else f"{bounds}, p = {p_value}"
    if found.p_value < 1 - statistics.LEVEL:
        return f"{lead} ({facts}): the test images tell the two apart."
    return f"{lead} ({facts}): the test images do not tell the two apart."


def leader_table(rows: Sequence[Ranked]) -> Table:
    """Return the first models with score, interval and times."""
    body = []
    names = ("prediction_seconds_per_image", "training_seconds")
    comparable = {name: are_comparable(rows, name) for name in names}
    for place, row in enumerate(rows[:LEADERS], start=1):
        spread = "" if row.spread is None else f" ± {tables.number(row.spread).text}"
        times = [
            tables.side_by_side(
                tables.duration(row.average(lambda run, name=name: cost_number(run, name))),  # type: ignore[misc]
                comparable[name],
            )
            for name in names
        ]
        cells = [
            tables.number(place, 0),
            tables.text(row.model),
            Cell(f"{tables.number(row.mean).text}{spread}", row.mean),
        ]
        body.append([*cells, tables.interval(row.interval), *times])
    left = len(rows) - len(body)
    head, body = without_unknown(["", "model", "mean IoU", "95 % interval", "an image", "training"], body)
    caption = f"{left} more model{'s' * (left > 1)} in the full ranking below." if left else ""
    return Table(head, body, caption=caption, best=0)
