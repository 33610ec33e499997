"""What every stage opens and imports is what its rule declares, over every kind of plugin."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import MODEL, make_images
from pipeline import Pipeline

from scan2seg.encoders.build import create

pytestmark = pytest.mark.thorough
# what surrounds every job; an edit to it changes no output
FRAME = {"adapter.py", "origin.py", "ownership.py", "watchdog.py", "workflow_outputs.py", "__init__.py"}
MODELS = {
    "busy": MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}")
    + "loss: [cross_entropy, dice]\naugmentation: [flip, gamma]\nweighting: [unet_border]\n"
    + "inference: {plan: {images: 1}}\n",
    "started": MODEL.format(architecture="{method: unet, encoder: resnet18, pretrained: ../../weights.safetensors}")
    + "pretraining: {epochs: 1, batch_size: 8, mask_size: 8}\n",
}
DATASETS = {
    "raw": """
        source:
          kind: scan
          projections: ../../scan/*.tif
          flats: ../../flats.tif
          darks: ../../darks.tif
          angles: ../../angles.txt
          formats: [tiff, hdf5]
          denoising: [median]
        """,
    "volumes": """
        source:
          kind: volume
          volumes:
            one: {images: ../../one.nii, labels: ../../one_labels.h5}
            two: {images: ../../two.tif, labels: ../../two_labels.mha}
            three: {images: ../../three.nii, labels: ../../three_labels.nii}
          label_values: {dark: 0, bright: 1}
        classes: [dark, bright]
        split: {strategy: grouped}
        """,
    "deep": """
        source: {kind: volume, volumes: {four: {images: ../../one.nii}}}
        """,
    "grouped": """
        source:
          kind: images
          images: "../../cells/images/*.png"
          labels: "../../cells/labels/*.png"
          label_values: {dark: 0, grey: 100, bright: 200}
          groups: {file: ../../groups.csv, image: image, group: patient}
        classes: [dark, grey, bright]
        split: {strategy: grouped}
        """,
}
EXPERIMENT = """
datasets: [pillar, grouped, volumes]
models: [busy, started, levels]
ensembles: {both: [busy, levels]}
saliency: true
score_parts: 2
studies: {rates: {model: small, sampler: grid, space: {loss: {values: [cross_entropy, dice]}}}}
segment: {datasets: [fresh, unseen, deep], trained_on: pillar, model: levels, tiff: true}
"""


def write_data(folder: Path) -> None:
    import nibabel
    import tifffile
    import torch
    from safetensors.torch import save_file

    generator = np.random.default_rng(0)
    make_images(folder / "cells", count=10, size=36)
    rows = [f"cell_{index:02d},p{index // 2}" for index in range(10)]
    (folder / "groups.csv").write_text("image,patient\n" + "\n".join(rows) + "\n")
    (folder / "scan").mkdir()
    for index in range(60):
        tifffile.imwrite(folder / f"scan/p_{index:03d}.tif", generator.integers(500, 900, (4, 32)).astype(np.uint16))
    tifffile.imwrite(folder / "flats.tif", np.full((3, 4, 32), 1000, np.uint16))
    tifffile.imwrite(folder / "darks.tif", np.full((3, 4, 32), 10, np.uint16))
    (folder / "angles.txt").write_text("\n".join(f"{angle:.3f}" for angle in np.linspace(0, 180, 60)))
    for name in ("one", "two", "three"):
        labels = (generator.random((6, 36, 36)) < 0.4).astype(np.uint8)
        grey = (labels * 80 + generator.normal(60, 5, labels.shape)).astype(np.float32)
        write_volume(folder, name, grey, labels, nibabel, tifffile)
    torch.manual_seed(0)
    weights = create("resnet18", 3).state_dict()
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / "weights.safetensors")


def write_volume(folder: Path, name: str, grey: np.ndarray, labels: np.ndarray, nibabel, tifffile) -> None:
    if name == "two":
        tifffile.imwrite(folder / "two.tif", grey)
        head = "ObjectType = Image\nNDims = 3\nDimSize = 36 36 6\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
        (folder / "two_labels.mha").write_bytes(head.encode() + labels.tobytes())
        return
    nibabel.save(nibabel.Nifti1Image(grey.T, np.eye(4)), folder / f"{name}.nii")
    if name == "three":
        nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4)), folder / "three_labels.nii")
        return
    with h5py.File(folder / "one_labels.h5", "w") as file:
        file["labels"] = labels


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    made = Pipeline(tmp_path_factory.mktemp("audit"))
    write_data(made.folder)
    for kind, files in (("models", MODELS), ("datasets", DATASETS)):
        for name, text in files.items():
            lines = text.strip("\n").splitlines()
            indent = len(lines[0]) - len(lines[0].lstrip())
            (made.folder / "config" / kind / f"{name}.yaml").write_text(
                "\n".join(line[indent:] for line in lines) + "\n"
            )
    watched = made.folder / "audit"
    watched.mkdir()
    hook = Path(__file__).parents[1] / "support" / "audit"
    made.env |= {"PYTHONPATH": f"{hook}:{made.env['PYTHONPATH']}", "SCAN2SEG_AUDIT": str(watched)}
    for text in (EXPERIMENT, "datasets: [raw]\nmodels: []\n"):
        (made.folder / "config/experiments/tiny.yaml").write_text(text)
        result = made.run(timeout=3000)
        assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return [json.loads(path.read_text()) for path in sorted(watched.glob("*.json"))]


def test_every_rule_was_watched(jobs: list[dict]) -> None:
    rules = {path.stem for path in (Path(__file__).parents[2] / "workflow" / "scripts").glob("*.py")}
    assert {job["rule"] for job in jobs} == rules


def test_every_file_of_the_package_that_was_imported_is_declared(jobs: list[dict]) -> None:
    missing = {
        (job["rule"], path.rpartition("/scan2seg/")[2])
        for job in jobs
        for path in {*job["imported"]} - {*job["inputs"]}
        if path.rpartition("/scan2seg/")[2] not in FRAME
    }
    assert missing == set()


def test_every_data_file_that_was_read_is_declared(jobs: list[dict]) -> None:
    undeclared = set()
    for job in jobs:
        folder = str(Path(job["outputs"][0]).parents[1]).partition("/results")[0]
        known = [*job["inputs"], *job["outputs"], *(str(Path(path).parent) for path in job["outputs"])]
        for path in job["opened"]:
            inside = path.startswith(folder) and not path.endswith((".py", ".pyc"))
            part = path.removeprefix(f"{folder}/")
            # MLflow's store has one writer, log_to_mlflow, which alone reads it
            if not inside or part.startswith(
                (
                    ".snakemake/",
                    "src/",
                    "audit/",
                    ".cache/",
                    "results/mlartifacts/",
                    "results/mlflow",
                    "results/.mlflow",
                )
            ):
                continue
            if not any(path == one or path.startswith(f"{one}/") for one in known):
                undeclared.add((job["rule"], part))
    assert undeclared == set()
