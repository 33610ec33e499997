"""What is called published is trained as published: every number of a recipe that the systems' texts give, as they print it."""

from pathlib import Path
from typing import Any

import pytest

from scan2seg.config.experiment import Experiment, load_experiment

EXPERIMENTS = Path(__file__).parents[3] / "config" / "experiments"

WHOLE_IMAGE_LOSS = [{"method": "bce", "weight": 0.5}, {"method": "dice", "weight": 1.0}]
BATCH_WEIGHTS = [{"method": "cross_entropy", "class_balance": "batch"}]
BRATS_AUGMENTATION = [
    {"method": "flip", "axes": ["horizontal", "vertical"], "probability": 0.5},
    {"method": "affine", "rotation": 20, "shift": 0.1, "shear": 0.2, "zoom": 0.1},
    {"method": "gamma", "low": 0.8, "high": 1.2},
    {"method": "elastic", "amplitude": 720, "sigma": 24},
]
BRATS = {"optimizer.learning_rate": 1e-4, "training.epochs": 100, "augmentation": BRATS_AUGMENTATION}
DRIVING = {
    "loss": BATCH_WEIGHTS, "weighting": [{"method": "bounding_box", "beta_bg": 0.05}], "patching.size": 384,
    "patching.strategy": "foreground", "patching.count": 1, "optimizer.epsilon": 1e-8,
}  # fmt: skip
XLEARN = {"architecture.method": "xlearn", "optimizer.name": "adam", "normalisation.method": "range"}
TUNED = XLEARN | {"architecture.normalisation": "batch", "architecture.output": "softmax", "training.epochs": 10}
BORDER = {"weighting": [{"method": "unet_border", "w0": 10, "sigma": 5}]}

RECIPES: list[tuple[str, str, dict[str, Any]]] = [
    # system 1: tables 4.4 and 4.5, then 4.1 to 4.3
    ("aa7075", "xlearn_tuned", TUNED | BORDER | {
        "loss": [{"method": "cross_entropy"}], "patching.size": 32, "training.batch_size": 2048, "training.epochs": 5,
    }),
    *(("aa7075", name, {
        "architecture.method": "unet_plus_plus", "architecture.encoder": encoder, "architecture.deep_supervision": True,
        "architecture.mode": "accurate", "architecture.pretrained": "imagenet", "loss": WHOLE_IMAGE_LOSS,
        "training.batch_size": 2, "training.epochs": 10, "normalisation.channels": 3, "weighting": [],
    }) for name, encoder in (("unet_plus_plus", "resnet152"), ("unet_plus_plus_inception", "tu-inception_v3"))),
    ("aa7075", "unet_plus_plus_fast", {"architecture.mode": "fast", "loss": WHOLE_IMAGE_LOSS}),
    *(("aa7075", name, {
        "architecture.method": "pspnet", "architecture.encoder": encoder, "architecture.output_stride": 8,
        "training.batch_size": 2, "training.epochs": 10, "normalisation.channels": 3,
    }) for name, encoder in (("pspnet", "resnet152"), ("pspnet_inception", "tu-inception_v3"))),
    ("aa7075", "deeplabv3_plus_xception", {
        "architecture.method": "deeplabv3_plus", "architecture.atrous_rates": [6, 12, 18], "architecture.output_stride": 16,
        # 65 epochs of 620 images are the published 5000 steps
        "training.batch_size": 8, "training.epochs": 65,
    }),
    ("aa7075_baseline", "xlearn_baseline", XLEARN | {"loss": [{"method": "mse"}], "training.epochs": 50}),
    ("aa7075_baseline_10", "xlearn_baseline_30", XLEARN | {"loss": [{"method": "mse"}], "training.epochs": 30}),
    *(("aa7075_images", f"xlearn_batch_{batch}", XLEARN | {"training.batch_size": batch, "training.epochs": 5})
      for batch in (128, 512)),
    ("aa7075_binary", "xlearn_tuned_binary", TUNED | {"loss": [{"method": "mse"}], "patching.size": 32}),
    *(("aa7075_patches", f"xlearn_tuned_{size}", TUNED | {
        "loss": [{"method": "cross_entropy"}], "patching.size": size, "architecture.patch": size,
    }) for size in (32, 64, 128)),
    # system 2
    *(("soc_nickel", name, {
        "architecture.method": "regularised_unet", "architecture.encoder": encoder, "architecture.freeze": "encoder",
        "architecture.dropout": 0.4, "architecture.output": "sigmoid", "architecture.decoder_channels": widths,
        "loss": [{"method": "bce"}], "optimizer.learning_rate": rate, "training.epochs": 100, "training.batch_size": 16,
        "normalisation.method": "scale", "normalisation.divisor": 255, "normalisation.channels": 3,
    }) for name, encoder, rate, widths in (
        ("vgg16_unet", "vgg16", 1e-3, [512, 256, 128, 64]),
        ("resnet50_unet_frozen", "resnet50", 1e-5, [1024, 512, 256, 64]),
    )),
    ("soc_nickel", "resnet50_unet_frozen", {"augmentation": [
        {"method": "affine", "rotation": 20, "shift": 0.1, "shear": 0.1, "zoom": 0.1},
        {"method": "flip", "axes": ["horizontal"]},
    ]}),
    # system 3
    ("driving", "resnet50_unet", DRIVING | {
        "architecture.method": "resnet50_unet", "optimizer.learning_rate": 4e-5, "training.batch_size": 50,
    }),
    ("driving", "resnet50_unet_epsilon", {"optimizer.epsilon": 1e-4, "optimizer.learning_rate": 4e-5}),
    ("driving", "spp", DRIVING | {
        "architecture.encoder": "resnet101", "optimizer.learning_rate": 7e-5, "training.batch_size": 12,
        "training.samples_per_epoch": 20 * 12, "training.epochs": 100,
    }),
    ("driving", "spp_unet_240", DRIVING | {
        "architecture.method": "spp_unet", "optimizer.learning_rate": 7e-5, "training.batch_size": 12,
        "training.samples_per_epoch": 20 * 12, "training.epochs": 100,
    }),
    ("driving", "spp_unet", DRIVING | {
        "architecture.method": "spp_unet", "architecture.encoder": "resnet101", "optimizer.learning_rate": 7e-5,
        "training.batch_size": 20, "training.samples_per_epoch": 200 * 20, "training.epochs": 160,
    }),
    ("driving", "drn_a_18", DRIVING | {
        "optimizer.learning_rate": 7e-5, "training.batch_size": 20, "training.samples_per_epoch": 10 * 20,
    }),
    ("driving", "downup", {"architecture.method": "downup"}),
    # system 4
    ("brats2015", "mobilenet_unet", BRATS | {
        "architecture.encoder": "mobilenet_v2", "architecture.pretrained": "imagenet", "architecture.upsampling": "transposed",
        "architecture.skips": "res_path", "architecture.supervised_levels": 5, "loss": [{"method": "dice"}, {"method": "bce"}],
    }),
    ("brats2015", "mobilenet_unet_random", {"architecture.pretrained": "none", "architecture.initialisation": "normal"}),
    ("brats2015", "mobilenet_unet_dice", BRATS | {"loss": [{"method": "dice"}]}),
    ("brats2015", "unet_plain", BRATS),
    ("brats2015", "sd_unet", BRATS),
    # system 5
    ("dsb2018", "resunet", {
        "architecture.method": "resunet", "architecture.output": "sigmoid", "loss": [{"method": "bce"}],
        "optimizer.name": "adam", "optimizer.learning_rate": 1e-4, "training.batch_size": 8, "training.epochs": 10,
        "training.early_stopping": 20, "schedule.name": "plateau", "schedule.factor": 0.1, "schedule.patience": 5,
        "schedule.minimum": 1e-7, "normalisation.divisor": 255,
    }),
]  # fmt: skip

WITHOUT_A_RECIPE = {
    "driving": ["ResNet50 U-Net before", "ResNet50 U-Net (modified)"],  # overfitted on purpose, and never described
    "soc_nickel": ["earlier pre-trained models"],
    "dsb2018": ["U-Net, U-Net++"],
}


def experiment_of(name: str) -> Experiment:
    return load_experiment(EXPERIMENTS / f"{name}.yaml")


def value_of(content: Any, path: str) -> Any:
    for key in path.split("."):
        content = content[key]
    return content


@pytest.mark.parametrize(("name", "model", "published"), RECIPES, ids=[f"{name}-{model}" for name, model, _ in RECIPES])
def test_a_recipe_has_the_published_values(name: str, model: str, published: dict[str, Any]) -> None:
    content = experiment_of(name).models[model].recipe().content()
    for path, expected in published.items():
        found = value_of(content, path)
        if isinstance(expected, list) and expected and isinstance(expected[0], dict):
            assert [entry["method"] for entry in found] == [entry["method"] for entry in expected], path
            found = [{key: entry[key] for key in known} for entry, known in zip(found, expected, strict=True)]
        assert found == expected, path


@pytest.mark.parametrize("name", sorted({name for name, *_ in RECIPES}))
def test_every_published_row_stands_beside_the_model_that_repeats_it(name: str) -> None:
    experiment = experiment_of(name)
    models = {*experiment.models, *experiment.settings.ensembles}
    rows = [row for dataset in experiment.datasets.values() for row in dataset.published]
    assert rows
    assert [row.model for row in rows if not row.repeated_by] == WITHOUT_A_RECIPE.get(name, [])
    assert all(models.issuperset(row.repeated_by) for row in rows)


def test_a_published_row_prints_what_its_recipe_trains_with() -> None:
    """The batch and the epochs of a row are those of the recipe that repeats it."""
    for name in sorted({name for name, *_ in RECIPES}):
        experiment = experiment_of(name)
        for row in (row for dataset in experiment.datasets.values() for row in dataset.published):
            for model in [experiment.models[model] for model in row.repeated_by if model in experiment.models]:
                for key in ("batch_size", "epochs"):
                    told = row.known().get(key)
                    assert told in (None, getattr(model.training, key)), (name, row.model, key)


def test_the_ensemble_of_system_3_is_two_of_one_network_and_one_of_another() -> None:
    (members,) = experiment_of("driving").settings.ensembles.values()
    assert members == ["resnet50_unet/seed0", "resnet50_unet/seed1", "spp_unet/seed0"]


def test_the_tasks_of_system_4_are_binary_and_of_one_sequence() -> None:
    datasets = experiment_of("brats2015").datasets
    tasks = {
        "brats2015_whole": ("*MR_Flair.*/*.mha", [1, 2, 3, 4]),
        "brats2015_core": ("*MR_Flair.*/*.mha", [1, 3, 4]),
        "brats2015_enhancing": ("*MR_T1c.*/*.mha", [4]),
    }
    for name, (sequence, values) in tasks.items():
        source = datasets[name].source
        assert source.images == [sequence] and source.standardise
        foreground = list(source.label_values.values())[1]
        assert (foreground if isinstance(foreground, list) else [foreground]) == values
        assert datasets[name].split.drop_empty == "training"
    unions = datasets["brats2015"].unions
    assert unions == {
        "whole": ["necrosis", "oedema", "non_enhancing", "enhancing"],
        "core": ["necrosis", "non_enhancing", "enhancing"],
    }


def test_the_protocols_of_system_1() -> None:
    for name in ("aa7075_patches", "aa7075_binary", "aa7075_baseline", "aa7075_baseline_10", "aa7075_images"):
        for dataset in experiment_of(name).datasets.values():
            counts = dataset.split.counts
            assert dataset.split.strategy == "random" and dataset.split.drop_empty == "ends"
            assert (counts.train, counts.validation) == (620, 10)
            assert counts.test == (200 if name in ("aa7075_patches", "aa7075_binary") else 5)
    images = [dataset.split.training_images for dataset in experiment_of("aa7075_images").datasets.values()]
    assert images == [100, 200, None]
