"""Keys are what results are found by: how settings are held in memory must not change them."""

from scan2seg.catalogue.runs import Encoder, Training, encoder_name
from scan2seg.catalogue.stacks import Patches, make_split
from scan2seg.catalogue.thing import make_key
from scan2seg.catalogue.volumes import scan_volumes
from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model

SOURCE = {
    "kind": "scan",
    "projections": "raw/rock.h5",
    "labels": "raw/labels.tif",
    "reconstruction": {
        "backend": {"method": "gridding", "window": "hann"},
        "rows": [4, 40],
        "angles": {"start": 0, "stop": 180},
    },
    "denoising": ["median", {"method": "non_local_means", "strength": 0.7}],
}
MODEL = {
    "name": "unet",
    "architecture": {"method": "unet", "encoder": "resnet18"},
    "augmentation": ["flip", {"method": "affine", "rotation": 30}],
    "loss": ["cross_entropy", {"method": "dice", "weight": 0.5}],
    "pretraining": {"epochs": 3, "dataset": "rock"},
}


DATASET = Dataset.model_validate({"name": "rock", "source": SOURCE, "classes": ["a", "b"], "pixel_size": 1.5})


def test_a_volume_and_its_reconstruction_lie_where_they_always_did() -> None:
    # A new setting of the reconstruction or of these denoisers makes new keys, and volumes are made again: say so.
    (volume,) = scan_volumes(DATASET).values()
    assert [part.folder for part in volume.lineage()] == ["rock-f968f3f9", "rock-a430008f"]


def test_the_number_of_projections_makes_another_reconstruction_and_all_of_them_the_same() -> None:
    def folder(projections: int | None) -> str:
        reconstruction = {**SOURCE["reconstruction"], "projections": projections}
        changes = {"source": {**SOURCE, "reconstruction": reconstruction}}
        (volume,) = scan_volumes(Dataset.model_validate({**DATASET.model_dump(mode="json"), **changes})).values()
        return next(iter(volume.lineage())).folder

    assert folder(None) == "rock-f968f3f9" and len({folder(None), folder(90), folder(45)}) == 3


def test_the_key_of_a_model_covers_its_file_without_words_resources_and_inference() -> None:
    model = Model.model_validate(MODEL)
    patches = Patches("16", make_split("rock", DATASET, 3), model.patching)
    encoder = Encoder(encoder_name(model.architecture), patches, model.pretraining_recipe())
    file = model.model_dump(mode="json")
    words = ("name", "description", "resources", "inference", "pretraining")
    recipe = {key: value for key, value in file.items() if key not in words}
    content = {"patches": patches.key, "recipe": recipe, "encoder": encoder.key}
    assert Training("unet", patches, model, encoder).key == make_key(["Training", content])
    recipe = {
        **{key: file["architecture"][key] for key in ("encoder", "pretrained", "sha256")},
        **{key: file[key] for key in ("patching", "normalisation", "augmentation")},
        **{key: file["training"][key] for key in ("device", "precision")},
        "pretraining": {key: value for key, value in file["pretraining"].items() if key != "dataset"},
    }
    assert encoder.key == make_key(["Encoder", {"patches": patches.key, "recipe": recipe}])
