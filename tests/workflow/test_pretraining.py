"""Pre-training in the workflow: once for all replicates, and rerun by what it depends on alone."""

from pathlib import Path

import pytest
from helpers import MODEL, make_images
from pipeline import Pipeline

pytestmark = pytest.mark.thorough
UNTIL = ("--until", "train_model")
SEEDS = ["started/seed0", "started/seed1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline after training a model twice from one encoder, pre-trained on images without labels."""
    made = Pipeline(tmp_path_factory.mktemp("pretraining"))
    make_images(made.folder / "spare", count=3, size=36, seed=9)
    settings = "{dataset: spare, epochs: 1, batch_size: 8, mask_size: 8}"
    recipe = MODEL.format(architecture="{method: unet, encoder: resnet18}").replace("epochs: 2", "epochs: 1")
    config = {
        "datasets/spare.yaml": 'source: {kind: images, images: "../../spare/images/*.png"}\n',
        "models/started.yaml": f"{recipe}pretraining: {settings}\n",
        "experiments/tiny.yaml": "datasets: [cells]\nmodels: [started]\nreplicates: {seeds: [0, 1]}\n",
    }
    for name, text in config.items():
        (made.folder / "config" / name).write_text(text)
    result = made.run(*UNTIL)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return made


def test_one_pretraining_serves_every_seed(trained: Pipeline) -> None:
    results = trained.folder / "results"
    assert len(list(results.glob("encoders/resnet18-*/encoder.safetensors"))) == 1
    assert len(list(results.glob("runs/started-*/*/checkpoint.pt"))) == 2
    assert len(list((results / "logs" / "pretrain_encoder").rglob("*.log"))) == 1
    assert trained.jobs(*UNTIL) == {}


def test_settings_of_the_training_rerun_the_training_alone(trained: Pipeline) -> None:
    for new in ("optimizer: {learning_rate: 0.002}\ntraining:", "loss: dice\ntraining:"):
        with trained.edit("config/models/started.yaml", "training:", new):
            assert trained.jobs(*UNTIL) == {"train_model": SEEDS}


def test_settings_and_code_of_the_pretraining_rerun_it_and_its_models(trained: Pipeline) -> None:
    folder = trained.folder
    with trained.edit("config/models/started.yaml", "mask_size: 8", "mask_size: 4"):
        jobs = trained.jobs(*UNTIL)
    assert set(jobs) == {"pretrain_encoder", "train_model"} and jobs["train_model"] == SEEDS
    (folder / "config/experiments/tiny.yaml").write_text(
        "datasets: [cells]\nmodels: [started, levels]\nreplicates: {seeds: [0, 1]}\n"
    )
    assert trained.run(*UNTIL).returncode == 0
    with trained.edit("src/scan2seg/training/masking.py", '"""', '"""Edited. '):
        jobs = trained.jobs(*UNTIL)
    assert set(jobs) == {"pretrain_encoder", "train_model"} and jobs["train_model"] == SEEDS


def test_a_dataset_that_is_not_there_is_refused(trained: Pipeline) -> None:
    with trained.edit("config/models/started.yaml", "dataset: spare", "dataset: spaer"):
        result = trained.run("-n")
    output = result.stdout + result.stderr
    assert result.returncode != 0 and "spaer" in output and "spare" in output and "Traceback" not in output
    assert not list(Path(trained.folder / "results").rglob("*.partial"))
