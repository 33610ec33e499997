"""Variants of one dataset side by side, as tables of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from scan2seg.evaluation.comparison import describe_uncertainty
from scan2seg.evaluation.runs import Run
from scan2seg.evaluation.variants import rank_variants
from scan2seg.reporting import tables
from scan2seg.reporting.tables import Cell, Table


@dataclass(frozen=True)
class VariantTable:
    """The variants of a dataset under every model, and what the numbers are over."""

    name: str
    table: Table


def variant_tables(runs: Sequence[Run], variants: Sequence[Sequence[str]]) -> list[VariantTable]:
    """Return a table a dataset that has variants which can be compared."""
    return [found for names in variants if (found := _table(runs, names)) is not None]


def _table(runs: Sequence[Run], names: Sequence[str]) -> VariantTable | None:
    rankings = rank_variants(runs, names)
    if not rankings:
        return None
    first = rankings[0].reference
    body = []
    for ranking in rankings:
        for row in ranking.rows:
            cells = [tables.text(ranking.model), tables.text(row.model), tables.number(row.mean, heat=True)]
            cells += [tables.number(row.spread)]
            if row.against is None:
                cells += [Cell("reference" if row.model == first else tables.UNKNOWN), Cell(tables.UNKNOWN)]
            else:
                cells += [tables.number(row.against.value, sign=True), tables.interval(row.against.interval)]
            body.append([*cells, tables.p_value(row.p_holm)])
    row = rankings[0].rows[0]
    caption = f"Over the {row.images} test images that all variants share. {describe_uncertainty(row.units, first)}"
    head = ["model", "variant", "mean IoU", "± spread", f"Δ to {first}", "95 % interval of Δ", "p (Holm)"]
    return VariantTable(first, Table(head, body, caption=caption))
