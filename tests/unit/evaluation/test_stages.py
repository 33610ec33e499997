"""The stages ``score_prediction`` and ``compare_models`` on small stores, and what they refuse."""

import csv
import json

import numpy as np
import pytest

from scan2seg import storage
from scan2seg.config.published import PublishedRow
from scan2seg.errors import InputError
from scan2seg.evaluation.comparison import compare_models
from scan2seg.evaluation.runs import RunFiles, choose_replicate, read_run
from scan2seg.evaluation.score import score_prediction
from scan2seg.inference.model_choice import choose_model

CLASSES = ["matrix", "phase, a", "absent"]
SIZES = [(20, 24), (16, 24), (20, 10), *[(20, 24)] * 9]


def write_stack(path, labels, names=None, groups=None):
    with storage.creating(path) as group:
        array = storage.create_array(group, "label", labels.shape, "uint8")
        array[:] = labels
        storage.create_array(group, "size", (len(labels), 2), "int64")[:] = np.array(SIZES[: len(labels)])
        names = names or [f"image{index}" for index in range(len(labels))]
        groups = groups or names
        group.attrs.update({"names": names, "groups": groups, "classes": CLASSES, "pixel_size": 0.1})


def write_prediction(path, labels, index):
    with storage.creating(path) as group:
        storage.create_array(group, "label", labels.shape, "uint8")[:] = labels
        storage.create_array(group, "index", (len(index),), "int64")[:] = np.array(index)


@pytest.fixture
def truth():
    return np.random.default_rng(0).integers(0, 2, (4, 20, 24)).astype(np.uint8)


def identity(model="unet", replicate="seed0"):
    return {"dataset": "demo", "model": model, "replicate": replicate, "split": "test"}


def score(folder, truth, guess, index, model="unet", replicate="seed0", groups=None):
    stack, prediction = folder / "stack.zarr", folder / "prediction.zarr"
    write_stack(stack, truth, groups=groups)
    write_prediction(prediction, guess, index)
    out = {key: folder / f"{model}-{replicate}-{key}" for key in ("metrics", "per_image")}
    score_prediction(stack, prediction, out["metrics"], out["per_image"], identity(model, replicate))
    return out


def test_padding_and_unknown_pixels_count_nowhere(tmp_path, truth):
    guess = truth[[1, 2, 3]].copy()
    guess[0, 16:] ^= 1  # below the true height of image 1
    guess[1, :, 10:] ^= 1  # right of the true width of image 2
    guess[2, :5] ^= 1
    truth[3, :5] = 255
    out = score(tmp_path, truth, guess, [1, 2, 3])
    found = json.loads(out["metrics"].read_text())
    assert found["mean_iou"] == 1.0
    assert found["classes"]["absent"] == {"iou": None, "dice": None, "precision": None, "recall": None, "support": 0}
    assert np.sum(found["confusion_matrix"]) == 16 * 24 + 20 * 10 + 15 * 24
    assert found["microstructure"]["classes"]["phase, a"]["error"]["phase_fraction"] == 0
    assert found["confidence"]["mean_iou"] is None
    assert found["confidence"]["over"] == "3 images: too few, at least 6 are needed"
    assert found["stray_pixels"] == {}
    rows = list(csv.DictReader(out["per_image"].open()))
    assert [row["image"] for row in rows] == ["image1", "image2", "image3"]
    assert rows[0]["model"] == "unet"
    assert rows[0]["iou_phase, a"] == "1.0"
    assert rows[0]["iou_absent"] == ""


def test_summed_and_mean_scores_differ_as_they_should(tmp_path, truth):
    guess = truth[:2].copy()
    guess[1] = 0
    found = json.loads(score(tmp_path, truth, guess, [0, 1])["metrics"].read_text())
    one, two = truth[0], truth[1, :16]
    hits, union = one.sum(), one.sum() + two.sum()
    assert found["classes"]["phase, a"]["iou"] == pytest.approx(hits / union)
    per_image = (1 + (1 - two.mean()) / 2) / 2
    assert found["mean_image"]["mean_iou"] == pytest.approx(per_image)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda truth, guess, index: (truth, guess[:, :10], index), "predict again"),
        (lambda truth, guess, index: (truth, guess, [0, 9]), "lacks"),
        (lambda truth, guess, index: (truth, guess, [1, 1]), "twice"),
        (lambda truth, guess, index: (truth, guess + 7, index), "label"),
        (lambda truth, guess, index: (np.full_like(truth, 255), guess, index), "no labels"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, truth, change, message):
    with pytest.raises(InputError, match=message):
        score(tmp_path, *change(truth, truth[:2], [0, 1]))
    assert not (tmp_path / "unet-seed0-metrics").exists()
    assert not (tmp_path / "unet-seed0-per_image").exists()


def test_a_stray_class_is_counted_and_not_averaged(tmp_path, truth):
    guess = truth[:2].copy()
    guess[0, 0, 0] = 2
    found = json.loads(score(tmp_path, truth, guess, [0, 1])["metrics"].read_text())
    assert found["mean_iou"] > 0.99
    assert found["stray_pixels"] == {"absent": 1}
    assert found["classes"]["absent"]["iou"] is None
    assert found["mean_image"]["mean_iou"] > 0.99


def runs_of(tmp_path, truth, groups=None):
    generator = np.random.default_rng(1)
    runs = []
    for model, errors in (("good", 0.05), ("poor", 0.3), ("best", 0.0)):
        for replicate in ("seed0", "seed1"):
            guess = np.where(generator.random(truth.shape) < errors, 1 - truth, truth).astype(np.uint8)
            out = score(tmp_path, truth, guess, list(range(len(truth))), model, replicate, groups)
            training = tmp_path / f"{model}-{replicate}-training.json"
            storage.write_json(training, {"wall_seconds": 10.0, "parameters": 1000, "device": "cpu", "flops": None})
            runs.append(RunFiles(**out, training=training, timing=tmp_path / "missing.json"))
    return runs


def test_comparison_ranks_tests_and_keeps_published_rows_apart(tmp_path, truth):
    scores, tables = tmp_path / "scores.csv", tmp_path / "tables.md"
    published = {"demo": [PublishedRow(model="paper|net", mean_iou=0.99, source="A. Author")]}
    compare_models(runs_of(tmp_path, truth), scores, tables, "poor", published)
    rows = list(csv.DictReader(scores.open()))
    assert len(rows) == 6
    assert {row["model"] for row in rows} == {"good", "poor", "best"}
    assert rows[0]["training_seconds"] == "10.0"
    assert rows[0]["flops"] == "" == rows[0]["prediction_pixels_per_second"]
    assert 0 < float(rows[2]["iou_phase, a"]) < 1
    best = next(row for row in rows if row["model"] == "best")
    assert (best["kappa"], best["boundary_f1"], best["hausdorff_95"]) == ("1.0", "1.0", "0.0")
    assert best["expected_calibration_error"] == "" == best["case_dice"]
    text = tables.read_text()
    assert text.index("| 1 | best |") < text.index("| 2 | good |") < text.index("| 3 | poor |")
    assert "The test images are 4 images, which is too few" in text
    assert "| model | Cohen’s kappa | balanced accuracy | boundary F1 | Hausdorff 95, µm |" in text
    assert "Controls: best with its pixels shuffled has mean IoU 0.3" in text and "the truth exactly 1." in text
    assert text.index("Published elsewhere") < text.index("paper\\|net")


@pytest.mark.parametrize(("groups", "over"), [(None, "12 images"), (list("aabbccddeeff"), "6 groups")])
def test_intervals_and_tests_are_over_groups_where_images_have_them(tmp_path, groups, over):
    truth = np.random.default_rng(0).integers(0, 2, (12, 20, 24)).astype(np.uint8)
    compare_models(runs_of(tmp_path, truth, groups), tmp_path / "scores.csv", tmp_path / "tables.md", "poor", {})
    text = (tmp_path / "tables.md").read_text()
    assert f"Intervals are a bootstrap over {over}; p is a test of the difference to poor" in text
    row = next(csv.DictReader((tmp_path / "scores.csv").open()))
    assert row["units"] == over.split()[0] and float(row["mean_iou_low"]) == 1.0
    units = int(over.split()[0])
    assert f"| {2 * 2 / 2**units:.2g} |" in text  # the smallest p there is, corrected for two tests


def test_the_model_is_chosen_by_its_mean_and_the_replicate_by_its_validation_score(tmp_path, truth):
    """A single replicate that is lucky on the test images wins nothing."""
    generator = np.random.default_rng(1)
    runs, asked = [], []
    for model, replicate, errors, validation in (
        ("lucky", "seed0", 0.0, 0.6),
        ("lucky", "seed1", 0.5, 0.7),
        ("steady", "seed0", 0.1, 0.7),
        ("steady", "seed1", 0.12, 0.8),
        ("fitted", "seed0", 0.4, None),
        ("fitted", "seed1", 0.3, None),
    ):
        guess = np.where(generator.random(truth.shape) < errors, 1 - truth, truth).astype(np.uint8)
        out = score(tmp_path, truth, guess, [0, 1, 2, 3], model, replicate)
        out["training"] = tmp_path / f"{model}-{replicate}.json"
        facts = {"monitor": "validation_mean_iou", "validation_score": validation}
        storage.write_json(out["training"], {"wall_seconds": 1.0, **facts})
        runs.append(RunFiles(**out))
        folder = tmp_path / f"{model}-{replicate}"
        folder.mkdir()
        for key, name in (("metrics", "metrics.json"), ("per_image", "per_image.csv"), ("training", "training.json")):
            (folder / name).write_bytes(out[key].read_bytes())
        asked.append(["demo", model, replicate, folder.name, folder.name])
    scores = tmp_path / "scores.csv"
    compare_models(runs, scores, tmp_path / "tables.md", None, {})
    rows = list(csv.DictReader(scores.open()))
    best = max(rows, key=lambda row: float(row["mean_iou"]))
    assert (best["model"], best["replicate"], best["rank"]) == ("lucky", "seed0", "2")
    chosen = [(row["model"], row["replicate"]) for row in rows if row["chosen"] == "1"]
    assert chosen == [("steady", "seed1"), ("lucky", "seed1"), ("fitted", "seed0")]
    # segmentation chooses as the report does, whatever else the report compares and in whichever order
    best = ("steady/seed1", tmp_path / "steady-seed1" / "checkpoint.pt")
    assert choose_model(asked, tmp_path) == choose_model(asked[::-1], tmp_path) == best
    assert choose_model([run for run in asked if run[1] == "lucky"], tmp_path)[0] == "lucky/seed1"


def test_the_best_validation_loss_is_the_smallest(tmp_path, truth):
    runs = []
    for replicate, loss in (("seed0", 0.4), ("seed1", 0.2), ("seed2", 0.3)):
        out = score(tmp_path, truth, truth, [0, 1, 2, 3], "unet", replicate)
        out["training"] = tmp_path / f"{replicate}.json"
        storage.write_json(out["training"], {"monitor": "validation_loss", "validation_score": loss})
        runs.append(RunFiles(**out))
    assert choose_replicate([read_run(run) for run in runs]).replicate == "seed1"


def test_runs_on_unlike_images_are_not_compared(tmp_path, truth):
    runs = [RunFiles(**score(tmp_path, truth, truth, [0, 1, 2, 3], "unet"))]
    runs.append(RunFiles(**score(tmp_path, truth, truth[1:], [1, 2, 3], "otsu")))
    with pytest.raises(InputError, match="unet/seed0 and otsu/seed0 were scored on unlike images"):
        compare_models(runs, tmp_path / "scores.csv", tmp_path / "tables.md", None, {})
    assert not (tmp_path / "scores.csv").exists()


def test_comparison_without_models_and_with_a_damaged_table(tmp_path, truth):
    scores, tables = tmp_path / "scores.csv", tmp_path / "tables.md"
    compare_models([], scores, tables, "unet", {})
    assert "No model" in tables.read_text()
    runs = runs_of(tmp_path, truth)
    runs[0].per_image.write_text("image,index\na,0\n")
    with pytest.raises(InputError, match="score the run again"):
        compare_models(runs, scores, tables, None, {})


def test_the_cost_of_pretraining_stands_beside_that_of_training(tmp_path, truth):
    runs = []
    for model, facts in (("plain", None), ("started", {"dataset": "slices", "images": 7, "seconds": 61.5})):
        out = score(tmp_path, truth, truth[[1, 2]], [1, 2], model)
        out["training"] = tmp_path / f"{model}.json"
        facts_of_training = {"wall_seconds": 10.0, "pretraining": facts, "batch_size": 8, "epochs": 3, "steps": 40}
        storage.write_json(out["training"], {**facts_of_training, "devices": 2})
        runs.append(RunFiles(**out))
    compare_models(runs, tmp_path / "scores.csv", tmp_path / "tables.md", None, {})
    rows = {row["model"]: row for row in csv.DictReader((tmp_path / "scores.csv").open())}
    assert [rows[name]["pretraining_seconds"] for name in ("plain", "started")] == ["", "61.5"]
    tables = (tmp_path / "tables.md").read_text()
    head = (
        "| model | mean IoU | pre-training s | batch | epochs | steps | training s | devices | prediction s an image |"
    )
    assert head in tables and "| started | 1.0000 | 61.5 | 8 | 3 | 40 | 10.0 | 2 |" in tables
    compare_models(runs[:1], tmp_path / "scores.csv", tmp_path / "tables.md", None, {})
    assert "pre-training" not in (tmp_path / "tables.md").read_text()


def test_the_reason_of_an_unknown_energy_stands_below_the_costs(tmp_path, truth):
    runs = []
    facts = {"metered": {"energy_joules": 5.0}, "divided": {"energy_joules": None, "energy_note": "the GPU is divided"}}
    for model, energy in facts.items():
        out = score(tmp_path, truth, truth[[1, 2]], [1, 2], model)
        out["training"] = tmp_path / f"{model}.json"
        storage.write_json(out["training"], {"wall_seconds": 10.0, **energy})
        runs.append(RunFiles(**out))
    compare_models(runs, tmp_path / "scores.csv", tmp_path / "tables.md", None, {})
    assert "\nEnergy of divided is not known: the GPU is divided.\n" in (tmp_path / "tables.md").read_text()
