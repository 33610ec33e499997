"""The page: complete, self-contained, escaped, and there even when little else is."""

import base64
import os
import pickle
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser

import example_report
import numpy as np
import pytest
import zarr

from scan2seg import storage
from scan2seg.config.published import PublishedRow
from scan2seg.errors import InputError
from scan2seg.reporting.html import render_report

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Checked(HTMLParser):
    """Collects attributes that load something and checks that elements nest."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.ids, self.links, self.anchors = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.loads += [found[name] for name in ("src", "xlink:href", "poster") if found.get(name)]
        self.loads += [found["href"]] if tag == "link" else []
        self.links += [found["href"]] if tag == "a" and found["href"].startswith("#") else []
        self.anchors += [found["href"]] if tag == "a" else []
        self.ids += [found["id"]] if "id" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(path):
    text = path.read_text("utf-8")
    page = Checked()
    page.feed(text)
    assert not page.open
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert all(link.startswith(("data:", "#")) for link in page.anchors)  # nothing beside the page
    assert "@import" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    return text


def render(content, folder):
    render_report(content, folder / "index.html", folder / "figures")
    return read(folder / "index.html")


def test_the_page_holds_every_part(example):
    content, report = example
    text = read(report / "index.html")
    for run in content["runs"]:
        assert text.count(run["model"]) > 5
    for part in ("Ranking", "IoU of every class", "Cost beside", "Test images", "Training curves", "Confusion"):
        assert f"<h3>{part}" in text
    for part in (
        "Microstructure",
        "Data and split",
        "Before and after denoising",
        "Pipeline",
        "Provenance",
        "How to read",
    ):
        assert part in text
    assert "1 of 1 test groups (volumes, patients) stand on another side too" in text
    assert text.index("Published elsewhere, not run here") < text.index("A. Author et al., 2021")
    assert "47.83" in text  # the centre of rotation
    assert "learning_rate: 0.001" in text
    figures = {path.stem for path in (report / "figures").glob("*.png")}
    assert {
        "ranking_demo",
        "cost_demo",
        "tradeoff_demo",
        "curves_demo",
        "phases_demo",
        "images_demo_worst",
        "scan_demo_pillar",
    } <= figures
    assert not list(report.glob(".*partial"))


def test_names_are_text_and_never_markup(tmp_path):
    nasty = '<script>alert("x")</script>$\\frac$'
    content = example_report.write_experiment(tmp_path, {"unet": 0.9}, 1, scans=False)
    content["title"] = nasty
    content["datasets"][0]["published"] = [PublishedRow(model=nasty, mean_iou=0.5, source=nasty)]
    content["settings"]["note"] = nasty
    text = render(content, tmp_path / "out")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_volumes_alone_and_nothing_at_all(tmp_path):
    content = example_report.write_experiment(tmp_path, {}, 0)
    text = render(content, tmp_path / "volumes")
    assert "No model was scored" in text
    assert "Before and after denoising" in text
    zarr.open_group(content["scans"][0]["denoised"], mode="a").attrs["denoising"] = []
    assert "Before and after denoising" not in render(content, tmp_path / "raw")
    content |= {"datasets": [], "scans": [], "scores": None, "tables": None}
    assert "No model was scored" in render(content, tmp_path / "nothing")
    scan = {
        "dataset": "tooth",
        "scan": "tooth",
        "reconstruction": tmp_path / "missing.zarr",
        "denoised": None,
        "labels": None,
    }
    content |= {"datasets": [{"name": "tooth", "stack": None, "split": None, "published": []}], "scans": [scan]}
    render(content, tmp_path / "missing")


def test_missing_histories_predictions_labels_and_costs(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "otsu": 0.5}, 1, scans=False)
    for name in ("history.csv", "training.json", "timing.json"):
        (content["runs"][0]["run"] / name).unlink()
    shutil.rmtree(content["runs"][1]["run"] / "prediction.zarr")
    unlabelled = example_report.write_dataset(tmp_path, "unlabelled", 6, labelled=False)
    content["datasets"].append(unlabelled)
    content["runs"].append(
        {
            "dataset": "unlabelled",
            "model": "unet",
            "replicate": "seed0",
            "run": tmp_path / "nowhere",
            "applied": tmp_path / "nowhere",
        }
    )
    text = render(content, tmp_path / "out")
    assert "No run of this dataset kept a training history" in text
    assert "No model was scored on this dataset" in text


def test_a_pretrained_encoder_is_told_with_its_cost(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "otsu": 0.5}, 1, scans=False)
    text = render(content, tmp_path / "without")
    assert "pre-train" not in text and "pretrain_encoder" not in text
    run = content["runs"][0]["run"]
    facts = {"dataset": "slices", "images": 7, "seconds": 5400.0}
    storage.write_json(run / "training.json", {**storage.read_json(run / "training.json"), "pretraining": facts})
    content["pretrained"] = ["unet"]
    text = render(content, tmp_path / "with")
    assert "encoder pre-trained on 7 images of slices" in text and "90 min" in text and "pretrain_encoder" in text


def test_a_damaged_store_is_one_message_and_leaves_the_old_report(example, tmp_path):
    content = example_report.write_experiment(tmp_path, {}, 0, scans=False)
    render(content, tmp_path / "out")
    shutil.rmtree(content["datasets"][0]["stack"] / "image")
    with pytest.raises(InputError, match="image"):
        render(content, tmp_path / "out")
    assert (tmp_path / "out" / "index.html").exists()
    assert (tmp_path / "out" / "figures").is_dir()


def test_a_damaged_volume_is_named_and_leaves_the_old_report(tmp_path):
    content = example_report.write_experiment(tmp_path, {}, 0)
    render(content, tmp_path / "out")
    before = (tmp_path / "out" / "index.html").read_bytes()
    volume = content["scans"][0]["denoised"]
    for shard in [file for file in (volume / "volume" / "c").rglob("*") if file.is_file()]:
        shard.write_bytes(shard.read_bytes()[:50])
    with pytest.raises(InputError, match=f"{volume}: holds a part that cannot be read"):
        render(content, tmp_path / "out")
    assert (tmp_path / "out" / "index.html").read_bytes() == before


def test_a_leaking_split_is_named_in_the_summary(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9}, 1, scans=False)
    split = storage.read_json(content["datasets"][0]["split"])
    storage.write_json(content["datasets"][0]["split"], {**split, "train": [0, 1, 6], "strategy": "random"})
    assert "This split leaks" in render(content, tmp_path / "out")


def test_segmented_scans_and_saliency_are_shown(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "otsu": 0.5}, 1)
    example_report.write_saliency(content["runs"][0]["run"], zero=False)
    example_report.write_saliency(content["runs"][1]["run"], zero=True)
    content["segmentations"] = [
        example_report.write_segmentation(tmp_path),
        {"scan": "gone", "labels": tmp_path / "gone"},
    ]
    text = render(content, tmp_path / "out")
    saliency = text[text.index("<h3>Saliency") : text.index("<h3>Training curves")]
    assert (saliency.count("unet"), saliency.count("otsu")) == (4, 0)  # two images, each named twice
    assert "unet/seed0" in text
    assert "12.50 %" in text
    assert "mean diameter (micrometres)" in text and "3.25" in text and "z, x" in text
    assert "labels of slice 3 of 4" in text
    assert "units is per_millimetre, in training per_pixel" in text


def test_the_tables_travel_inside_the_page(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "otsu": 0.5}, 1, scans=False)
    text = render(content, tmp_path / "elsewhere")
    found = re.findall(r'href="data:[^,"]*;base64,([^"]*)" download="([^"]*)"', text)
    files = {name: base64.b64decode(body).decode() for body, name in found}
    forms = {f"{stem}.{suffix}" for stem in ("performance", "parts") for suffix in ("csv", "md", "tex")}
    assert set(files) == {"scores.csv", "tables.md"} | forms
    assert files["scores.csv"] == content["scores"].read_text("utf-8")
    assert files["performance.csv"].count("\n") == 1 + 2 + 1
    assert "\\bottomrule" in files["performance.tex"]
    for name in ("performance.csv", "performance.md", "performance.tex"):
        assert (tmp_path / "elsewhere" / name).read_text("utf-8") == files[name]  # and beside it


def test_what_is_missing_is_listed_with_its_reason(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "otsu": 0.5, "mean": 0.7}, 2, scans=False)
    assert "What is missing" not in render(content, tmp_path / "whole")
    runs = {(run["model"], run["replicate"]): run["run"] for run in content["runs"]}
    (runs["unet", "seed0"] / "metrics.json").write_text("{")
    (runs["unet", "seed1"] / "timing.json").unlink()
    for name in ("metrics.json", "per_image.csv"):
        (runs["otsu", "seed0"] / name).unlink()
    shutil.rmtree(runs["otsu", "seed0"] / "prediction.zarr")
    (runs["otsu", "seed0"] / "diverged.pt").touch()
    for name in ("training.json", "timing.json", "history.csv"):
        (runs["mean", "seed0"] / name).unlink()
    content["ensembles"] = ["mean"]
    log = tmp_path / "demo" / "logs" / "score_prediction" / "mean" / "seed1.log"
    log.parent.mkdir(parents=True)
    log.write_text("12:00:00 score_prediction: INFO started\n12:00:01 score_prediction: ERROR out of <memory>\n")
    (runs["mean", "seed1"] / "metrics.json").unlink()
    text = render(content, tmp_path / "part")
    gaps = text[text.index("What is missing") : text.index('class="dataset"')]
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", gaps, re.DOTALL)[1:]]
    assert [row[1:3] for row in rows] == [["unet", "seed0"], ["unet", "seed1"], ["otsu", "seed0"], ["mean", "seed1"]]
    assert " ".join(rows[3]).endswith("predicted, not scored: out of &lt;memory&gt;")
    assert "metrics.json" in rows[0][-1] or "metrics.json" in " ".join(rows[0])
    assert "time_inference" in rows[1] and "diverged:" in rows[2]
    assert "otsu" in text[text.index("<h3>Ranking") :]


def test_cases_are_scored_where_images_are_slices(tmp_path):
    entry = example_report.write_dataset(tmp_path, "patients", 12, slices=2)
    runs = [example_report.write_run(tmp_path, entry, "unet", f"seed{seed}", 0.8) for seed in (0, 1)]
    entry["published"] = [
        PublishedRow(model="nnU-Net", source="Isensee", mean_case_dice=0.890),
        PublishedRow(model="another", source="elsewhere", mean_iou=0.7),
    ]
    content = {"experiment": "cases", "title": "", "datasets": [entry], "runs": runs, "scans": [], "settings": {}}
    text = render({**content, "scores": None, "tables": None}, tmp_path / "out")
    assert "Dice of 2 whole volumes or patients" in text
    scores = text[text.index("mean Dice of a case") :]
    scores = scores[: scores.index("</table>")]
    assert "Isensee" in scores and "0.890" in scores
    ranking = text[text.index("<h3>Ranking") :]
    ranking = ranking[: ranking.index("</table>")]
    assert "another" in ranking and "Isensee" not in ranking, "a Dice without the background stood beside one with it"
    assert "Not scored as a whole: pillar_3: 1 of its 2 slices are test images." in text
    assert (tmp_path / "out" / "figures" / "cases_patients.png").exists()
    # the first screen says what to expect of one more volume, the mean over the two that are tested as a whole
    tested = [
        [np.mean(list(case["dice"].values())) for case in cases["rows"] if None not in case["dice"].values()]
        for run in runs
        if (cases := storage.read_json(run["run"] / "metrics.json")["measures"]["cases"])
    ]
    first = text[text.index('id="summary"') : text.index('class="dataset"')]
    words = re.search(r"<dt>Dice of a case</dt><dd>(.*?) ± .* over 2</dd>", first)
    assert words is not None and float(words[1]) == pytest.approx(np.mean(tested), abs=6e-4)


PROGRAM = """
import sys, pathlib, pickle
sys.path.insert(0, sys.argv[3])
from scan2seg.reporting.html import render_report
content = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
render_report(content, pathlib.Path(sys.argv[2]) / "index.html", pathlib.Path(sys.argv[2]) / "figures")
"""


def test_the_same_inputs_give_the_same_page_but_for_the_line_with_the_date(tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9, "otsu": 0.5}, 1)
    content["segmentations"] = [example_report.write_segmentation(tmp_path)]
    (tmp_path / "content").write_bytes(pickle.dumps(content))
    for seed in ("1", "2"):
        command = [sys.executable, "-c", PROGRAM, tmp_path / "content", tmp_path / seed, *sys.path[:1]]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True)
    # the minute may be the same in both
    pages = [(tmp_path / seed / "index.html").read_text("utf-8") for seed in ("1", "2")]
    dated = [re.sub(r"^written .*UTC$", "", page, count=1, flags=re.MULTILINE) for page in pages]
    assert dated[0] == dated[1] and dated[0] != pages[0]
    assert all(datetime.now(UTC).strftime(form) not in dated[0] for form in ("%B %Y", "%Y-%m-%d"))
    figures = [
        {path.name: path.read_bytes() for path in (tmp_path / seed / "figures").iterdir()} for seed in ("1", "2")
    ]
    assert figures[0] == figures[1] and len(figures[0]) > 5
