"""Tiling is exact where it should be, files come back, and what does not fit is refused."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.appearance import describe_appearance
from scan2seg.checkpoint import SegmentationModel, load_checkpoint, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.evaluation.volume_particles import VolumeParticles
from scan2seg.inference import timing
from scan2seg.inference.ensembling import ensemble_predictions
from scan2seg.inference.members import Member
from scan2seg.inference.prediction import predict_stack
from scan2seg.inference.saliency import map_saliency
from scan2seg.inference.segmentation import segment_scan
from scan2seg.inference.tiling import Predictor
from scan2seg.inference.timing import time_inference
from scan2seg.normalisation import Normalisation
from scan2seg.precision import Decision
from scan2seg.probabilities import STEPS, decode
from scan2seg.storage import create_array, create_volume, creating, open_store, read_json, write_json


class Threshold(torch.nn.Module):
    """A model without context: tiling cannot change what it says."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions, self.stride = dimensions, 1
        self.memory_format = torch.contiguous_format

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.ndim == 2 + self.dimensions
        return torch.cat([-images[:, :1], images[:, :1]], dim=1)


class Context(Threshold):
    """A model of everything in its tile, after which nothing is like what another tile would give."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images + images.mean(dim=(2, 3, 4), keepdim=True))


def make_predictor(model: Threshold, tile: tuple[int, int, int], **inference: Any) -> Predictor:
    predictor = Predictor.__new__(Predictor)
    predictor.device, predictor.decision, predictor.model = "cpu", Decision("float32"), model
    predictor._order = model.memory_format
    predictor._flat = {}
    predictor._statistics, model.normalisation = {}, Normalisation(1)
    predictor.settings = InferenceSettings(batch_size=3, **inference)
    predictor.classes, predictor.tile, predictor._lock = ["a", "b"], tile, threading.Lock()
    predictor._patch = tile
    return predictor


UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}


def write_model(
    folder: Path, channels: int = 1, classes: int = 2, architecture: dict[str, Any] = UNET, **description: Any
) -> Path:
    torch.manual_seed(0)
    model = SegmentationModel(Plugin("architectures").resolve(architecture), Normalisation(channels), channels, classes)
    names = ["a", "b", "c"][:classes]
    facts = {"classes": names, "patch_size": [16, 16], "neighbours": 0, **description}
    save_checkpoint(folder / "checkpoint.pt", model.eval(), facts)
    return folder / "checkpoint.pt"


def write_stack(folder: Path, count: int = 5, size: tuple[int, int] = (30, 21)) -> np.ndarray:
    images = np.random.default_rng(0).normal(size=(count, 1, *size)).astype(np.float32)
    with creating(folder / "stack.zarr") as group:
        create_array(group, "image", images.shape, "float32")[:] = images
        sizes = np.array([[size[0] - index % 3, size[1] - index % 2] for index in range(count)], np.int32)
        group.create_array("size", data=sizes)
        group.attrs.update({"groups": ["g"] * count, "names": [str(i) for i in range(count)]})
    write_json(folder / "split.json", {"train": [0], "validation": [], "test": [1, 2, 4]})
    return images


OVERLAPS, BLENDS = st.floats(0, 0.9), st.sampled_from(["gaussian", "constant"])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(4, 24), OVERLAPS, BLENDS)
def test_tiling_changes_nothing_for_a_model_without_context(
    height: int, width: int, tile: int, overlap: float, blend: str
) -> None:
    predictor = make_predictor(Threshold(2), (1, tile, tile), overlap=overlap, blend=blend)
    image = np.random.default_rng(1).normal(size=(1, height, width)).astype(np.float32)
    expected = Threshold(2)(torch.from_numpy(image)[None])[0].softmax(dim=0)
    torch.testing.assert_close(predictor.predict(image), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("per_image", [False, True])
def test_tiles_of_one_value_are_computed_once_with_the_same_labels(
    tmp_path: Path, batch_size: int, per_image: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = SegmentationModel(Plugin("architectures").resolve(UNET), Normalisation(1, per_image=per_image), 1, 3)
    facts = {"classes": ["a", "b", "c"], "patch_size": [16, 16], "neighbours": 0}
    save_checkpoint(tmp_path / "checkpoint.pt", model.eval(), facts)
    settings = InferenceSettings(precision="float32", batch_size=batch_size, flips=True)
    predictor = Predictor(tmp_path / "checkpoint.pt", settings)
    image = np.random.default_rng(0).normal(5, 1, (1, 150, 150)).astype(np.float32)
    y, x = np.ogrid[:150, :150]
    image[:, (y - 75) ** 2 + (x - 75) ** 2 > 45**2] = 0
    computed: list[int] = []
    run = predictor.run
    monkeypatch.setattr(predictor, "run", lambda tiles: computed.append(len(tiles)) or run(tiles))
    found = predictor.predict(image)
    skipping = sum(computed)
    computed.clear()
    monkeypatch.setattr(predictor, "_run_flat_once", predictor.run)
    expected = predictor.predict(image)
    rows, columns = predictor.fit_plane(150, 150)
    assert sum(computed) == len(rows.starts) * len(columns.starts) and skipping < 0.8 * sum(computed)
    assert torch.equal(found.argmax(dim=0), expected.argmax(dim=0))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


LENGTHS = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
TILES = st.tuples(st.integers(2, 9), st.integers(4, 12), st.integers(4, 12))


@settings(max_examples=40, deadline=None)
@given(LENGTHS, TILES, OVERLAPS, BLENDS)
def test_tiling_changes_nothing_in_volumes_either(
    shape: tuple[int, int, int], tile: tuple[int, int, int], overlap: float, blend: str
) -> None:
    predictor = make_predictor(Threshold(3), tile, overlap=overlap, blend=blend, flips=True)
    volume = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
    expected = Threshold(3)(torch.from_numpy(volume)[None])[0].softmax(dim=0)
    torch.testing.assert_close(predictor.predict(volume), expected, atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(2, 9), OVERLAPS, st.data())
def test_slices_do_not_depend_on_which_others_are_predicted(
    length: int, depth: int, overlap: float, data: st.DataObject
) -> None:
    predictor = make_predictor(Context(3), (depth, 6, 6), overlap=overlap)
    volume = np.random.default_rng(1).normal(size=(1, length, 8, 7)).astype(np.float32)
    read: list[int] = []

    def reader(images: range) -> np.ndarray:
        read.append(len(images))
        return volume[:, images.start - 5 : images.stop - 5]

    whole = range(5, 5 + length)
    wanted = whole[data.draw(st.integers(0, length - 1)) :][: data.draw(st.integers(1, length))]
    found = list(predictor.walk(reader, wanted, whole))
    expected = predictor.predict(volume)[:, wanted.start - 5 : wanted.stop - 5]
    assert torch.equal(torch.stack(found, dim=1), expected)
    assert max(read) <= depth


def test_a_checkpoint_comes_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    model, description = load_checkpoint(path)
    image = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(model(image), load_checkpoint(path)[0](image))
    assert description["classes"] == ["a", "b"]
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "run",))

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "run").exists()


def test_prediction_of_the_test_images_alone_in_their_true_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stack(tmp_path)
    write_model(tmp_path)
    stack, split, checkpoint, output = (tmp_path / n for n in ("stack.zarr", "split.json", "checkpoint.pt", "p.zarr"))
    predict_stack(stack, split, checkpoint, output, InferenceSettings(probabilities=True, flips=True))
    store = open_store(output)
    assert np.asarray(store["index"]).tolist() == [1, 2, 4]
    label, probability = np.asarray(store["label"]), decode(np.asarray(store["probability"]))
    for place, index in enumerate([1, 2, 4]):
        height, width = np.asarray(open_store(stack)["size"])[index]
        inside = label[place, :height, :width]
        assert inside.max() < 2 and (label[place] == 255).sum() == label[place].size - height * width
        shown = probability[place, :, :height, :width]
        np.testing.assert_allclose(shown.sum(axis=0), 1, atol=1 / STEPS + 1e-6)
        clear = abs(shown[0] - shown[1]) > 1 / STEPS
        assert np.array_equal(shown.argmax(axis=0)[clear], inside[clear])
    ensemble_predictions([output, output], tmp_path / "e.zarr")
    mean = np.asarray(open_store(tmp_path / "e.zarr")["label"])
    # but where two classes are kept as equals
    assert (mean == label)[abs(probability[:, 0] - probability[:, 1]) > 1 / STEPS].all()
    time_inference(stack, split, checkpoint, tmp_path / "timing.json", InferenceSettings(batch_size=2))
    timing = read_json(tmp_path / "timing.json")
    assert timing["image"]["pixels_per_second"] > 0 and timing["image_size"] == [29, 20]

    def cut_slowly(*arguments: Any) -> Any:
        time.sleep(0.05)
        return cut(*arguments)

    cut = Predictor.cut
    monkeypatch.setattr(Predictor, "cut", cut_slowly)
    time_inference(stack, split, checkpoint, tmp_path / "slow.json", InferenceSettings(batch_size=2, flips=True))
    slow = read_json(tmp_path / "slow.json")["image"]
    assert slow["seconds_end_to_end"] - slow["seconds_model"] > 0.045
    map_saliency(stack, split, checkpoint, tmp_path / "s.zarr", count=2)
    assert np.asarray(open_store(tmp_path / "s.zarr")["map"]).max() > 0


def test_a_network_on_volumes_sees_the_slices_around_the_test_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).normal(size=(12, 1, 20, 18)).astype(np.float32)
    with creating(tmp_path / "stack.zarr") as group:
        create_array(group, "image", images.shape, "float32")[:] = images
        group.create_array("size", data=np.array([[20, 18]] * 12, np.int32))
        group.attrs.update({"groups": ["a"] * 7 + ["b"] * 5, "names": [str(i) for i in range(12)]})
    tests = [3, 4, 5, 6, 7, 8, 10]
    write_json(tmp_path / "split.json", {"train": [0], "validation": [], "test": tests})
    checkpoint = write_model(tmp_path, architecture=UNET_3D, patch_size=[2, 16, 16])
    stack, split = tmp_path / "stack.zarr", tmp_path / "split.json"
    predictor = Predictor(checkpoint, InferenceSettings(probabilities=True))
    volumes = [predictor.predict(np.moveaxis(part, 0, 1)) for part in (images[:7], images[7:])]
    expected = torch.cat(volumes, dim=1)[:, tests].movedim(1, 0).numpy()
    # the result must not depend on where shards end
    monkeypatch.setattr("scan2seg.storage.TARGET_SHARD_BYTES", 1)
    predict_stack(stack, split, checkpoint, tmp_path / "p.zarr", InferenceSettings(probabilities=True))
    store = open_store(tmp_path / "p.zarr")
    assert store["label"].shards == (4, 20, 18)
    np.testing.assert_allclose(decode(np.asarray(store["probability"])), expected, atol=0.5 / STEPS + 1e-3)
    clear = abs(expected[:, 0] - expected[:, 1]) > 2e-3
    assert np.array_equal(np.asarray(store["label"])[clear], expected.argmax(axis=1)[clear])
    time_inference(stack, split, checkpoint, tmp_path / "timing.json", InferenceSettings(batch_size=2))
    timing = read_json(tmp_path / "timing.json")
    assert timing["tile_size"] == [2, 16, 16] and timing["image"]["seconds_end_to_end"] > 0
    map_saliency(stack, split, checkpoint, tmp_path / "s.zarr", count=2)
    maps = np.asarray(open_store(tmp_path / "s.zarr")["map"])
    assert maps.shape == (2, 16, 16) and maps.max() > 0
    with creating(tmp_path / "v.zarr") as group:
        create_volume(group, (7, 20, 18))[:] = images[:7, 0]
    segment_scan(
        tmp_path / "v.zarr",
        [Member(checkpoint, InferenceSettings())],
        tmp_path / "labels.zarr",
        tmp_path / "summary.json",
        model="unet_3d/seed0",
    )
    labels = np.asarray(open_store(tmp_path / "labels.zarr")["label"])
    assert np.array_equal(labels, volumes[0].argmax(dim=0).numpy())


def test_a_model_of_other_channels_is_refused(tmp_path: Path) -> None:
    write_stack(tmp_path)
    checkpoint = write_model(tmp_path, channels=3)
    with pytest.raises(InputError, match="was trained on 3 channels"):
        predict_stack(
            tmp_path / "stack.zarr", tmp_path / "split.json", checkpoint, tmp_path / "p.zarr", InferenceSettings()
        )
    assert not (tmp_path / "p.zarr").exists()


def test_a_volume_is_segmented_with_counts_that_add_up(tmp_path: Path) -> None:
    import tifffile

    volume = np.random.default_rng(0).normal(size=(7, 20, 25)).astype(np.float32)
    with creating(tmp_path / "v.zarr") as group:
        create_volume(group, volume.shape, pixel_size=0.5)[:] = volume
    outputs = [tmp_path / name for name in ("labels.zarr", "summary.json", "labels.tif")]
    segment_scan(
        tmp_path / "v.zarr",
        [Member(write_model(tmp_path, neighbours=1, channels=3), InferenceSettings())],
        *outputs[:2],
        model="unet/seed0",
        tiff=outputs[2],
    )
    summary = read_json(outputs[1])
    assert sum(summary["voxels"].values()) == volume.size and summary["pixel_size"] == 0.5
    labels = np.asarray(open_store(outputs[0])["label"])
    assert np.array_equal(tifffile.imread(outputs[2]), labels)
    assert np.bincount(labels.ravel(), minlength=2).tolist() == list(summary["voxels"].values())
    particles = VolumeParticles(2, (0.5, 0.5, 0.5))
    for plane in labels:
        particles.add(plane)
    assert summary["unit"] == "micrometre"
    assert summary["classes"] == {name: particles.describe(index) for index, name in enumerate(summary["voxels"])}


@pytest.mark.parametrize(
    ("factor", "noise", "pixel_size", "expected"),
    [
        (1, 0, 0.5, []),
        (55.6, 0, 0.5, ["the median grey value", "the range of grey values", "the noise"]),
        (1, 3, 0.5, ["the range of grey values", "the noise"]),
        (0.1, 0, 0.7, ["the edge of a pixel is 0.7", "the range of grey values", "the noise"]),
    ],
)
def test_a_volume_unlike_the_training_images_is_told(tmp_path, factor, noise, pixel_size, expected) -> None:
    random = np.random.default_rng(0)
    windows = random.normal(2, 1, (40, 1, 16, 16)).astype(np.float32)
    facts = {"appearance": describe_appearance(windows), "pixel_size": 0.5}
    with creating(tmp_path / "scan" / "v.zarr") as group:
        seen = factor * random.normal(2, 1, (7, 20, 25)) + random.normal(0, noise, (7, 20, 25))
        create_volume(group, (7, 20, 25), pixel_size=pixel_size)[:] = seen
    segment_scan(
        tmp_path / "scan" / "v.zarr",
        [Member(write_model(tmp_path, **facts), InferenceSettings())],
        tmp_path / "labels.zarr",
        tmp_path / "summary.json",
        model="unet/seed0",
        differences=["units is per_millimetre, in training per_pixel"],
    )
    told = read_json(tmp_path / "summary.json")["unlike_training"]
    assert told[0] == "units is per_millimetre, in training per_pixel"
    assert [line[: len(words)] for line, words in zip(told[1:], expected, strict=True)] == expected


def test_a_machine_that_is_busy_cannot_make_the_model_slower_than_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(np.cumsum([0, *[1.0, 0.0, 3.0, 0.0] * 6]).tolist())  # the whole takes 1 s, its part 3 s
    monkeypatch.setattr("scan2seg.inference.timing.time.perf_counter", lambda: next(ticks))
    found = timing._measure(lambda: None, lambda: None, "cpu", 2, 100)
    assert found["seconds_model"] == found["seconds_end_to_end"] == 0.5
    assert found["pixels_per_second_model"] == 200.0
