"""The scores of the parts side by side, in every form that the comparison has."""

import csv

import pytest

from scan2seg import storage
from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.ranking import rank
from scan2seg.reporting.content import load_runs
from scan2seg.reporting.score_tables import part_table


def means(content, model, part, score):
    found = [storage.read_json(run["parts"])["parts"] for run in content["runs"] if run["model"] == model]
    return sum(parts[part][score] for parts in found) / len(found)


def test_the_parts_of_every_model_stand_side_by_side(example):
    content, report = example
    rows = rank([run.scores for run in load_runs(content["runs"])], "unet")["demo"]
    table = part_table(rows)
    body = {row[0].text: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    unet = body["unet"]
    assert unet["training mean IoU"].key == pytest.approx(means(content, "unet", "train", "mean_iou"))
    assert unet["validation mean IoU"].key == pytest.approx(means(content, "unet", "validation", "mean_iou"))
    (row,) = [row for row in rows if row.model == "unet"]
    assert unet["test mean IoU"].key == pytest.approx(row.mean)
    assert unet["training accuracy"].text == "0.970"
    assert body["otsu"]["training mean IoU"].text == "–" and body["otsu"]["test mean IoU"].key is not None
    assert (
        "4 of 5 training images, drawn by a fixed seed, and the only validation image, and of all 5 test"
        in table.caption
    )
    assert "Nothing is chosen by these scores" in table.caption
    assert part_table([row for row in rows if row.model == "otsu"]) is None
    page = (report / "index.html").read_text("utf-8")
    assert 'id="parts-demo"' in page and 'download="parts.tex"' in page
    for suffix, words in (
        ("csv", "training mean IoU"),
        ("md", "| training mean IoU |"),
        ("tex", "training mean IoU &"),
    ):
        assert words in (report / f"parts.{suffix}").read_text("utf-8")


def test_published_scores_of_parts_are_marked_below(example):
    content, _ = example
    rows = rank([run.scores for run in load_runs(content["runs"])], "unet")["demo"]
    told = PublishedRow(model="SPP", source="S", train_pixel_accuracy=0.928, validation_pixel_accuracy=0.922)
    table = part_table(rows, [told, PublishedRow(model="test alone", source="S", pixel_accuracy=0.96)])
    (marked,) = table.marked
    cells = {head: cell.text for head, cell in zip(table.columns, marked, strict=True) if cell.text}
    assert cells == {"model": "SPP", "training accuracy": "0.928", "validation accuracy": "0.922"}


def test_the_comparison_has_them_too(example):
    content, report = example
    rows = list(csv.DictReader((report / "scores.csv").open()))
    run = next(run for run in content["runs"] if run["model"] == "unet")
    written = next(row for row in rows if row["model"] == "unet" and row["replicate"] == run["replicate"])
    parts = storage.read_json(run["parts"])["parts"]
    assert float(written["train_mean_iou"]) == parts["train"]["mean_iou"]
    assert float(written["validation_pixel_accuracy"]) == 0.97
    assert next(row for row in rows if row["model"] == "otsu")["train_mean_iou"] == ""
    text = (report / "tables.md").read_text()
    assert (
        "### Training, validation and test\n\n| model | training mean IoU | validation mean IoU | test mean IoU |"
        in text
    )


def test_a_file_that_is_missing_is_told_and_changes_nothing_else(example, tmp_path):
    from scan2seg.reporting.gaps import read_runs

    content, _ = example
    entry = {**content["runs"][0], "parts": tmp_path / "parts-00000000.json"}
    runs, gaps = read_runs([entry], [])
    assert len(runs) == 1 and runs[0].scores.parts == {}
    assert "scores on training and validation images" in [what for _, what, _ in gaps]
