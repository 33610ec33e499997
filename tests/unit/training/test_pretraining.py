"""Pre-training: what is hidden, what counts, what is learned, where it goes, and that nothing leaks."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import make_images
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_training import train_on

from scan2seg.checkpoint import SegmentationModel, load_checkpoint
from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.patching import PatchingSettings
from scan2seg.errors import InputError
from scan2seg.normalisation import Normalisation
from scan2seg.patches import extract_patches
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store, read_json
from scan2seg.training.data import make_loaders, open_patches
from scan2seg.training.job import TrainingJob
from scan2seg.training.masking import draw_mask, hide, reconstruction_error
from scan2seg.training.pretraining import PretrainingModule, build_network, encoder_state, pretrain_encoder
from scan2seg.training.start import start_from
from scan2seg.training.train import train_model


class KilledError(Exception):
    """Ends a run in the middle of an epoch."""


LABELS = {"labels": "labels/*", "label_values": {"a": 0, "b": 100, "c": 200}}


def write_patches(folder: Path, labelled: bool) -> Path:
    """Write stack, split and patches of images with or without labels."""
    source = {"kind": "images", "images": "images/*", **(LABELS if labelled else {})}
    content = {"name": "d", "source": source, "classes": ["a", "b", "c"] if labelled else []}
    dataset = Dataset.model_validate(content, context={"folder": str(folder)})
    assemble_stack(dataset.stack_source(), folder / "stack.zarr", classes=dataset.classes)
    split_stack(folder / "stack.zarr", folder / "split.json", dataset.split, folds=2)
    patching = PatchingSettings(size=32, stride=32)
    extract_patches(folder / "stack.zarr", folder / "split.json", folder / "patches.zarr", patching)
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    make_images(folder, count=10)
    return write_patches(folder, labelled=True)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled")
    make_images(folder, count=4, seed=5)
    return write_patches(folder, labelled=False)


def model_of(**changes: Any) -> Model:
    content = {
        "name": "m",
        "architecture": {"method": "unet", "encoder": "resnet18"},
        "augmentation": ["flip", "brightness"],
        "training": {"epochs": 1, "batch_size": 8, "precision": "float32"},
        "pretraining": {"epochs": 3, "batch_size": 8, "mask_size": 8},
    }
    return Model.model_validate({**content, **changes})


def pretrain(data: Path, output: Path, **changes: Any) -> dict[str, torch.Tensor]:
    recipe = model_of(**changes).pretraining_recipe()
    pretrain_encoder(data / "stack.zarr", data / "split.json", data / "patches.zarr", output, recipe, dataset="d")
    return load_file(output / "encoder.safetensors")


@pytest.fixture(scope="module")
def finished(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run on the labelled images."""
    folder = tmp_path_factory.mktemp("finished")
    pretrain(labelled, folder)
    return folder


@given(st.tuples(st.integers(2, 50), st.integers(2, 50)), st.integers(1, 16), st.floats(0.01, 0.99), st.integers(0, 99))
def test_whole_blocks_are_hidden_and_as_many_as_asked_for(
    size: tuple[int, int], block: int, share: float, seed: int
) -> None:
    rows, columns = (-(-length // block) for length in size)
    torch.manual_seed(seed)
    if rows * columns < 2:
        with pytest.raises(InputError, match=r"pretraining\.mask_size"):
            draw_mask(3, size, block, share)
        return
    mask = draw_mask(3, size, block, share)
    assert mask.shape == (3, 1, *size)
    corners = mask[:, :, ::block, ::block]
    grown = corners.repeat_interleave(block, 2).repeat_interleave(block, 3)[:, :, : size[0], : size[1]]
    assert torch.equal(mask, grown)
    wanted = min(max(round(share * rows * columns), 1), rows * columns - 1)
    assert corners.sum(dim=(1, 2, 3)).tolist() == [wanted] * 3


def test_blocks_are_drawn_anew_for_every_image_and_seed() -> None:
    torch.manual_seed(0)
    first = draw_mask(2, (64, 64), 8, 0.5)
    assert not torch.equal(first[0], first[1]) and not torch.equal(first, draw_mask(2, (64, 64), 8, 0.5))
    torch.manual_seed(0)
    assert torch.equal(first, draw_mask(2, (64, 64), 8, 0.5))


def test_what_is_hidden_cannot_be_read_and_alone_counts() -> None:
    images = torch.randn(2, 3, 16, 16)
    mask = draw_mask(2, (16, 16), 4, 0.5)
    other = torch.where(mask, torch.randn_like(images), images)
    assert torch.equal(hide(images, mask), hide(other, mask))
    assert torch.equal(hide(images, mask)[~mask.expand_as(images)], images[~mask.expand_as(images)])
    found = images + torch.where(mask, 0.25, 7.0)
    assert reconstruction_error(found, images, mask).item() == pytest.approx(0.25, rel=1e-5)


def test_the_reconstruction_of_a_texture_becomes_better_than_the_mean() -> None:
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    phases = torch.rand(8) * 6.28
    images = torch.stack([torch.sin(x / 4 + phase) + torch.sin(y / 3 + phase) for phase in phases])[:, None]
    network = build_network(model_of().pretraining_recipe(), 1)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    errors = []
    for _ in range(25):
        mask = draw_mask(8, (64, 64), 8, 0.5)
        error = reconstruction_error(network(hide(images, mask)), images, mask)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    blind = reconstruction_error(hide(images, mask), images, mask).item()
    assert errors[-1] < 0.7 * blind and errors[-1] < 0.6 * errors[0]


def test_a_seed_decides_the_file(labelled: Path, finished: Path, tmp_path: Path) -> None:
    first = pretrain(labelled, tmp_path / "same")
    files = [(folder / "encoder.safetensors").read_bytes() for folder in (finished, tmp_path / "same")]
    assert files[0] == files[1]
    settings = model_of().recipe().content()["pretraining"]
    other = pretrain(labelled, tmp_path / "other", pretraining={**settings, "seed": 1})
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    rows = list(csv.DictReader((finished / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"] and all(float(row["train_loss"]) > 0 for row in rows)
    assert not (finished / "training").exists()


def test_a_stopped_run_goes_on_and_equals_an_undisturbed_one(
    labelled: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_file(finished / "encoder.safetensors")
    step = PretrainingModule.training_step

    def stop(self: PretrainingModule, batch: Any, number: int) -> Any:
        if self.current_epoch == 2:
            raise KilledError
        return step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", stop)
        with pytest.raises(KilledError):
            pretrain(labelled, tmp_path / "cut")
    assert not (tmp_path / "cut" / "encoder.safetensors").exists()
    # the state of a training, of which one with other settings is not taken up
    shutil.copytree(tmp_path / "cut" / "training", tmp_path / "other" / "training")
    epochs: list[int] = []

    def watch(self: PretrainingModule, batch: Any, number: int) -> Any:
        epochs.append(self.current_epoch)
        return step(self, batch, number)

    monkeypatch.setattr(PretrainingModule, "training_step", watch)
    resumed = pretrain(labelled, tmp_path / "cut")
    assert set(epochs) == {2}
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    settings = model_of().recipe().content()["pretraining"]
    pretrain(labelled, tmp_path / "other", pretraining={**settings, "seed": 1})
    assert set(epochs) == {0, 1, 2}


def test_a_single_patch_at_the_end_of_an_epoch_changes_nothing(labelled: Path, tmp_path: Path) -> None:
    count = len(open_patches(labelled / "patches.zarr", labelled / "split.json", None, "cpu").train)
    recipe = model_of(pretraining={"epochs": 1, "batch_size": count - 1, "mask_size": 8}).pretraining_recipe()
    data = open_patches(labelled / "patches.zarr", labelled / "split.json", None, "cpu")
    loader, _ = make_loaders(data, recipe.training, 0)
    module = PretrainingModule(build_network(recipe, 1), Normalisation(1), recipe, loader)
    single = (*data.fetch(data.train[:1]), data.train[:1], 1.0)
    assert module.training_step(single, 0) is not None
    assert module.training_step(single, 1) is None and len(module.sums["train_loss"]) == 1


def test_training_starts_from_every_weight_of_the_encoder(labelled: Path, finished: Path) -> None:
    state = load_file(finished / "encoder.safetensors")
    for architecture in (
        {"method": "unet", "encoder": "resnet18"},
        {"method": "unet_plus_plus", "encoder": "resnet18", "depth": 4},
        {"method": "deeplabv3_plus", "encoder": "resnet18"},
    ):
        recipe = model_of(architecture=architecture).recipe()
        recipe, facts = start_from(
            recipe, finished / "encoder.safetensors", labelled / "stack.zarr", labelled / "split.json"
        )
        model = SegmentationModel(recipe.architecture, Normalisation(1), 1, 3)
        loaded = encoder_state(model.network)
        assert all(torch.equal(value, state[name]) for name, value in loaded.items())
        deepest = {"unet_plus_plus": "layer3.1.conv2.weight"}.get(architecture["method"], "layer4.1.conv2.weight")
        assert deepest in loaded
        assert facts["dataset"] == "d" and facts["seconds"] > 0 and facts["epochs"] == 3


def test_a_model_is_trained_from_it_and_says_so(labelled: Path, unlabelled: Path, tmp_path: Path) -> None:
    pretrain(unlabelled, tmp_path / "encoder", pretraining={"epochs": 1})
    facts = read_json(tmp_path / "encoder" / "pretraining.json")
    assert facts["images"] == 4
    files = {"patches": labelled / "patches.zarr", "split": labelled / "split.json"}
    recipe = model_of(optimizer={"learning_rate": 1e-12}).recipe()
    more = {"encoder": tmp_path / "encoder" / "encoder.safetensors", "stack": labelled / "stack.zarr"}
    train_model(TrainingJob(**files, output=tmp_path / "run", recipe=recipe, **more))
    trained = encoder_state(load_checkpoint(tmp_path / "run" / "checkpoint.pt")[0].network)
    start = load_file(more["encoder"])
    assert torch.allclose(trained["layer3.0.conv1.weight"], start["layer3.0.conv1.weight"], atol=1e-8)
    assert read_json(tmp_path / "run" / "training.json")["pretraining"]["seconds"] == facts["seconds"]
    with pytest.raises(InputError, match="no pixel has a label"):
        train_on(unlabelled, tmp_path / "none", recipe)


def test_only_training_images_are_used_and_test_images_are_refused(
    labelled: Path, finished: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    split, stack = read_json(labelled / "split.json"), open_store(labelled / "stack.zarr")
    hashes: Any = stack.attrs["hashes"]
    used = read_json(finished / "pretraining.json")["image_hashes"]
    assert used == [hashes[index] for index in split["train"]]
    same = tmp_path_factory.mktemp("same")
    make_images(same, count=10)
    pretrain(write_patches(same, labelled=False), tmp_path / "all", pretraining={"epochs": 1})
    assert len(read_json(tmp_path / "all" / "pretraining.json")["image_hashes"]) == 10
    with pytest.raises(InputError, match=r"holds 2 of the test images, such as cell_0"):
        start_from(
            model_of().recipe(),
            tmp_path / "all" / "encoder.safetensors",
            labelled / "stack.zarr",
            labelled / "split.json",
        )


def test_labels_change_nothing(labelled: Path, tmp_path: Path) -> None:
    changes = {"augmentation": [{"method": "foreground_crop", "probability": 1}], "pretraining": {"epochs": 1}}
    first = pretrain(labelled, tmp_path / "1", **changes)
    other = tmp_path / "other"
    make_images(other, count=10)
    from PIL import Image

    for path in (other / "labels").iterdir():
        Image.fromarray(np.rot90(np.asarray(Image.open(path))).copy()).save(path)
    second = pretrain(write_patches(other, labelled=True), tmp_path / "2", **changes)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_patches_that_depend_on_labels_need_labels(unlabelled: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"patching: .* has no labels"):
        extract_patches(
            unlabelled / "stack.zarr",
            unlabelled / "split.json",
            tmp_path / "p.zarr",
            PatchingSettings(size=32, strategy="foreground"),
        )


def test_a_rate_that_is_too_high_is_named(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pretraining\.learning_rate"):
        pretrain(labelled, tmp_path, pretraining={"epochs": 6, "learning_rate": 1e30, "batch_size": 4})
