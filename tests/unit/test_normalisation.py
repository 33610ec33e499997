"""Grey values to network input: an image's own statistics are those of the whole image, in training and prediction."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from scan2seg.checkpoint import SegmentationModel, load_checkpoint, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.training import InferenceSettings, NormalisationSettings
from scan2seg.errors import InputError
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import (
    Normalisation,
    encoder_statistics,
    find_range,
    fit_normalisation,
)
from scan2seg.patches import extract_patches
from scan2seg.standardisation import measure_images
from scan2seg.storage import create_array, creating, write_json
from scan2seg.training.data import open_patches

OTSU = {"method": "otsu"}

UNET = Plugin("architectures").resolve({"method": "unet", "encoder": None, "width": 4, "depth": 2})


def half_flat(size: int = 32) -> np.ndarray:
    generator = np.random.default_rng(0)
    image = np.full((size, size), 5.0, np.float32)
    image[:, size // 2 :] = 100 + 20 * generator.standard_normal((size, size // 2))
    image[:, : size // 2] += 0.05 * generator.standard_normal((size, size // 2))
    return image.astype(np.float32)


def write_stack(folder: Path, images: list[np.ndarray], groups: list[str], sizes: list[tuple[int, int]]) -> None:
    shape = (len(images), 1, *images[0].shape)
    with creating(folder / "stack.zarr") as group:
        create_array(group, "image", shape, "float32")[:] = np.stack(images)[:, None]
        create_array(group, "label", (shape[0], *shape[2:]), "uint8")[:] = 1
        group.create_array("size", shape=(len(images), 2), dtype="int32")[:] = np.array(sizes, np.int32)
        names = [f"i{index}" for index in range(len(images))]
        group.attrs.update({"names": names, "groups": groups, "classes": ["a", "b"], "labelled": True})
    last = len(images) - 1
    write_json(folder / "split.json", {"train": list(range(last)), "validation": [last], "test": []})


def patches_of(folder: Path, settings: dict[str, Any]) -> Any:
    extract_patches(folder / "stack.zarr", folder / "split.json", folder / "p.zarr", PatchingSettings(**settings))
    patches = open_patches(folder / "p.zarr", folder / "split.json", None, "cpu")
    patches.per_image = True
    return patches


def test_a_flat_part_keeps_the_scale_of_its_image_and_padding_does_not_count(tmp_path: Path) -> None:
    image = half_flat()
    padded = np.pad(image, ((0, 8), (0, 8)))
    write_stack(tmp_path, [padded, np.full((40, 40), 7, np.float32)], ["a", "b"], [(32, 32), (40, 40)])
    patches = patches_of(tmp_path, {"size": 16})
    first = int(np.flatnonzero((patches.origin == [0, 0, 0]).all(axis=1))[0])
    found = patches.fetch(np.array([first]))[0][0, 0].numpy()
    expected = (image[:16, :16] - image.mean()) / image.std()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert found.std() < 0.01
    flat = patches.fetch(patches.validation)[0]
    assert torch.equal(flat, torch.zeros_like(flat))


def test_slices_of_a_volume_share_its_statistics_where_the_network_sees_volumes(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    volume = [np.full((16, 16), 10.0 * index, np.float32) for index in range(6)]
    volume = [each + generator.standard_normal(each.shape).astype(np.float32) for each in volume]
    write_stack(tmp_path, volume, ["v"] * 6, [(16, 16)] * 6)
    patches = patches_of(tmp_path, {"size": 16, "depth": 2})
    whole = np.stack(volume)
    np.testing.assert_allclose(patches.statistics[:, 0, 0], whole.mean(), rtol=1e-5)
    np.testing.assert_allclose(patches.statistics[:, 1, 0], whole.std(), rtol=1e-5)


def test_prediction_sees_what_training_saw_tile_by_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = half_flat()
    model = SegmentationModel(UNET, Normalisation(1, per_image=True), 1, 2)
    description = {"classes": ["a", "b"], "patch_size": [16, 16], "neighbours": 0}
    save_checkpoint(tmp_path / "m.pt", model, description)
    predictor = Predictor(tmp_path / "m.pt", InferenceSettings(overlap=0), precision="float32")
    seen: list[torch.Tensor] = []
    whole = predictor.run
    monkeypatch.setattr(predictor, "run", lambda tiles: seen.append(tiles) or whole(tiles))
    predictor.predict(image[None])
    tiles = torch.cat(seen)[:, 0, 0].numpy()
    expected = ((image - image.mean(dtype=np.float64)) / image.std(dtype=np.float64)).astype(np.float32)
    np.testing.assert_allclose(tiles[0], expected[:16, :16], rtol=1e-5)
    assert tiles[0].std() < 0.01
    # another image in memory has its own
    predictor.predict(3 * image[None])
    np.testing.assert_allclose(torch.cat(seen)[4:, 0, 0].numpy(), tiles, rtol=1e-3, atol=1e-4)


def test_statistics_of_slices_are_merged_without_cancellation() -> None:
    volume = (1e4 + np.random.default_rng(2).standard_normal((2, 5, 8, 9))).astype(np.float32)
    found = measure_images(lambda images: volume[:, images.start : images.stop], range(5))
    np.testing.assert_allclose(found[1], volume.astype(np.float64).std(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 200], (0, 255)),
        ([3, 40_000], (0, 65535)),
        ([0, 0.9], (0, 1)),
        ([-0.5, 1.5], (-0.5, 2.0)),
        ([4.5, 4.5], (4.5, 1)),
    ],
)
def test_the_range_of_images_follows_from_their_values(values: list[float], expected: tuple[float, float]) -> None:
    assert find_range(np.asarray(values, np.float32)) == expected


def test_imagenet_is_what_the_library_of_the_encoder_does() -> None:
    from torchvision.transforms.functional import normalize

    image = np.random.default_rng(3).integers(0, 256, (4, 1, 8, 8)).astype(np.float32)
    settings = NormalisationSettings(method="imagenet", channels=3)
    found = fit_normalisation(settings, image, range(4), "resnet18")(torch.from_numpy(image))
    colour = torch.from_numpy(image).expand(-1, 3, -1, -1) / 255
    torch.testing.assert_close(found, normalize(colour, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    assert encoder_statistics("timm-tf_efficientnet_lite0") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="the architecture has none"):
        fit_normalisation(settings, image, range(4))


def test_per_image_goes_with_standardise_alone() -> None:
    with pytest.raises(ValidationError, match="per_image: goes with method: standardise"):
        NormalisationSettings(method="range", per_image=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 1}, "has the format 1, this version reads 2"),
        ({"format": None}, "does not say its format"),
        ({"state": None}, "lacks state"),
        ({"nan": "network"}, "hold infinite values or none"),
        ({"shape": "network"}, "is not a readable checkpoint"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    model = SegmentationModel(UNET, Normalisation(1), 1, 2)
    save_checkpoint(tmp_path / "m.pt", model, {"classes": ["a", "b"], "patch_size": [16, 16], "neighbours": 0})
    content = torch.load(tmp_path / "m.pt", weights_only=True)
    weight = next(name for name in content["state"] if name.startswith("network") and name.endswith("weight"))
    if "nan" in change:
        content["state"][weight].view(-1)[0] = float("nan")
    elif "shape" in change:
        content["state"][weight] = content["state"][weight][:1]
    else:
        for key, value in change.items():
            content[key] = value
            if value is None:
                del content[key]
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(InputError, match=words):
        load_checkpoint(tmp_path / "m.pt")
