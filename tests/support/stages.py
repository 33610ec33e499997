"""The stages that work on one large volume, small ones of them, each in a process of its own that can be killed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from analytic import disc_sinogram, write_scan

from scan2seg import storage
from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.normalisation import Normalisation

SIZE, SLICES = 24, 14
# two slices in a shard of 32-bit images, eight of labels
SHARD = 2 * SIZE**2 * 4

STAGE = """
import sys
from pathlib import Path
from scan2seg import storage
from scan2seg.workers import Workers
storage.TARGET_SHARD_BYTES = {shard}
stage, folder, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
workers = Workers(2, 1) if sys.argv[4:] else None
if stage == "reconstruct":
    from scan2seg.config.reconstruction import ReconstructionSettings
    from scan2seg.config.scan_files import RawScan
    from scan2seg.reconstruction.scan import reconstruct_scan
    settings = ReconstructionSettings(**{settings})
    reconstruct_scan(RawScan(projections=folder / "scan.h5"), output, settings, splits=2, memory=1, workers=workers)
elif stage == "denoise":
    from scan2seg.config.base import Plugin
    from scan2seg.denoising.scan import denoise_scan
    step = dict(method="noise2inverse", steps=5, width=4, crop=16, batch=2, device="cpu", splits=2)
    steps = [Plugin("denoising").resolve({{**step, **{settings}}}), Plugin("denoising").resolve("median")]
    denoise_scan(folder / "volume.zarr", output, steps, memory=1, workers=workers)
else:
    from scan2seg.config.training import InferenceSettings
    inference = InferenceSettings(**{settings})
    if stage == "predict":
        from scan2seg.inference.prediction import predict_stack
        predict_stack(folder / "stack.zarr", folder / "split.json", folder / "checkpoint.pt", output, inference, workers=workers)
    else:
        from scan2seg.inference.members import Member
        from scan2seg.inference.segmentation import segment_scan
        summary = output.with_suffix(".json")
        members = [Member(folder / "checkpoint.pt", inference), Member(folder / "checkpoint2.pt", inference)]
        segment_scan(folder / "volume.zarr", members, output, summary, model="m", workers=workers)
"""
DYING = """
import os, signal
from scan2seg.continuation import Unfinished
finish, left = Unfinished.finish, [{parts}]
def finish_or_die(self, part, note=None):
    finish(self, part, note)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
Unfinished.finish = finish_or_die
"""
COUNTING = """
import atexit, sys
from scan2seg.continuation import Unfinished
finish, parts = Unfinished.finish, []
def count(self, part, note=None):
    parts.append((part.start, part.stop))
    finish(self, part, note)
Unfinished.finish = count
atexit.register(lambda: print("finished", sorted(parts)))
"""
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reconstruct": ({"centre": 11.5}, {"centre": 11.0}),
    "denoise": ({}, {"seed": 1}),
    "predict": (
        {"precision": "float32", "probabilities": True},
        {"precision": "float32", "probabilities": True, "overlap": 0.5},
    ),
    "segment": ({"precision": "float32"}, {"precision": "float32", "overlap": 0.5}),
}


def make_inputs(made: Path) -> None:
    """Write all that the four stages read into a folder."""
    import torch

    rng = np.random.default_rng(0)
    degrees = np.linspace(0, 180, 31)
    sinograms = [disc_sinogram(SIZE, np.deg2rad(degrees), 11.5, [(0, z - 7, 6, 0.02)]) for z in range(SLICES)]
    write_scan(made / "scan.h5", np.stack(sinograms), degrees)
    with storage.creating(made / "volume.zarr") as group:
        for name in ("volume", "part0", "part1"):
            values = rng.normal(size=(SLICES, SIZE, SIZE)).astype(np.float32)
            values[3, 2, 2] = np.nan if name != "volume" else 0
            shape, create = values.shape, storage.create_volume if name == "volume" else storage.create_array
            (create(group, shape) if name == "volume" else create(group, name, shape, "float32"))[:] = values
    with storage.creating(made / "stack.zarr") as group:
        images = rng.normal(size=(SLICES, 1, SIZE, SIZE)).astype(np.float32)
        storage.create_array(group, "image", images.shape, "float32")[:] = images
        group.create_array("size", data=np.full((SLICES, 2), SIZE, np.int32))
        group.attrs.update({"groups": ["g"] * SLICES, "names": [str(i) for i in range(SLICES)]})
    storage.write_json(made / "split.json", {"train": [], "validation": [], "test": list(range(SLICES))})
    torch.manual_seed(0)
    architecture = Plugin("architectures").resolve({"method": "unet", "encoder": None, "width": 4, "depth": 2})
    model = SegmentationModel(architecture, Normalisation(1), 1, 2)
    facts = {"classes": ["a", "b"], "patch_size": [16, 16], "neighbours": 0}
    save_checkpoint(made / "checkpoint.pt", model.eval(), facts)
    model = SegmentationModel(architecture, Normalisation(1), 1, 2)
    save_checkpoint(made / "checkpoint2.pt", model.eval(), facts)


def run(
    stage: str, folder: Path, output: Path, settings: dict[str, Any], around: str = COUNTING, *, shared: bool = False
) -> Any:
    """Run a stage in a process of its own, alone or with two workers."""
    shard = SIZE**2 * 2 if stage == "segment" else SHARD
    script = around + STAGE.format(shard=shard, settings=settings)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", script, stage, str(folder), str(output), *(["shared"] if shared else [])]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


def content(path: Path) -> dict[str, Any]:
    group = zarr.open_group(str(path), mode="r")
    kept = {key: value for key, value in group.attrs.items() if "provenance" not in key}
    return {**{name: np.asarray(array) for name, array in group.arrays()}, "attributes": kept}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys() and found["attributes"] == expected["attributes"]
    for name in found.keys() - {"attributes"}:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def finished(result: Any) -> list[tuple[int, int]]:
    assert result.returncode == 0, result.stderr
    return [tuple(part) for part in eval(result.stdout.split("finished ")[1])]
