"""Scores on training and validation images: the same drawn images for every model, scored as test images are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.inference.part_scoring import draw_images, score_parts
from scan2seg.inference.prediction import predict_stack
from scan2seg.normalisation import Normalisation
from scan2seg.storage import create_array, creating, open_store, read_json, write_json

COUNT, SIZE = 12, (20, 18)
FOLD = {"train": [1, 3, 5, 7], "validation": [9, 11]}
SPLIT = {"train": list(range(7)), "validation": [7], "test": [8, 10], "folds": [{"train": [], "validation": []}, FOLD]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stack with unknown pixels, an image without any label (5), a split with folds, and a network."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (COUNT, *SIZE)).astype(np.uint8)
    labels[:, :4] = 255
    labels[5] = 255
    with creating(tmp_path / "stack.zarr") as group:
        create_array(group, "image", (COUNT, 1, *SIZE), "float32")[:] = generator.normal(size=(COUNT, 1, *SIZE))
        create_array(group, "label", labels.shape, "uint8")[:] = labels
        group.create_array("size", data=np.array([[20, 18 - index % 3] for index in range(COUNT)], np.int32))
        names = [f"i{index}" for index in range(COUNT)]
        group.attrs.update({"groups": names, "names": names})
    write_json(tmp_path / "split.json", SPLIT)
    for name, seed in (("one", 1), ("other", 2)):
        torch.manual_seed(seed)
        architecture = Plugin("architectures").resolve({"method": "unet", "encoder": None, "width": 4, "depth": 2})
        model = SegmentationModel(architecture, Normalisation(1), 1, 2)
        facts = {"classes": ["a", "b"], "patch_size": [16, 16], "neighbours": 0}
        save_checkpoint(tmp_path / f"{name}.pt", model.eval(), facts)
    return tmp_path


def score(folder: Path, most: int, model: str = "one", fold: int | None = None) -> dict:
    places = (folder / name for name in ("stack.zarr", "split.json", f"{model}.pt", "parts.json"))
    score_parts(*places, InferenceSettings(), most=most, fold=fold)
    return read_json(folder / "parts.json")["parts"]


@pytest.mark.parametrize("fold", [None, 1])
def test_they_are_the_scores_of_the_kept_predictions_of_the_same_images(folder: Path, fold: int | None) -> None:
    sides = SPLIT if fold is None else FOLD
    found = score(folder, 3, fold=fold)
    assert list(found) == ["train", "validation"]
    for part, scores in found.items():
        assert set(scores["images"]) <= set(sides[part]) and scores["of"] == len(sides[part])
        assert len(scores["images"]) == min(3, len(sides[part]))
        write_json(folder / "drawn.json", {"test": scores["images"]})
        predict_stack(
            folder / "stack.zarr", folder / "drawn.json", folder / "one.pt", folder / "p.zarr", InferenceSettings()
        )
        store = open_store(folder / "stack.zarr")
        truth = np.asarray(store["label"])[scores["images"]]
        guess = np.asarray(open_store(folder / "p.zarr")["label"])
        known = (truth != 255) & (guess != 255)
        pair = truth[known], guess[known]
        assert scores["mean_iou"] == pytest.approx(jaccard_score(*pair, average="macro"))
        assert scores["mean_dice"] == pytest.approx(f1_score(*pair, average="macro"))
        assert scores["pixel_accuracy"] == pytest.approx(accuracy_score(*pair))
        assert list(scores["classes"].values()) == pytest.approx(list(jaccard_score(*pair, average=None)))


def test_every_model_is_scored_on_the_same_images_and_not_on_more_than_asked_for(folder: Path) -> None:
    one, other = score(folder, 4), score(folder, 4, "other")
    assert one["train"]["images"] == other["train"]["images"] and one["train"] != other["train"]
    assert score(folder, 100)["train"]["images"] == SPLIT["train"]


def test_a_part_without_images_or_labels_has_no_scores(folder: Path) -> None:
    assert score(folder, 5, fold=0) == {}
    write_json(folder / "split.json", {"train": [5], "validation": [1], "test": [8]})
    assert list(score(folder, 5)) == ["validation"]


def test_a_draw_is_spread_over_the_part() -> None:
    drawn = draw_images(list(range(100, 1100)), 50)
    assert len(set(drawn)) == 50 and drawn == sorted(drawn) and min(drawn) < 200 and max(drawn) > 1000
    assert draw_images([3, 1, 2], 3) == [1, 2, 3]
