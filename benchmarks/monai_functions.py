"""MONAI's Dice loss, sliding window and metrics against those of this package: the same numbers, and in what time?

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/monai_functions.py

A row a function: the largest difference of the results, and MONAI's processor seconds over ours (above 1: ours is
faster), medians of rounds in which the two take turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceLoss
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, get_confusion_matrix
from torch.nn import functional as F

from scan2seg import plugins
from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.evaluation.confusion import confusion_matrix
from scan2seg.evaluation.measures.surfaces import surface_distances
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation

CLASSES = 4
Pair = tuple[Callable[[], Any], Callable[[], Any]]


def make_labels(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draw labels of blobs: the class of the largest of smooth random fields."""
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, CLASSES, *(side // 8 for side in shape))))
    mode = "bilinear" if len(shape) == 2 else "trilinear"
    return F.interpolate(noise, size=shape, mode=mode)[0].argmax(0).numpy().astype(np.uint8)


def dice_loss(shape: tuple[int, ...]) -> Pair:
    """Loss and gradient of a batch of two, over the batch."""
    labels = torch.from_numpy(np.stack([make_labels(shape, seed) for seed in (0, 1)])).long()
    logits = torch.randn(2, CLASSES, *shape, generator=torch.Generator().manual_seed(0))
    module = plugins.load("losses", "dice")
    ours = module.build(module.Params(), None)
    theirs = DiceLoss(to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)

    def run(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], target: torch.Tensor) -> np.ndarray:
        given = logits.clone().requires_grad_()
        value = loss(given, target)
        value.backward()
        assert given.grad is not None
        return np.append(given.grad.numpy().ravel(), value.item())

    return lambda: run(ours, labels), lambda: run(theirs, labels[:, None])


def sliding_window(folder: Path, image: tuple[int, ...], tile: tuple[int, ...]) -> Pair:
    """Probabilities of one image by a small U-Net on overlapping tiles, blended by a Gaussian."""
    architecture = {"method": "unet", "encoder": None, "width": 8, "depth": 3}
    torch.manual_seed(0)
    model = SegmentationModel(Plugin("architectures").resolve(architecture), Normalisation(1), 1, CLASSES)
    names = [str(name) for name in range(CLASSES)]
    description = {"classes": names, "neighbours": 0, "patch_size": list(tile), "precision": "float32"}
    save_checkpoint(folder / "checkpoint.pt", model, description)
    predictor = Predictor(folder / "checkpoint.pt", InferenceSettings(precision="float32", batch_size=4, overlap=0.25))
    pixels = np.random.default_rng(0).normal(size=(1, *image)).astype(np.float32)

    @torch.inference_mode()
    def theirs() -> np.ndarray:
        found = sliding_window_inference(
            torch.from_numpy(pixels)[None],
            tile,
            4,
            lambda tiles: predictor.model(tiles.contiguous(memory_format=torch.channels_last)).softmax(1),
            overlap=0.25,
            mode="gaussian",
            sigma_scale=0.125,
        )
        return np.asarray(found[0])

    return lambda: predictor.predict(pixels).numpy(), theirs


def confusion(shape: tuple[int, ...]) -> Pair:
    """True positives, false positives and false negatives a class of one image."""
    truth, guess = make_labels(shape, 0), make_labels(shape, 1)

    def ours() -> np.ndarray:
        matrix = confusion_matrix(truth, guess, CLASSES)
        hits = np.diagonal(matrix)
        return np.stack([hits, matrix.sum(0) - hits, matrix.sum(1) - hits], 1)

    def theirs() -> np.ndarray:
        one_hot = [
            F.one_hot(torch.from_numpy(labels).long(), CLASSES).moveaxis(-1, 0)[None] for labels in (guess, truth)
        ]
        counts = get_confusion_matrix(one_hot[0], one_hot[1])[0].numpy()  # tp, fp, tn, fn a class
        return counts[:, [0, 1, 3]]

    return ours, theirs


def surfaces(shape: tuple[int, ...]) -> Pair:
    """Hausdorff 95 and average symmetric surface distance of every class but the first."""
    truth, guess = make_labels(shape, 0), make_labels(shape, 1)

    def ours() -> np.ndarray:
        found = [surface_distances(truth == label, guess == label) for label in range(1, CLASSES)]
        return np.array([[part.hausdorff(), part.average()] for part in found])

    def theirs() -> np.ndarray:
        masks = [F.one_hot(torch.from_numpy(labels).long(), CLASSES).moveaxis(-1, 0)[None] for labels in (guess, truth)]
        distances = compute_hausdorff_distance(*masks, percentile=95)[0]
        means = compute_average_surface_distance(*masks, symmetric=True)[0]
        return torch.stack([distances, means], 1).numpy()

    return ours, theirs


def main() -> None:
    """Print a row a function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--divide", type=int, default=1, help="all sides by so many, for a quick look")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)

    def shape(*sides: int) -> tuple[int, ...]:
        return tuple(side // given.divide for side in sides)

    with tempfile.TemporaryDirectory() as folder:
        rows = {
            "Dice loss and gradient, 2 x 512 x 512": dice_loss(shape(512, 512)),
            "Dice loss and gradient, 2 x 48 x 96 x 96": dice_loss(shape(48, 96, 96)),
            "sliding window, 992 x 1088 in tiles of 128": sliding_window(
                Path(folder), shape(992, 1088), shape(128, 128)
            ),
            "confusion counts, 1024 x 1024": confusion(shape(1024, 1024)),
            "surface distances, 512 x 512": surfaces(shape(512, 512)),
            "surface distances, 48 x 64 x 64": surfaces(shape(48, 64, 64)),
        }
        print("| function | largest difference | MONAI's time / ours |")
        print("|---|---|---|")
        for name, pair in rows.items():
            difference = np.nanmax(np.abs(np.asarray(pair[0](), np.float64) - np.asarray(pair[1](), np.float64)))
            times: list[list[float]] = [[], []]
            for _ in range(given.rounds):
                for place, run in enumerate(pair):
                    start = time.process_time()
                    run()
                    times[place].append(time.process_time() - start)
            print(f"| {name} | {difference:.2g} | {statistics.median(times[1]) / statistics.median(times[0]):.2f} |")


if __name__ == "__main__":
    main()
