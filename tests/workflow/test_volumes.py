"""A network on volumes goes through the whole workflow, from a scan to the report and to a new scan."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import MODEL
from pipeline import Pipeline

from scan2seg.storage import open_store

DEEP = (
    MODEL.format(architecture="{method: unet_3d, features: [8, 8, 8, 16, 16, 8]}")
    .replace("{size: 32, stride: 16}", "{depth: 6, depth_stride: 2, size: 32, stride: 16}")
    .replace("{epochs: 2, batch_size: 8}", "{epochs: 12, batch_size: 4}")
)


@pytest.mark.slow
def test_a_three_dimensional_network_learns_and_is_scored_reported_and_put_to_work(tmp_path: Path) -> None:
    made = Pipeline(tmp_path)
    config, results = tmp_path / "config", tmp_path / "results"
    (config / "models/deep.yaml").write_text(DEEP + "augmentation: [flip]\noptimizer: {learning_rate: 0.005}\n")
    pillar = config / "datasets/pillar.yaml"
    pillar.write_text(pillar.read_text().replace("rows: 12", "rows: 24"))
    (config / "experiments/tiny.yaml").write_text(
        "datasets: [pillar]\nmodels: [deep]\nsaliency: true\nsegment: {datasets: [fresh]}\n"
    )
    result = made.run()
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    run = results / "reports/tiny/runs/pillar/deep/seed0"
    split = json.loads(made.find("stacks/pillar-*/splits/*.json").read_text())
    prediction = open_store(run / "prediction.zarr")
    assert np.asarray(prediction["index"]).tolist() == split["test"]
    metrics = json.loads((run / "metrics.json").read_text())
    # one class for all voxels reaches 0.1
    assert metrics["mean_iou"] > 0.45, metrics["mean_iou"]
    timing = json.loads((run / "timing.json").read_text())
    assert timing["tile_size"] == [6, 32, 32]
    rows = list(csv.DictReader((results / "reports/tiny/scores.csv").open()))
    assert [row["model"] for row in rows] == ["deep"]
    assert "deep" in (results / "reports/tiny/index.html").read_text()
    assert np.asarray(open_store(run / "saliency.zarr")["map"]).max() > 0
    assert np.asarray(open_store(made.find("segmentations/fresh-*/labels.zarr"))["label"]).shape == (6, 48, 48)
    assert made.jobs() == {}
