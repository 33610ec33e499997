"""Pre-training in a model file: what is wrong with it is named, and equal settings are one encoder."""

from pathlib import Path

import pytest
from helpers import MODEL, change, problems_of

from scan2seg.catalogue import Catalogue
from scan2seg.config.check import check_file
from scan2seg.config.experiment import load_experiment

STARTED = "{method: unet, encoder: resnet18}"


def pretrained(folder: Path, settings: str, architecture: str = STARTED) -> None:
    (folder / "small.yaml").write_text(MODEL.format(architecture=architecture) + f"pretraining: {settings}\n")


@pytest.mark.parametrize(
    ("settings", "architecture", "expected"),
    [
        ("{}", "otsu", "pretraining: needs architecture.encoder, and otsu has none"),
        ("{}", "{method: unet, encoder: null}", "pretraining: needs architecture.encoder"),
        ("{mask_size: 20}", STARTED, "pretraining.mask_size: 20 is more than half"),
        ("{mask_share: 1}", STARTED, "pretraining.mask_share = 1"),
        ("{dataset: nowhere}", STARTED, "there is no such file in datasets"),
        ("{dataset: ./gone.yaml}", STARTED, "gone.yaml: cannot be read"),
        ("{dataset: ./damaged.yaml}", STARTED, "nothing matches"),
        ("{dataset: ./namesake.yaml}", STARTED, "another dataset of the experiment is named cells"),
        ("{maskshare: 0.5}", STARTED, "did you mean 'mask_share'"),
    ],
)
def test_a_mistake_in_pretraining_is_named(folder: Path, settings: str, architecture: str, expected: str) -> None:
    (folder / "damaged.yaml").write_text("source: {kind: images, images: none/*.png}\n")
    (folder / "namesake.yaml").write_text("name: cells\nsource: {kind: images, images: images/*.png}\n")
    pretrained(folder, settings, architecture)
    text = problems_of(folder / "try.yaml")
    assert expected in text and text.count("\n  ") == 1


def test_a_dataset_to_pretrain_on_is_loaded_beside_the_others(folder: Path) -> None:
    # one image without labels cannot be divided, and need not be
    (folder / "alone.yaml").write_text("source: {kind: images, images: images/cell_00.png}\n")
    pretrained(folder, "{dataset: ./alone.yaml}")
    assert "1 datasets" in check_file(folder / "try.yaml")
    experiment = load_experiment(folder / "try.yaml")
    settings = experiment.models["small"].pretraining
    assert settings is not None and settings.dataset == "alone" and list(experiment.pretraining) == ["alone"]
    pretrained(folder, "{dataset: cells}")
    assert load_experiment(folder / "try.yaml").pretraining == {}


def test_one_pretraining_is_shared_by_models_that_differ_elsewhere(folder: Path) -> None:
    pretrained(folder, "{}")
    changes = {
        "same": "optimizer: {learning_rate: 0.1}, training: {epochs: 9}, loss: dice, architecture: {dropout: 0.1}",
        "mask": "pretraining: {mask_share: 0.4}",
        "weights": "architecture: {pretrained: w.pt}",
        "grey": "normalisation: {method: range}",
        "flip": "augmentation: flip",
        "size": "patching: {size: 40}",
    }
    entries = ", ".join(f"{{base: ./small.yaml, name: {name}, {keys}}}" for name, keys in changes.items())
    change(folder / "try.yaml", "[./small.yaml]", f"[./small.yaml, {entries}]")
    (folder / "w.pt").write_bytes(b"")
    experiment = load_experiment(folder / "try.yaml")
    catalogue, dataset = Catalogue(experiment), next(iter(experiment.datasets))
    keys = {name: catalogue.encoder_of(dataset, model).key for name, model in experiment.models.items()}
    assert keys["same"] == keys["small"] and len(set(keys.values())) == len(changes)


def test_a_recipe_without_pretraining_is_what_it_was(folder: Path) -> None:
    assert "pretraining" not in load_experiment(folder / "try.yaml").models["small"].recipe().content()
