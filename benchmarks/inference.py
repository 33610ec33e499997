"""Pixels a second of prediction, end to end: against the bare model, and against MONAI's sliding window.

    PYTHONPATH=src python benchmarks/inference.py                            # two threads
    PYTHONPATH=src python benchmarks/inference.py --threads 1 --processor    # on a busy machine: processor seconds
    PYTHONPATH=src python benchmarks/inference.py --memory                   # peak memory instead

"End to end" is what predict_stack does once the model is loaded: from the stack on disk to labels on disk. "Bare
model" is the forward pass alone on whole images in memory, one at a time, in the same precision: it computes each
pixel once. MONAI's SlidingWindowInferer has tiles of the size of training, its default overlap, 0.25, and blends by a
Gaussian, from images in memory to labels in memory, in the same precision and batches. "whole" is what a plan of
inference mostly takes. On processors "openvino" is ours with OpenVINO in place of torch, which a plan tries too. All
take turns; figures are medians over the rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.continuation import continuing
from scan2seg.device import autocast, set_threads, synchronise
from scan2seg.inference.prediction import predict_images
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation
from scan2seg.storage import create_array, creating, open_store, write_json

UNET, DEEP = {"method": "unet", "encoder": "resnet18"}, {"method": "unet", "encoder": "resnet50"}
CASES = [
    ("U-Net, ResNet-18, 1024 x 1024, tiles of 512", UNET, (1024, 1024), 512, {}, 4),
    ("U-Net, ResNet-18, 1024 x 1024, tiles of 128", UNET, (1024, 1024), 128, {}, 4),
    ("U-Net, ResNet-18, 1024 x 1024, whole", UNET, (1024, 1024), 512, {"tile": 1024}, 4),
    ("U-Net, ResNet-50, 792 x 774, whole", DEEP, (792, 774), 512, {"tile": [792, 774]}, 4),
]


def write_model(path: Path, architecture: dict[str, Any], patch: int, classes: int = 4) -> None:
    """Save an untrained model; its speed is that of a trained one."""
    torch.manual_seed(0)
    model = SegmentationModel(Plugin("architectures").resolve(architecture), Normalisation(1), 1, classes)
    names = [str(name) for name in range(classes)]
    save_checkpoint(path, model.eval(), {"classes": names, "neighbours": 0, "patch_size": [patch, patch]})


def write_stack(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write a stack of noise, one group, all of it test images."""
    with creating(folder / "stack.zarr") as group:
        image = create_array(group, "image", (count, 1, *size), "float32")
        generator, step = np.random.default_rng(0), (image.shards or image.chunks)[0]
        for start in range(0, count, step):
            shape = (min(step, count - start), 1, *size)
            image[start : start + step] = generator.standard_normal(shape, np.float32)
        group.create_array("size", data=np.array([size] * count, np.int32))
        group.attrs.update({"groups": ["g"] * count, "names": [str(index) for index in range(count)]})
    write_json(folder / "split.json", {"train": [], "validation": [], "test": list(range(count))})


def take_turns(
    work: dict[str, Callable[[], object]], device: str, clock: Callable[[], float], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each in every round but the first, which warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 + rounds):
        for name, run in work.items():
            synchronise(device)
            started = clock()
            run()
            synchronise(device)
            seconds[name].append(clock() - started)
    return {name: found[1:] for name, found in seconds.items()}


def measure(case: tuple[Any, ...], clock: Callable[[], float], rounds: int) -> dict[str, float]:
    """Measure one case; return the ratios and the seconds of an image."""
    from monai.inferers import SlidingWindowInferer

    _, architecture, size, patch, inference, count = case
    settings = InferenceSettings.model_validate({"batch_size": 4, **inference})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "checkpoint.pt", architecture, patch)
        write_stack(folder, count, size)
        predictor = Predictor(folder / "checkpoint.pt", settings)
        images = torch.randn(count, 1, *size)
        predictor.run(images[:1, :, None, :64, :64].to(predictor.device))  # decides on the precision
        precision = predictor.decision.precision
        window = SlidingWindowInferer((patch, patch), 4, mode="gaussian", sigma_scale=0.125)

        def network(tiles: torch.Tensor) -> torch.Tensor:
            return predictor.model(tiles.contiguous(memory_format=torch.channels_last))

        @torch.inference_mode()
        def bare() -> None:
            with autocast(predictor.device, precision):
                for image in images.to(predictor.device):
                    network(image[None])

        @torch.inference_mode()
        def monai() -> None:
            with autocast(predictor.device, precision):
                for image in images.to(predictor.device):
                    window(image[None], lambda tiles: network(tiles).float().softmax(1)).argmax(1).cpu()

        def ours(predictor: Predictor) -> None:
            with continuing(folder / "prediction.zarr", [], []) as unfinished:
                predict_images(open_store(folder / "stack.zarr"), list(range(count)), unfinished, predictor)

        work = {"bare": bare, "monai": monai, "ours": partial(ours, predictor)}
        if predictor.device == "cpu":
            work["openvino"] = partial(
                ours, predictor.with_settings(settings.model_copy(update={"runtime": "openvino"}))
            )
        found = take_turns(work, predictor.device, clock, rounds)
        rows, columns = predictor.fit_plane(*size)
        computed = len(rows.starts) * rows.seen * len(columns.starts) * columns.seen / (size[0] * size[1])
    figures = {"computed": computed}
    for mine in ("ours", "openvino"):
        for theirs in ("bare", "monai") if mine in found else ():
            pairs = zip(found[theirs], found[mine], strict=True)
            figures[f"{mine} x {theirs}"] = statistics.median(their / my for their, my in pairs)
    figures["model's share"] = figures["ours x bare"] * computed
    seconds = {f"{name} s an image": statistics.median(found[name]) / count for name in found if name != "monai"}
    return {**figures, **seconds}


def measure_memory(count: int, classes: int, side: int, probabilities: bool) -> float:
    """Return the peak memory in MB of a process of its own that predicts so many images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "checkpoint.pt", {"method": "unet", "encoder": None, "width": 4, "depth": 2}, 128, classes)
        write_stack(folder, count, (side, side))
        script = (
            "import sys, json; from pathlib import Path; from scan2seg.inference.prediction import predict_stack\n"
            "from scan2seg.config.training import InferenceSettings; from scan2seg.device import peak_memory\n"
            "f = Path(sys.argv[1]); s = InferenceSettings(probabilities=json.loads(sys.argv[2]), precision='float32')\n"
            "predict_stack(f / 'stack.zarr', f / 'split.json', f / 'checkpoint.pt', f / 'p.zarr', s)\n"
            "print(peak_memory('cpu'))"
        )
        command = [sys.executable, "-c", script, str(folder), json.dumps(probabilities)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]) / 1e6


def main() -> None:
    """Print a row a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor", action="store_true", help="processor seconds instead of the clock's")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--case", type=int, help="only one of the cases, from 0")
    parser.add_argument("--size", type=int, help="edge of the images in pixels, in place of the cases' own")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    if arguments.memory:
        for count, classes, side, kept in (
            (64, 2, 256, False), (512, 2, 256, False), (64, 2, 256, True), (512, 2, 256, True),
            (2, 2, 2048, False), (2, 16, 2048, False), (2, 64, 2048, False),
        ):  # fmt: skip
            megabytes = measure_memory(count, classes, side, kept)
            what = f"{count} images of {side} x {side}, {classes} classes{', probabilities kept' * kept}"
            print(f"{what:70} {megabytes:7.0f} MB", flush=True)
        return
    for number, case in enumerate(CASES):
        if arguments.case in (None, number):
            name, architecture, size, *rest = case
            size = (arguments.size, arguments.size) if arguments.size else size
            clock = time.process_time if arguments.processor else time.perf_counter
            figures = measure((name, architecture, size, *rest), clock, arguments.rounds)
            print(f"{name:45}", *(f"{name} {value:.2f}" for name, value in figures.items()), sep="  ", flush=True)


if __name__ == "__main__":
    main()
