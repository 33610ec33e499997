"""Peak memory of a prediction: it grows neither with the volume nor with the probabilities of whole images."""

import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.inference.members import Ensemble
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation
from scan2seg.storage import create_array, creating, write_json

SCRIPT = """
import sys
from pathlib import Path
from scan2seg.config.training import InferenceSettings
from scan2seg.device import peak_memory
from scan2seg.inference.ensembling import ensemble_predictions
from scan2seg.inference.prediction import predict_stack

folder, kept = Path(sys.argv[1]), sys.argv[2] == "kept"
settings = InferenceSettings(precision="float32", probabilities=kept, batch_size=4)
predict_stack(*(folder / name for name in ("stack.zarr", "split.json", "checkpoint.pt", "p.zarr")), settings)
if kept:
    ensemble_predictions([folder / "p.zarr"] * 3, folder / "e.zarr")
print(peak_memory("cpu"))
"""


def write_model(path: Path, classes: int) -> None:
    torch.manual_seed(0)
    architecture = Plugin("architectures").resolve({"method": "unet", "encoder": None, "width": 4, "depth": 2})
    model = SegmentationModel(architecture, Normalisation(1), 1, classes)
    names = [str(name) for name in range(classes)]
    save_checkpoint(path, model.eval(), {"classes": names, "neighbours": 0, "patch_size": [128, 128]})


def measure(folder: Path, count: int, classes: int, side: int, kept: str = "labels") -> float:
    """Return the peak memory in MB of a process of its own that predicts so many images."""
    folder.mkdir()
    write_model(folder / "checkpoint.pt", classes)
    with creating(folder / "stack.zarr") as group:
        create_array(group, "image", (count, 1, side, side), "float32")
        group.create_array("size", data=np.array([[side, side]] * count, np.int32))
        group.attrs.update({"groups": ["g"] * count, "names": [str(index) for index in range(count)]})
    write_json(folder / "split.json", {"train": [], "validation": [], "test": list(range(count))})
    command = [sys.executable, "-c", SCRIPT, str(folder), kept]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return int(result.stdout.split()[-1]) / 1e6


def test_no_more_than_a_row_of_tiles_is_blended_at_a_time(tmp_path: Path) -> None:
    write_model(tmp_path / "checkpoint.pt", 3)
    predictor = Predictor(tmp_path / "checkpoint.pt", InferenceSettings(precision="float32"))
    image = np.random.default_rng(0).normal(size=(1, 1, 700, 300)).astype(np.float32)
    seen: list[tuple[int, ...]] = []

    def finish(found: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(found.shape))
        return found.clone()

    (whole,) = predictor.walk(lambda _: image, range(1), range(1), finish)
    rows, _ = predictor.fit_plane(700, 300)
    assert len(seen) == len(rows.starts) > 4 and max(height for _, height, _ in seen) <= rows.tile < 160
    (expected,) = predictor.walk(lambda _: image, range(1), range(1))
    assert torch.equal(whole, expected)
    (labels,) = predictor.walk_labels(lambda _: image, range(1), range(1))
    assert np.array_equal(labels, expected.argmax(dim=0).numpy())


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["labels", "kept"])
def test_peak_memory_does_not_grow_with_the_number_of_slices(tmp_path: Path, kept: str) -> None:
    # a shard, and four
    few, many = (measure(tmp_path / str(count), count, 2, 256, kept) for count in (256, 1024))
    assert many < 1.1 * few  # the labels alone would add 50 MB, the images 201 MB


@pytest.mark.slow
def test_peak_memory_hardly_grows_with_the_classes(tmp_path: Path) -> None:
    few, many = (measure(tmp_path / str(classes), 1, classes, 2048) for classes in (2, 32))
    assert many - few < 0.5 * 30 * 2048**2 * 4 / 1e6  # the probabilities of the image


class Member:
    """Yields probabilities, and counts those of all members that are still there."""

    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = 0

    def walk(self, read: object, wanted: range, volume: range) -> Iterator[torch.Tensor]:
        return (self.make() for _ in wanted)

    def make(self) -> torch.Tensor:
        found = torch.ones(2, 4, 4)
        self.alive.add(found)
        Member.most = max(Member.most, len(self.alive))
        return found


def test_an_ensemble_holds_the_probabilities_of_two_images_of_however_many_members() -> None:
    ensemble = Ensemble.__new__(Ensemble)
    ensemble.members = [Member() for _ in range(5)]  # type: ignore[misc]
    for found in ensemble.walk(None, range(4), range(4)):  # type: ignore[arg-type]
        assert torch.equal(found, torch.ones(2, 4, 4))
    assert Member.most == 2
