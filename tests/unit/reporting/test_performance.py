"""The table of performance: our means, published rows beside ours in their own shape, and the forms for other programs."""

import csv
import io
import re

import pytest

from scan2seg.config.published import PublishedRow
from scan2seg.evaluation.published import SCORES
from scan2seg.evaluation.ranking import rank
from scan2seg.reporting.content import load_runs
from scan2seg.reporting.exports import write_csv, write_latex, write_markdown
from scan2seg.reporting.performance import performance_table


@pytest.fixture(scope="module")
def table(example):
    content, _ = example
    rows = rank([run.scores for run in load_runs(content["runs"])], "unet")["demo"]
    return performance_table(rows, content["datasets"][0]["published"])


def test_a_published_row_stands_beside_the_model_that_repeats_it(table):
    rows = {row[0].text: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    unet = {head: cell.text for head, cell in rows["unet"].items()}
    assert (unet["batch"], unet["steps"], unet["epochs"], unet["devices"]) == ("16", "1200", "12", "cpu")
    assert unet["prediction of an image"] == "120 ms"
    assert (unet["published"], unet["published mean IoU"]) == ("U-Net & friends", "0.739")
    assert (unet["published training"], unet["published devices"]) == ("4 to 4.5 days", "4 GPUs")
    assert unet["published prediction of an image"] == "25 s"
    assert rows["otsu"]["published"].text == ""
    assert "published steps" not in table.columns  # nobody knows any
    (alone,) = table.marked
    assert [cell.text for cell in alone[:8]] == [""] * 8
    assert alone[8].text == "DeepLab v3+"


def test_scores_of_the_literature_stand_beside_ours_of_the_same_name(example):
    content, _ = example
    rows = rank([run.scores for run in load_runs(content["runs"])], "unet")["demo"]
    known = {
        "mean_dice": 0.5, "dice": 0.98, "pixel_accuracy": 0.95, "train_pixel_accuracy": 0.99,
        "validation_pixel_accuracy": 0.97, "mean_image_jaccard": 0.7, "mean_image_precision": 0.8,
    }  # fmt: skip
    row = PublishedRow(model="theirs", source="A. Author", repeated_by=["unet"], note="elsewhere", **known)
    found = performance_table(rows, [row])
    unet = next(dict(zip(found.columns, row, strict=True)) for row in found.rows if row[0].text == "unet")
    (mine,) = [one for one in rows if one.model == "unet"]
    parts = [run.parts["train"]["pixel_accuracy"] for run in mine.runs]
    assert unet["training accuracy"].key == pytest.approx(sum(parts) / len(parts))
    assert unet["mean Dice"].key == pytest.approx(mine.average(lambda run: run.metrics["mean_dice"]))
    assert unet["image precision"].key == pytest.approx(
        mine.average(lambda run: run.metrics["mean_image"]["precision"])
    )
    shown = [unet[f"published {SCORES[key].name}"].key for key in known]
    assert shown == list(known.values())
    assert unet["note"].text == "elsewhere"
    # whose averaging is not known has no counterpart
    assert SCORES["dice"].name not in unet and "published mean IoU" not in unet


def test_csv_holds_whole_numbers_and_seconds(table):
    (unet,) = [row for row in csv.DictReader(io.StringIO(write_csv({"demo": table}))) if row["model"] == "unet"]
    assert unet["dataset"] == "demo"
    assert 20 <= float(unet["training"]) <= 900
    assert float(unet["prediction of an image"]) == 0.12
    assert float(unet["published prediction of an image"]) == 25
    assert len(unet["mean IoU"]) > 8  # not rounded


def test_latex_escapes_and_has_as_many_cells_in_every_line(table):
    text = write_latex({"demo_1": table})
    assert r"U-Net \& friends" in text and r"demo\_1" in text and r"deeplabv3\_plus" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 1 + 3 + 1
    assert all(len(re.findall(r"(?<!\\)&", line)) + 1 == len(columns) == len(table.columns) for line in lines)


def test_markdown_names_the_dataset_and_every_model(table):
    text = write_markdown({"demo": table})
    assert text.startswith("## demo") and text.count("\n|") == 1 + 1 + 3 + 1 - 1 + 1
