"""The measures of a run: what the stage writes of surfaces, particles, edges, calibration and whole volumes."""

import csv
import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from scan2seg import storage
from scan2seg.evaluation import measurement, volume_scores
from scan2seg.evaluation.score import score_prediction

CLASSES = ["matrix", "pore", "fibre"]
SHAPE = (6, 30, 40)


def draw(seed, shape=SHAPE):
    """Return smooth labels of three classes, and a prediction that differs a little."""
    generator = np.random.default_rng(seed)
    field = gaussian_filter(generator.normal(size=shape), 2)
    other = field + 0.15 * gaussian_filter(generator.normal(size=shape), 1)
    limits = np.quantile(field, [0.6, 0.85])
    return tuple(np.digitize(values, limits).astype(np.uint8) for values in (field, other))


def score(folder, truth, guess, groups, index=None, probability=None, **attributes):
    stack, prediction = folder / "stack.zarr", folder / "prediction.zarr"
    index = list(range(len(truth))) if index is None else index
    with storage.creating(stack) as group:
        storage.create_array(group, "label", truth.shape, "uint8")[:] = truth
        storage.create_array(group, "size", (len(truth), 2), "int64")[:] = np.array([truth.shape[1:]] * len(truth))
        names = [f"image{place}" for place in range(len(truth))]
        group.attrs.update({"names": names, "groups": groups, "classes": CLASSES, "pixel_size": 0.5, **attributes})
    with storage.creating(prediction) as group:
        storage.create_array(group, "label", guess[index].shape, "uint8")[:] = guess[index]
        storage.create_array(group, "index", (len(index),), "int64")[:] = np.array(index)
        if probability is not None:
            storage.create_array(group, "probability", probability.shape, "float16")[:] = probability
    out = folder / "metrics.json", folder / "per_image.csv"
    identity = {"dataset": "demo", "model": "unet", "replicate": "seed0", "split": "test"}
    score_prediction(stack, prediction, *out, identity)
    return json.loads(out[0].read_text())["measures"], list(csv.DictReader(out[1].open()))


def test_surfaces_of_images_agree_with_monai_in_their_unit(tmp_path):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    truth, guess = draw(0)
    found, rows = score(tmp_path, truth, guess, [f"g{place}" for place in range(len(truth))])
    one_hot = [torch.from_numpy(np.eye(3, dtype=np.float32)[labels]).movedim(-1, 1) for labels in (guess, truth)]
    hausdorff = compute_hausdorff_distance(*one_hot, percentile=95, spacing=0.5).numpy()
    average = compute_average_surface_distance(*one_hot, symmetric=True, spacing=0.5).numpy()
    assert np.isfinite(hausdorff).all()
    for place, name in enumerate(CLASSES[1:]):
        written = [float(row[f"hausdorff_95_{name}"]) for row in rows]
        assert written == pytest.approx(hausdorff[:, place].tolist(), rel=1e-5)
        assert found["classes"][name]["hausdorff_95"] == pytest.approx(hausdorff[:, place].mean(), rel=1e-5)
        assert found["classes"][name]["surface_distance"] == pytest.approx(average[:, place].mean(), rel=1e-5)
    assert found["hausdorff_95"] == pytest.approx(hausdorff.mean(), rel=1e-5)
    assert found["unit"] == "micrometre" and found["cases"] is None and found["calibration"] is None
    assert 0 < found["boundary_f1"] <= 1 and 0 < found["panoptic_quality"] <= found["detection_f1"]


def test_missed_invented_and_too_large_regions_are_counted_apart(tmp_path, monkeypatch):
    truth = np.zeros((3, 30, 40), np.uint8)
    guess = truth.copy()
    truth[0, 4:10, 4:10] = guess[0, 4:10, 4:10] = 1
    truth[1, 4:10, 4:10] = 1
    guess[2, 4:10, 4:10] = 1
    found, rows = score(tmp_path, truth, guess, list("abc"))
    pore = found["classes"]["pore"]
    assert pore["images"] == {"missed": 1, "invented": 1, "too_large": 0}
    assert pore["hausdorff_95"] == 0.0 and pore["boundary_f1"] == pytest.approx(1 / 3)
    assert pore["particles"] == {"matched": 1, "missed": 1, "invented": 1} and pore["detection_f1"] == 0.5
    assert [row["hausdorff_95_pore"] for row in rows] == ["0.0", "", ""]
    assert found["classes"]["fibre"]["hausdorff_95"] is None and found["hausdorff_95"] == 0.0
    monkeypatch.setattr(measurement, "MOST_PIXELS", 35)
    pore = score(tmp_path, truth, guess, list("abc"))[0]["classes"]["pore"]
    assert pore["images"]["too_large"] == 3 and pore["boundary_f1"] is None


def test_unknown_pixels_belong_to_no_region(tmp_path):
    truth, guess = draw(1)
    unknown = truth.copy()
    unknown[:, :, 20:] = 255
    kept, changed = guess.copy(), guess.copy()
    changed[:, :, 20:] = 2
    groups = list("abcdef")
    assert score(tmp_path, unknown, kept, groups) == score(tmp_path, unknown, changed, groups)


def test_scores_by_distance_to_the_edge_and_calibration(tmp_path, monkeypatch):
    truth, _ = draw(2)
    guess = truth.copy()
    guess[:, :4] = (guess[:, :4] + 1) % 3  # only the outermost rows are wrong
    probability = np.full((len(truth), 3, *truth.shape[1:]), 0.1)
    np.put_along_axis(probability, guess[:, None].astype(int), 0.8, axis=1)
    monkeypatch.setattr("scan2seg.evaluation.pair.MOST_VALUES", 7 * 3 * 40)  # bands that do not divide the image
    found, _ = score(tmp_path, truth, guess, list("abcdef"), probability=probability)
    edge = found["edge_distance"]
    assert sum(edge["pixels"]) == truth.size and edge["pixel_accuracy"][1:4] == [1.0, 1.0, None]
    assert edge["pixel_accuracy"][0] < 0.8
    accuracy = (truth == guess).mean()
    assert found["calibration"]["expected_error"] == pytest.approx(abs(accuracy - 0.8), abs=1e-3)
    assert sum(found["calibration"]["pixels"]) == truth.size


def test_cases_are_measured_in_three_dimensions_with_the_spacing_of_voxels(tmp_path, monkeypatch):
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    truth, guess = draw(3, (12, 30, 40))
    groups = ["first"] * 6 + ["second"] * 6
    given = {"spacings": {"first": [2.0, 0.5, 0.5], "second": [2.0, 0.5, 0.5]}}
    found = score(tmp_path, truth, guess, groups, index=[*range(6), 7, 8], **given)[0]["cases"]
    whole, part = found["rows"]
    pair = [torch.from_numpy(np.eye(3, dtype=np.float32)[one[:6]]).movedim(-1, 0)[None] for one in (guess, truth)]
    dice = compute_dice(*pair, include_background=False).numpy().ravel()
    hausdorff = compute_hausdorff_distance(*pair, percentile=95, spacing=[2.0, 0.5, 0.5]).numpy().ravel()
    assert list(whole["dice"].values()) == pytest.approx(dice.tolist(), rel=1e-6)
    assert list(whole["hausdorff_95"].values()) == pytest.approx(hausdorff.tolist(), rel=1e-5)
    assert whole["reason"] is None and found["scored"] == 1
    assert part["dice"]["pore"] is None and part["reason"] == "2 of its 6 slices are test images"
    assert found["dice"] == pytest.approx(dice.mean(), rel=1e-6)
    unknown = score(tmp_path, truth, guess, groups)[0]["cases"]["rows"][0]
    assert unknown["dice"] == whole["dice"] and "do not say the spacing" in unknown["reason"]
    monkeypatch.setattr(volume_scores, "MOST_VOXELS", 100)
    large = score(tmp_path, truth, guess, groups, **given)[0]["cases"]["rows"][0]
    assert large["dice"] == whole["dice"] and large["hausdorff_95"]["pore"] is None
    assert large["reason"] == "no distances: 7,200 voxels, more than 100"
    parted = score(tmp_path, truth, guess, ["first", "second"] * 6, **given)[0]["cases"]["rows"][0]
    assert parted["reason"] == "its images are not consecutive slices of one size"


def test_controls_are_scored_the_way_of_every_prediction(tmp_path):
    """Shuffled pixels score as scikit-learn says of a real shuffle, and the truth is perfect."""
    from sklearn.metrics import jaccard_score

    truth, guess = draw(4)
    truth[:, :2] = 255
    score(tmp_path, truth, guess, list("abcdef"))
    controls = json.loads((tmp_path / "metrics.json").read_text())["controls"]
    assert set(controls["truth"].values()) == {1.0}
    known = truth != 255
    shuffled = np.random.default_rng(0).permutation(guess[known])
    expected = jaccard_score(truth[known], shuffled, average="macro")
    assert controls["shuffled"]["mean_iou"] == pytest.approx(expected, abs=0.01)
