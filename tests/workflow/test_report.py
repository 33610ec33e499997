"""What people take away from a finished run: Snakemake's own report, and ours while a part of the results is missing."""

import copy
import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pipeline import Pipeline

from scan2seg.storage import open_store

pytestmark = pytest.mark.slow


def scan2seg(pipeline: Pipeline, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("scan2seg")), *words]
    return subprocess.run(
        command, cwd=pipeline.folder, env=pipeline.env, capture_output=True, text=True, timeout=300, check=False
    )


def test_snakemake_s_report_has_the_results_with_captions_in_categories(pipeline: Pipeline, tmp_path: Path) -> None:
    result = pipeline.run("--report", str(tmp_path / "report.zip"))
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        names = packed.namelist()
        text = packed.read(next(name for name in names if name.endswith("report.html"))).decode()
        kept = {packed.read(name) for name in names if "/data/raw/" in name}
    results = pipeline.folder / "results/reports/tiny"
    assert {(results / name).read_bytes() for name in ("index.html", "scores.csv")} <= kept
    categories, shown = (
        json.loads(re.search(rf"var {name} = (\{{.*\}});", text)[1])  # type: ignore[index]
        for name in ("categories", "results")
    )
    assert set(categories) == {"Benchmark", "Tables", "Figures"}
    figures = {path.name for path in (results / "figures").glob("*.png")}
    assert {entry["name"] for entry in shown.values()} == {"index.html", "scores.csv", *figures} and len(figures) > 5
    captions = {entry["name"]: entry["caption"] for entry in shown.values()}
    assert "The comparison of the models" in captions["index.html"] and "Every run in a row" in captions["scores.csv"]
    assert all("A figure of the comparison" in captions[name] for name in figures)


def test_a_report_is_made_of_what_is_there_and_made_anew_once_the_rest_is(
    pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> None:
    part = copy.copy(pipeline)
    part.folder = tmp_path_factory.mktemp("copy") / "part"
    shutil.copytree(pipeline.folder, part.folder, symlinks=True)
    part.env = {**pipeline.env, "PYTHONPATH": str(part.folder / "src")}
    shutil.rmtree(part.folder / "results/reports")
    failed = next(
        next(folder for folder in path.parents if folder.name == "seed0")
        for path in (part.folder / "results/runs").glob("small-*/seed0/**/metrics.json")
        if json.loads(path.read_text())["dataset"] == "cells"
    )
    shutil.rmtree(failed)
    log = part.folder / "results/logs/train_model" / f"{failed.parent.name}/seed0.log"
    log.write_text("12:00:00 train_model: INFO started\n12:00:01 train_model: ERROR no more of it\n")
    result = scan2seg(part, "report", "config/experiments/tiny.yaml")
    assert result.returncode == 0, result.stderr
    assert "cells/small/seed0: all of it is missing: not trained: no more of it" in result.stdout
    report = part.folder / "results/reports/tiny"
    text = (report / "index.html").read_text()
    assert "What is missing" in text and "no more of it" in text
    assert "<td" in text[text.index('id="ranking-cells"') :] and "levels" in text[text.index('id="ranking-cells"') :]
    assert "cells,small" not in (report / "scores.csv").read_text()
    assert "pillar,small,seed0" in (report / "scores.csv").read_text()
    jobs = part.jobs()
    assert {"train_model", "compare_models", "render_report", "log_to_mlflow"} <= set(jobs)
    assert jobs["train_model"] == ["small/seed0"]
    shutil.rmtree(part.folder / "results/runs")
    nothing = scan2seg(part, "report", "config/experiments/tiny.yaml")
    assert nothing.returncode == 2 and "no model was scored" in nothing.stderr and "Traceback" not in nothing.stderr


def test_the_winner_of_a_report_labels_files_as_it_did_when_it_was_scored(pipeline: Pipeline, tmp_path: Path) -> None:
    report, output = "results/reports/tiny", tmp_path / "labels"
    said = scan2seg(pipeline, "segment", report, "cells/images", str(output), "--dataset", "cells", "--threads", "1")
    assert said.returncode == 0, said.stderr
    rows = list(csv.DictReader((pipeline.folder / report / "scores.csv").open()))
    (first,) = (row for row in rows if row["dataset"] == "cells" and row["rank"] == "1" and row["chosen"] == "1")
    assert first["model"] == "both" and re.search(r"model: \S+/small-\w+/seed0 \+ \S+/levels-\w+/seed0\n", said.stderr)
    run = pipeline.folder / report / "runs/cells/both/seed0"
    prediction = open_store(run / "prediction.zarr")
    stack = open_store(next((pipeline.folder / "results/stacks").glob("cells-*")) / "stack.zarr")
    for place, index in enumerate(np.asarray(prediction["index"]).tolist()):
        height, width = np.asarray(stack["size"])[index]
        found = np.asarray(Image.open(output / f"{stack.attrs['names'][index]}.png"))
        assert (found == np.asarray(prediction["label"])[place, :height, :width]).all()
    again = scan2seg(pipeline, "segment", report, "cells/images", str(tmp_path / "out"))
    assert again.returncode == 2 and "say the dataset by --dataset, one of cells, pillar" in again.stderr
