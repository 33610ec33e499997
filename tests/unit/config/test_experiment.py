"""Loading: everything wrong is found at once, named with file, key, value and what to do."""

from pathlib import Path

import numpy as np
import pytest
from helpers import MODEL, change, problems_of

from scan2seg.config.check import check_file
from scan2seg.config.experiment import load_experiment


def test_valid_files_of_every_kind_are_named(folder: Path) -> None:
    assert "experiment 'try' (1 datasets, 1 models, 1 runs)" in check_file(folder / "try.yaml")
    assert "dataset 'cells'" in check_file(folder / "cells.yaml")
    assert "model 'small' (unet)" in check_file(folder / "small.yaml")


def test_every_problem_of_every_file_is_listed_at_once(folder: Path) -> None:
    change(
        folder / "cells.yaml",
        "strategy: random",
        "strateggy: random, fractions: {train: 0.9, validation: 0.2, test: 0.2}",
    )
    change(folder / "small.yaml", "epochs: 2", "epochs: 0")
    change(folder / "small.yaml", "method: unet", "method: unett")
    text = problems_of(folder / "try.yaml")
    assert "cells.yaml: split.strateggy" in text and "did you mean 'strategy'" in text
    assert "add up to 1.3" in text
    assert "small.yaml: training.epochs = 0" in text and "greater than or equal to 1" in text
    assert "unknown architectures plugin 'unett': did you mean 'unet'" in text and "resunet" in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("/images/*.png", "/nothing/*.png", "nothing matches"),
        ("grey: 100", "grey: 101", "label value 100 is no class"),
        ("classes: [dark, grey, bright]", "classes: [dark, grey, bright, gold]", "no training label holds this class"),
        ("bright: 200", "white: 200", "the labels name white"),
        ("classes: [dark, grey, bright]", "classes: [dark, grey, grey]", "a name stands twice"),
        ("kind: images", "kind: pictures", "'images', 'volume', 'scan', 'simulation'"),
        ("seed: 1", "seed: one", "valid integer"),
        ("images: ", "images: ${SURELY_NOT_SET}", "set the environment variable SURELY_NOT_SET"),
    ],
)
def test_a_mistake_in_a_dataset_is_named(folder: Path, old: str, new: str, expected: str) -> None:
    change(folder / "cells.yaml", old, new)
    text = problems_of(folder / "try.yaml")
    assert expected in text
    assert "cells.yaml" in text


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / "labels" / "cell_03_mask.png").unlink(), "no label for cell_03"),
        (lambda folder: (folder / "images" / "cell_03.png").unlink(), "no image for the labels cell_03_mask"),
        (lambda folder: make_images_of_other_size(folder), "is 40 x 40, its image cell_00.png is 24 x 24"),
        (lambda folder: truncate(folder / "images" / "cell_00.png"), "cell_00.png: cannot be read as an image"),
        (lambda folder: [path.unlink() for path in (folder / "labels").iterdir()], "nothing matches"),
    ],
)
def test_damaged_data_is_found_before_any_job(folder: Path, damage, expected: str) -> None:
    damage(folder)
    assert expected in problems_of(folder / "try.yaml")


def make_images_of_other_size(folder: Path) -> None:
    from PIL import Image

    Image.new("L", (24, 24)).save(folder / "images" / "cell_00.png")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def test_the_same_name_twice_and_the_same_key_twice(folder: Path) -> None:
    change(folder / "try.yaml", "[./small.yaml]", "[./small.yaml, ./small.yaml]")
    assert "this name is there already" in problems_of(folder / "try.yaml")
    (folder / "try.yaml").write_text("datasets: [a]\ndatasets: [b]\n")
    assert "the key 'datasets' stands twice" in problems_of(folder / "try.yaml")


def test_missing_files_name_the_choices(folder: Path) -> None:
    (folder / "models").mkdir()
    (folder / "models" / "good.yaml").write_text(MODEL.format(architecture="otsu"))
    change(folder / "try.yaml", "./small.yaml", "godo")
    text = problems_of(folder / "try.yaml")
    assert "there is no such file in models" in text and "good" in text


def test_a_model_can_be_a_changed_copy(folder: Path) -> None:
    change(
        folder / "try.yaml",
        "[./small.yaml]",
        "[./small.yaml, {base: ./small.yaml, name: fast, optimizer: {learning_rate: 0.1}}]",
    )
    experiment = load_experiment(folder / "try.yaml")
    assert experiment.models["fast"].optimizer.learning_rate == 0.1
    assert experiment.models["fast"].architecture == experiment.models["small"].architecture


def test_replicates_are_seeds_or_folds_and_a_deterministic_model_has_one_seed(folder: Path) -> None:
    change(folder / "small.yaml", "resources", "deterministic_fit: true\nresources")
    with (folder / "try.yaml").open("a") as file:
        file.write("replicates: {seeds: [3, 4], folds: 2}\n")
    experiment = load_experiment(folder / "try.yaml")
    assert experiment.settings.replicates.names() == ["fold0-seed3", "fold0-seed4", "fold1-seed3", "fold1-seed4"]
    assert experiment.replicates("small") == ["fold0-seed3", "fold1-seed3"]


def test_a_reference_model_must_be_there(folder: Path) -> None:
    with (folder / "try.yaml").open("a") as file:
        file.write("reference_model: gone\nensembles: {both: [small, other]}\n")
    text = problems_of(folder / "try.yaml")
    assert "reference_model = 'gone'" in text and "ensembles.both = 'other'" in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "encoder: null",
            "encoder: resnet35",
            "architecture.encoder = 'resnet35': unknown encoder 'resnet35': did you",
        ),
        (
            "depth: 2",
            "depth: 2, output: sigmoid",
            "architecture.output = 'sigmoid': needs two classes, the dataset 'cel",
        ),
        ("epochs: 2", "epochs: 2, class_weights: [1, 2]", "has 2 weights, the dataset 'cells' has 3 classes"),
        (
            "architecture:",
            "weighting: [{method: unet_border, background: 3}]\narchitecture:",
            "weighting.0.background = 3: is no class of the dataset 'cells'; its 3 classes count from 0",
        ),
    ],
)
def test_what_no_job_could_build_is_refused_before_any_job(folder: Path, old: str, new: str, expected: str) -> None:
    change(folder / "small.yaml", old, new)
    assert expected in problems_of(folder / "try.yaml")


def test_a_problem_whose_value_is_a_list_is_worded_like_any_other(folder: Path) -> None:
    (folder / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\nensembles: {both: [small]}\n")
    assert "ensembles.both" in problems_of(folder / "try.yaml")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ("[small/seed0, small]", "name the seed of every member or of none"),
        ("[small/seed0, small/seed0]", "a member stands twice"),
        ("[small/seed0, small/seed7]", "has no such seed; replicates: has seed0"),
    ],
)
def test_members_of_an_ensemble_that_are_no_runs_are_refused(folder: Path, members: str, said: str) -> None:
    (folder / "try.yaml").write_text(
        f"datasets: [./cells.yaml]\nmodels: [./small.yaml]\nensembles: {{both: {members}}}\n"
    )
    assert said in problems_of(folder / "try.yaml")


def test_a_class_that_only_test_images_hold_is_a_problem(folder: Path) -> None:
    from PIL import Image

    for number in range(6):
        path = folder / "labels" / f"cell_{number:02d}_mask.png"
        label = np.array(Image.open(path))
        Image.fromarray(np.where(label == 200, 0, label)).save(path)
    part = '{{images: "images/cell_{0}.png", labels: "labels/cell_{0}_mask.png"}}'
    change(
        folder / "cells.yaml",
        'images: "./images/*.png"\n  labels: "./labels/*.png"',
        f"train: {part.format('0[0-5]')}\n  test: {part.format('0[6-9]')}",
    )
    change(folder / "cells.yaml", "strategy: random, seed: 1", "strategy: given")
    assert "classes.2 = 'bright': no training label holds this class" in problems_of(folder / "try.yaml")


@pytest.mark.parametrize(
    ("architecture", "patching", "expected"),
    [
        ("unet_3d", "{size: 32}", "architecture.method: unet_3d works on volumes; set patching.depth"),
        ("otsu", "{size: 32, depth: 4}", "patching.depth: architecture.method: otsu works on images; leave depth out"),
        ("unet_3d", "{size: 32, depth: 4, neighbours: 1}", "depth and neighbours: give one"),
    ],
)
def test_a_network_on_volumes_and_the_depth_of_patches_go_together(
    folder: Path, architecture: str, patching: str, expected: str
) -> None:
    text = MODEL.format(architecture=architecture).replace("{size: 32, stride: 16}", patching)
    (folder / "small.yaml").write_text(text)
    assert expected in problems_of(folder / "try.yaml")


def test_a_split_that_parts_the_slices_of_a_patch_is_refused(folder: Path) -> None:
    text = MODEL.format(architecture="unet_3d").replace("{size: 32,", "{size: 32, depth: 4,")
    (folder / "small.yaml").write_text(text)
    assert "'cells' needs split.strategy blocked, grouped or given" in problems_of(folder / "try.yaml")
    change(folder / "cells.yaml", "strategy: random", "strategy: blocked")
    (folder / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\nreplicates: {folds: 2}\n")
    load_experiment(folder / "try.yaml")
    lists = "strategy: given, lists: {train: [a], test: [b]}"
    change(folder / "cells.yaml", "strategy: blocked", lists)
    assert "patching.depth = 4: folds must keep consecutive slices together" in problems_of(folder / "try.yaml")
    change(folder / "cells.yaml", lists, "strategy: grouped")
    load_experiment(folder / "try.yaml")


def test_a_file_of_weights_counts_from_the_file_that_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "weights").mkdir()
    (folder / "weights" / "mine.pt").write_bytes(b"")
    recipe = MODEL.format(architecture="{method: unet, encoder: resnet18, pretrained: weights/mine.pt}")
    (folder / "small.yaml").write_text(recipe)
    assert "is valid" in check_file(folder / "try.yaml")
    monkeypatch.chdir(folder / "weights")
    assert load_experiment(folder / "try.yaml").models["small"].architecture.get("pretrained") == "mine.pt"
    change(folder / "small.yaml", "weights/mine.pt", "weights/gone.pt")
    assert "architecture.pretrained: architecture: pretrained: gone.pt: there is no such file" in problems_of(
        folder / "try.yaml"
    )
    for name in ("imagenet", "none"):
        (folder / "small.yaml").write_text(recipe.replace("weights/mine.pt", name))
        assert load_experiment(folder / "try.yaml").models["small"].architecture.get("pretrained") == name


def test_what_a_study_tries_must_fit_the_classes_too(folder: Path) -> None:
    (folder / "try.yaml").write_text(
        "datasets: [./cells.yaml]\nmodels: []\nstudies:\n  ends: {model: ./small.yaml, sampler: random, trials: 2, "
        "space: {architecture.output: {values: [softmax, sigmoid]}}}\n"
    )
    assert "architecture.output = 'sigmoid': needs two classes, the dataset 'cells' has 3" in problems_of(
        folder / "try.yaml"
    )


def test_a_plan_of_inference_needs_validation_images(folder: Path) -> None:
    change(folder / "small.yaml", "resources:", "inference: {plan: {tolerance: 0.002}}\nresources:")
    assert "valid" in check_file(folder / "try.yaml")
    change(
        folder / "cells.yaml",
        "strategy: random",
        "strategy: random, fractions: {train: 0.7, validation: 0, test: 0.3}",
    )
    text = problems_of(folder / "try.yaml")
    assert "small.yaml: inference.plan" in text and "the split of the dataset 'cells' has none; remove it" in text
    # folds have validation images of their own
    (folder / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\nreplicates: {folds: 2}\n")
    assert "valid" in check_file(folder / "try.yaml")
