"""Each published system on data of its kind: its dataset file reads it, its recipe trains on it and is scored."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from scan2seg.config.dataset import Dataset
from scan2seg.config.experiment import load_component
from scan2seg.config.model import Model
from scan2seg.encoders.build import create
from scan2seg.evaluation.score import score_prediction
from scan2seg.inference.prediction import predict_stack
from scan2seg.patches import extract_patches
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store, read_json
from scan2seg.training.job import TrainingJob
from scan2seg.training.train import train_model
from scan2seg.validation import check_dataset

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[2] / "config" / "experiments"
RECIPES: dict[str, list[str]] = {
    "aa7075": ["xlearn_tuned"],
    "soc_nickel": ["vgg16_unet"],
    "driving": ["drn_a_18"],
    "brats2015": ["mobilenet_unet"],
}
CHANGES = {"aa7075": {"split": {"counts": {"train": 10, "validation": 3, "test": 3}}}}
generator = np.random.default_rng(0)


def draw_label(shape: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    """Draw a disc of each class but the first."""
    label = np.zeros(shape, np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for value in range(1, classes):
        row, column = generator.uniform(0.2, 0.8, 2) * shape
        label[(y - row) ** 2 + (x - column) ** 2 < (0.15 * min(shape)) ** 2] = value
    return label


def make_aa7075(folder: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for number in range(20):
        label = draw_label((36, 34), 3)
        pixels = (label + generator.normal(0, 0.2, label.shape)).astype(np.float32)
        tifffile.imwrite(folder / "images" / f"slice_{number:04d}.tif", pixels)
        tifffile.imwrite(folder / "labels" / f"slice_{number:04d}.tif", colours[label])


def make_soc_nickel(folder: Path) -> None:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(12):
        label = draw_label((128, 128), 2)
        pixels = (60 + 90 * label + generator.normal(0, 10, label.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(label * 255).save(folder / "masks" / f"{number}.png")


CATEGORIES = np.array([0, 33, 36, 38, 49], np.uint16)


def make_driving(folder: Path) -> None:
    """Draw frames with a few of the 35 categories, as the published ones have, and pixels of none."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for number in range(10):
        label = draw_label((400, 500), len(CATEGORIES))
        pixels = np.stack([label * factor for factor in (50, 30, 20)], axis=-1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.jpg")
        values = (CATEGORIES[label] * 1000 + generator.integers(0, 9, label.shape)).astype(np.uint16)
        values[:20] = 65535
        Image.fromarray(values).save(folder / "labels" / f"{number}.png")


def make_brats2015(folder: Path) -> None:
    for patient in range(8):
        label = np.stack([draw_label((48, 48), 5) for _ in range(5)]).astype("<i2")
        place = folder / ("HGG" if patient % 2 else "LGG") / f"brats_pat{patient:04d}_1"
        for number, sequence in enumerate(("MR_T1", "MR_T1c", "MR_T2", "MR_Flair", "OT")):
            values = label if sequence == "OT" else (label * 50 * number + generator.normal(200, 9, label.shape))
            name = f"VSD.Brain.XX.O.{sequence}.{patient}{number}"
            (place / name).mkdir(parents=True)
            head = "NDims = 3\nDimSize = 48 48 5\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
            (place / name / f"{name}.mha").write_bytes(head.encode() + values.astype("<i2").tobytes())


MAKERS: dict[str, Callable[[Path], None]] = {
    "aa7075": make_aa7075,
    "soc_nickel": make_soc_nickel,
    "driving": make_driving,
    "brats2015": make_brats2015,
}


def write_weights(folder: Path, encoder: str | None) -> None:
    """Put random weights where the fetched ones would stand."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    if encoder:
        state = {key: value.contiguous() for key, value in create(encoder, 3).state_dict().items()}
        save_file(state, folder / f"{encoder}.imagenet.weights.safetensors")


@pytest.mark.parametrize("system", MAKERS)
def test_a_system_runs_on_data_of_its_kind(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN2SEG_DATA", str(tmp_path))
    monkeypatch.setenv("SCAN2SEG_WEIGHTS", str(tmp_path / "weights"))
    MAKERS[system](tmp_path / system)
    dataset, file = load_component("datasets", Dataset, {"base": system, **CHANGES.get(system, {})}, FOLDER)
    assert not list(check_dataset(dataset, str(file)))
    stack, split, patches = tmp_path / "stack.zarr", tmp_path / "split.json", tmp_path / "patches.zarr"
    assemble_stack(dataset.stack_source(), stack, classes=dataset.classes)
    split_stack(stack, split, dataset.split)
    for name in RECIPES[system]:
        model, _ = load_component("models", Model, name, FOLDER)
        write_weights(tmp_path / "weights", model.architecture.get("encoder"))
        extract_patches(stack, split, patches, model.patching)
        short = {"epochs": 1, "batch_size": 2, "samples_per_epoch": 4}
        recipe = model.recipe().model_copy(update={"training": model.training.model_copy(update=short)})
        train_model(TrainingJob(patches=patches, split=split, output=tmp_path / name, recipe=recipe))
        inference = model.inference.model_copy(update={"batch_size": 4})
        predict_stack(stack, split, tmp_path / name / "checkpoint.pt", tmp_path / "prediction.zarr", inference)
        identity = {"dataset": system, "model": name, "replicate": "seed0", "split": "test"}
        metrics = tmp_path / "metrics.json"
        score_prediction(stack, tmp_path / "prediction.zarr", metrics, tmp_path / "per_image.csv", identity)
        predicted = open_store(tmp_path / "prediction.zarr")["label"]
        assert predicted.shape[0] == len(read_json(split)["test"])
        assert list(read_json(metrics)["classes"]) == dataset.classes
