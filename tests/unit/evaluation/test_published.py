"""Rows of the literature stand beside the models that repeat them, the same ones wherever a table shows them."""

from pathlib import Path

import example_report

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.published import pair_published
from scan2seg.evaluation.ranking import rank
from scan2seg.reporting.content import load_runs
from scan2seg.reporting.performance import performance_table
from scan2seg.reporting.tracking.comparison import tabulate_performance

SHARED, MORE, ALONE = (
    PublishedRow(model=model, source="A. Author", batch_size=batch, repeated_by=repeated)
    for model, batch, repeated in (("Shared", 1, ["unet", "otsu"]), ("More", 2, ["unet"]), ("Alone", 3, ["absent"]))
)


def test_every_table_pairs_the_same_rows(tmp_path: Path) -> None:
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "resunet": 0.8, "otsu": 0.5}, 1, scans=False)
    ranking = rank([run.scores for run in load_runs(content["runs"])], None)
    rows, published = ranking["demo"], [ALONE, SHARED, MORE]
    pairs = [(row and row.model, item and item.model) for row, item in pair_published(rows, published)]
    expected = [("unet", "Shared"), ("unet", "More"), ("resunet", None), ("otsu", "Shared"), (None, "Alone")]
    assert pairs == expected

    table = performance_table(rows, published)
    place = table.columns.index("published")
    shown = [(row[0].text, row[place].text) for row in [*table.rows, *table.marked]]
    assert shown == [("unet", "Shared"), ("", "More"), ("resunet", ""), ("otsu", "Shared"), ("", "Alone")]

    logged = tabulate_performance(ranking, {"demo": published, "unscored": [MORE]})
    names = [logged.columns.index(name) for name in ("dataset", "model", "published_model")]
    assert [tuple(row[name] for name in names) for row in logged.rows] == [
        *(("demo", *pair) for pair in expected), ("unscored", None, "More"),
    ]  # fmt: skip
