"""Links lead to what the experiment asked for, whatever else lies in the folder of a training."""

import os
from pathlib import Path

from scan2seg.reporting.content import RunInput
from scan2seg.reporting.links import link_runs


def test_another_application_of_a_training_is_not_linked(tmp_path: Path) -> None:
    training, applied = tmp_path / "runs/unet/seed0", tmp_path / "runs/unet/seed0/inference-12345678"
    applied.mkdir(parents=True)
    # what the default settings of inference made before lies beside the checkpoint
    for name in ("checkpoint.pt", "metrics.json", "parts-aaaaaaaa.json", ".training.json.host.1.owner"):
        (training / name).write_text("of the training")
    (applied / "metrics.json").write_text("of the application")
    output = tmp_path / "reports/tiny/runs"
    run = RunInput(dataset="cells", model="unet", replicate="seed0", run=training, applied=applied)
    link_runs([run], output)
    folder = output / "cells/unet/seed0"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "metrics.json"]
    assert (folder / "metrics.json").read_text() == "of the application"
    assert os.readlink(folder / "checkpoint.pt") == "../../../../../../runs/unet/seed0/checkpoint.pt"
