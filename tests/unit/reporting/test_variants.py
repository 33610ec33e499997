"""The variants of a dataset in the report: a table each family, a block of rows each model, in the tables of text too."""

from pathlib import Path

import pytest

from scan2seg.evaluation.comparison import compare_models
from scan2seg.evaluation.variants import rank_variants
from scan2seg.reporting.content import ReportInputs, files_of, load_runs
from scan2seg.reporting.html import render_report
from scan2seg.reporting.variants import variant_tables


@pytest.fixture
def inputs(example: tuple[ReportInputs, Path]) -> ReportInputs:
    """The experiment with each run once more, as of a variant of its dataset; its models have changed places."""
    content, _ = example
    swapped = {"unet": "otsu", "otsu": "unet"}
    others = [{**run, "dataset": "smooth", "model": swapped.get(run["model"], run["model"])} for run in content["runs"]]
    dataset = {**content["datasets"][0], "name": "smooth", "published": []}
    return {**content, "runs": [*content["runs"], *others], "datasets": [*content["datasets"], dataset],
            "variants": [["demo", "smooth"]]}  # fmt: skip


def test_each_family_has_a_table_with_a_block_of_rows_a_model(inputs: ReportInputs) -> None:
    runs = [run.scores for run in load_runs(inputs["runs"])]
    (found,) = variant_tables(runs, [["demo", "smooth"], ["demo", "absent"]])
    assert found.name == "demo"
    rankings = {ranking.model: ranking for ranking in rank_variants(runs, ["demo", "smooth"])}
    shown = [[cell.text for cell in row] for row in found.table.rows]
    assert [row[:2] for row in shown] == [[name, row.model] for name, each in rankings.items() for row in each.rows]
    worse = next(row for row in shown if row[:2] == ["unet", "smooth"])
    against = next(row.against for row in rankings["unet"].rows if row.model == "smooth")
    assert against is not None and against.value < 0 and worse[4] == f"−{-against.value:.3f}"
    assert next(row for row in shown if row[:2] == ["unet", "demo"])[4] == "reference"
    images = rankings["unet"].rows[0].images
    assert f"Over the {images} test images that all variants share" in (found.table.caption or "")
    assert variant_tables(runs, []) == []


def test_page_and_tables_of_text_show_it(inputs: ReportInputs, tmp_path: Path) -> None:
    render_report(inputs, tmp_path / "index.html", tmp_path / "figures")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<h3>Variants of demo</h3>") == 1 and 'id="variants-demo"' in page
    files = [files_of(run) for run in inputs["runs"]]
    compare_models(files, tmp_path / "scores.csv", tmp_path / "tables.md", "unet", {}, [["demo", "smooth"]])
    text = (tmp_path / "tables.md").read_text("utf-8").partition("## Variants of demo")[2]
    assert "| unet | smooth |" in text and "| otsu | demo |" in text
