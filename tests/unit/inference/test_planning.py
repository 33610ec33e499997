"""A plan is measured on validation images alone, keeps to its tolerance, and is what the model is then applied with."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference import planning
from scan2seg.inference.openvino_network import MOST_SIZES
from scan2seg.inference.part_scoring import score_parts
from scan2seg.inference.plan import read_chosen_plan, read_plan
from scan2seg.inference.planning import plan_inference
from scan2seg.inference.prediction import predict_stack
from scan2seg.inference.timing import time_inference
from scan2seg.normalisation import Normalisation
from scan2seg.storage import create_array, creating, open_store, open_writable, read_json, write_json

UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}
SPLIT = {"train": [0, 1], "validation": [2, 3, 4, 5], "test": [6, 7, 8, 9]}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A stack of ten slices of one volume, a shard each; images and labels of test and training images are damaged."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(10, 1, 40, 36)).astype(np.float32)
    with creating(tmp_path / "stack.zarr") as group:
        create_array(group, "image", images.shape, "float32", per_shard=1)[:] = images
        label = create_array(group, "label", (10, 40, 36), "uint8", per_shard=1)
        label[:] = (images[:, 0] > 0).astype(np.uint8)
        group.create_array("size", data=np.array([[40, 36]] * 10, np.int32))
        group.attrs.update({"groups": ["g"] * 10, "names": [str(index) for index in range(10)]})
    write_json(tmp_path / "split.json", {**SPLIT, "folds": [{"train": [2, 3], "validation": [0, 1]}]})
    return tmp_path


def write_model(folder: Path, architecture: dict[str, Any] = UNET, channels: int = 1, **description: Any) -> None:
    torch.manual_seed(0)
    model = SegmentationModel(Plugin("architectures").resolve(architecture), Normalisation(channels), channels, 2)
    facts = {"classes": ["a", "b"], "patch_size": [16, 16], "neighbours": 0, **description}
    save_checkpoint(folder / "checkpoint.pt", model.eval(), facts)


def damage(folder: Path, indices: list[int]) -> None:
    for name in ("image", "label"):
        for index in indices:
            (shard,) = (path for path in (folder / "stack.zarr" / name / "c" / str(index)).rglob("*") if path.is_file())
            shard.write_bytes(random.Random(0).randbytes(200))


def plan(folder: Path, inference: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = ("stack.zarr", "split.json", "checkpoint.pt", "plan.json")
    settings = InferenceSettings.model_validate(inference)
    plan_inference(*(folder / name for name in names), settings, **more)
    found: dict[str, Any] = read_json(folder / "plan.json")
    return found


@pytest.mark.parametrize(
    "model",
    [
        {"architecture": UNET},
        {"architecture": UNET, "neighbours": 1, "channels": 3},
        {"architecture": UNET_3D, "patch_size": [2, 16, 16]},
    ],
)
def test_no_plan_reads_another_image_than_validation_images(store: Path, model: dict[str, Any]) -> None:
    write_model(store, **model)
    damage(store, [*SPLIT["train"], *SPLIT["test"]])
    with pytest.raises(Exception, match=r".*"):
        np.asarray(open_store(store / "stack.zarr")["image"][6])  # type: ignore[index]
    found = plan(store, {"plan": {}})
    assert found["images"] == SPLIT["validation"]
    ways = found["table"]
    assert {tuple(way["tile"]) for way in ways} >= {(40, 36)}
    assert len({way["overlap"] for way in ways}) > 1 and len({way["channels_last"] for way in ways}) == 2
    assert [way["chosen"] for way in ways].count(True) == 1
    write_json(store / "split.json", {**SPLIT, "validation": SPLIT["test"]})
    with pytest.raises(Exception, match=r".*"):
        plan(store, {"plan": {}})


def test_the_fastest_way_within_the_tolerance_is_taken(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(store)
    scores = {True: 0.9, False: 0.8995}

    def run(self: Any, predictor: Any) -> tuple[list[Any], float]:
        height = predictor.fit_plane(40, 36)[0].tile
        return [predictor.settings], 1.0 if height == 40 else 2.0

    def score(self: Any, labels: list[InferenceSettings], classes: int) -> float:
        return scores[labels[0].tile is None]

    monkeypatch.setattr(planning.Comparison, "_run", run)
    monkeypatch.setattr(planning.Comparison, "_score", score)
    assert plan(store, {"plan": {"tolerance": 0.001}})["inference"]["tile"] == [32, 32]  # taken whole
    assert plan(store, {"plan": {"tolerance": 0.0001}})["inference"]["tile"] is None
    # what is set by hand is neither tried nor planned
    found = plan(store, {"plan": {}, "tile": 16, "precision": "float32"})
    assert set(found["inference"]) == {"overlap", "channels_last", "batch_size", "runtime"}
    assert {way["precision"] for way in found["table"]} == {"float32"}
    # nor what does not fit into memory
    monkeypatch.setattr(planning, "available_memory", lambda: 1)
    found = plan(store, {"plan": {}})
    assert found["left_out"] and found["inference"]["tile"] is None


def test_a_plan_is_what_the_model_is_applied_with(store: Path) -> None:
    write_model(store)
    files = [store / name for name in ("stack.zarr", "split.json", "checkpoint.pt")]
    settings = InferenceSettings.model_validate({"plan": {}, "probabilities": True})
    by_hand = {"tile": [40, 36], "overlap": 0.0, "precision": "float32", "channels_last": False, "batch_size": 4}
    write_json(store / "plan.json", {"inference": by_hand, "table": [], "seconds": 1.0})
    expected = InferenceSettings.model_validate({**by_hand, "probabilities": True})
    assert read_plan(store / "plan.json", settings) == expected and read_plan(None, settings) == settings
    predict_stack(*files, store / "planned.zarr", settings, plan=store / "plan.json")
    predict_stack(*files, store / "expected.zarr", expected)
    predict_stack(*files, store / "default.zarr", InferenceSettings(probabilities=True))
    planned, wanted, default = (
        np.asarray(open_store(store / f"{name}.zarr")["probability"]) for name in ("planned", "expected", "default")
    )
    assert np.array_equal(planned, wanted) and not np.array_equal(planned, default)
    time_inference(*files, store / "timing.json", settings, plan=store / "plan.json")
    timing = read_json(store / "timing.json")
    assert timing["tile_size"] == [40, 36] and timing["plan"]["seconds"] == 1.0
    score_parts(*files, store / "parts.json", settings, most=2, plan=store / "plan.json")
    assert read_json(store / "parts.json")["provenance"]["settings"]["inference"]["tile"] == [40, 36]
    runs = [["d", "m", "seed0", "a", "elsewhere"], ["d", "m", "seed1", "b", store.name]]
    assert read_chosen_plan(settings, "m/seed1", runs, store.parent) == expected
    assert read_chosen_plan(InferenceSettings(), "m/seed0", runs, store.parent) == InferenceSettings()
    write_json(store / "plan.json", [])
    with pytest.raises(InputError, match="is not a plan"):
        read_plan(store / "plan.json", settings)


def test_a_fold_is_planned_on_its_own_validation_images_and_none_is_refused(store: Path) -> None:
    write_model(store)
    found = plan(store, {"plan": {"keys": ["batch_size"], "images": 1}}, fold=0)
    assert len(found["images"]) == 1 and found["images"][0] in (0, 1)
    assert found["inference"].keys() == {"batch_size"}
    write_json(store / "split.json", {**SPLIT, "validation": []})
    with pytest.raises(InputError, match=r"split.json: holds no validation images to plan with"):
        plan(store, {"plan": {}})


def test_settings_know_what_is_set_by_hand_also_when_they_come_as_a_whole() -> None:
    settings = InferenceSettings.model_validate({"plan": {}, "overlap": 0.25})
    assert settings.plan and settings.plan.keys == ("tile", "precision", "channels_last", "batch_size", "runtime")
    assert InferenceSettings.model_validate(settings.model_dump(mode="json")) == settings
    with pytest.raises(ValidationError, match=r"plan.keys: overlap is set beside it"):
        InferenceSettings.model_validate({"plan": {"keys": ["overlap"]}, "overlap": 0.5})
    everything = {
        "tile": 64,
        "overlap": 0.25,
        "precision": "float32",
        "channels_last": True,
        "batch_size": 2,
        "runtime": "torch",
    }
    with pytest.raises(ValidationError, match="nothing is left to plan"):
        InferenceSettings.model_validate({"plan": {}, **everything})


def test_what_is_mirrored_around_a_small_image_counts_as_computed(store: Path) -> None:
    write_model(store, patch_size=[64, 48])
    found = plan(store, {"plan": {"keys": ["overlap"]}})
    assert {(*way["tile"], way["computed"]) for way in found["table"]} == {(40, 36, 64 * 48 / (40 * 36))}


def test_openvino_is_tried_where_the_tiles_of_the_stack_have_few_sizes(store: Path) -> None:
    write_model(store)
    whole = {"plan": {"keys": ["runtime"]}, "precision": "float32", "tile": 64}
    sizes = open_writable(store / "stack.zarr", anew=False)["size"]
    # of images of every part: the plan is what all of them are predicted by
    for index, count in ((3, 2), (0, 3), (6, MOST_SIZES)):
        sizes[index] = (40 - 4 * count, 36)  # type: ignore[index]
        found = plan(store, whole)
        assert sorted(way["runtime"] for way in found["table"]) == ["openvino", "torch"]
        assert found["inference"]["runtime"] in ("openvino", "torch")
    sizes[7] = (8, 36)  # type: ignore[index]
    assert [way["runtime"] for way in plan(store, whole)["table"]] == ["torch"]
