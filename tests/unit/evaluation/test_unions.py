"""Unions of classes against scikit-learn on labels that are merged before they are scored."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn import metrics as sk

from scan2seg import storage
from scan2seg.config.dataset import Dataset
from scan2seg.evaluation.comparison import compare_models
from scan2seg.evaluation.confusion import confusion_matrix
from scan2seg.evaluation.runs import RunFiles, read_run
from scan2seg.evaluation.score import score_prediction
from scan2seg.evaluation.unions import score_unions

CLASSES = ["rest", "necrosis", "oedema", "enhancing"]
UNIONS = {"whole": ["necrosis", "oedema", "enhancing"], "core": ["enhancing", "necrosis"]}


@given(st.integers(0, 10_000), st.integers(2, 6), st.data())
@settings(deadline=None, max_examples=60)
def test_a_union_scores_as_merged_labels_do(seed: int, classes: int, data: st.DataObject) -> None:
    members = data.draw(st.sets(st.integers(0, classes - 1), min_size=1, max_size=classes))
    rng = np.random.default_rng(seed)
    truth, guess = rng.integers(0, classes, (2, 12, 9))
    names = [f"class{label}" for label in range(classes)]
    metrics = {"classes": dict.fromkeys(names), "confusion_matrix": confusion_matrix(truth, guess, classes).tolist()}
    found = score_unions(metrics, {"merged": [names[label] for label in members]})["merged"]
    true, predicted = (np.isin(labels.ravel(), list(members)) for labels in (truth, guess))
    if not true.any():
        assert found["iou"] is None and found["dice"] is None
        return
    for name, independent in (
        ("iou", sk.jaccard_score),
        ("dice", sk.f1_score),
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
    ):
        assert found[name] == pytest.approx(independent(true, predicted, zero_division=0))


def test_the_tables_have_a_column_a_union_and_volumes_count_alike(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (6, 12, 10)).astype(np.uint8)
    guess = np.where(rng.random(truth.shape) < 0.8, truth, rng.integers(0, 4, truth.shape)).astype(np.uint8)
    truth[0, :2] = 255
    groups = ["a"] * 4 + ["b"] * 2
    with storage.creating(tmp_path / "stack.zarr") as group:
        storage.create_array(group, "label", truth.shape, "uint8")[:] = truth
        storage.create_array(group, "size", (6, 2), "int64")[:] = np.array([[12, 10]] * 6)
        names = [f"{name}/{index}" for index, name in enumerate(groups)]
        group.attrs.update({"names": names, "groups": groups, "classes": CLASSES, "pixel_size": None})
    with storage.creating(tmp_path / "prediction.zarr") as group:
        storage.create_array(group, "label", guess.shape, "uint8")[:] = guess
        storage.create_array(group, "index", (6,), "int64")[:] = np.arange(6)
    files = {name: tmp_path / name for name in ("metrics", "per_image")}
    identity = {"dataset": "brats", "model": "unet", "replicate": "seed0", "split": "test"}
    score_prediction(tmp_path / "stack.zarr", tmp_path / "prediction.zarr", *files.values(), identity)

    known = truth != 255
    inside, claimed = np.isin(truth, [1, 3]), np.isin(guess, [1, 3])
    volumes = [(slice(0, 4)), (slice(4, 6))]
    dice = [sk.f1_score(inside[part][known[part]], claimed[part][known[part]]) for part in volumes]
    core = read_run(RunFiles(**files, unions=UNIONS)).unions["core"]
    assert core["case_dice"] == pytest.approx(np.mean(dice))
    assert core["dice"] == pytest.approx(sk.f1_score(inside[known], claimed[known]))

    compare_models([RunFiles(**files, unions=UNIONS)], tmp_path / "scores.csv", tmp_path / "tables.md", None, {})
    row = next(csv.DictReader((tmp_path / "scores.csv").open()))
    assert float(row["iou_core"]) == pytest.approx(core["iou"])
    assert float(row["case_dice_core"]) == pytest.approx(core["case_dice"]) and row["dice_whole"]
    text = (tmp_path / "tables.md").read_text()
    assert "| model | rest | necrosis | oedema | enhancing | whole | core |" in text
    assert "core is the union of enhancing, necrosis." in text
    assert "Dice, whole | Dice of a volume, whole |" in text


@pytest.mark.parametrize(
    ("unions", "said"),
    [
        ({"whole": ["necrosis", "edema"]}, "unions.whole: edema is not among classes:"),
        ({"oedema": ["necrosis", "enhancing"]}, "'oedema' is the name of a class"),
        ({"whole": ["necrosis"]}, "two classes or more"),
        ({"whole": CLASSES}, "not all there are"),
    ],
)
def test_unions_that_mean_nothing_are_refused(unions, said):
    source = {"kind": "images", "images": "*.png", "labels": "*_mask.png"}
    with pytest.raises(ValidationError, match=said):
        Dataset.model_validate({"name": "brats", "source": source, "classes": CLASSES, "unions": unions})
