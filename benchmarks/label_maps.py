"""Distances and border weights of a training step: made anew, and kept from a step before.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/label_maps.py

16 patches of 512 x 512 with three classes, flipped and turned otherwise in every step; medians of processor seconds.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from scan2seg.config.recipe import Recipe
from scan2seg.losses import boundary
from scan2seg.training.module import _build_weighting
from scan2seg.weighting import unet_border


def make_labels(size: int) -> torch.Tensor:
    """Draw labels of blobs."""
    noise = torch.randn(16, 3, size // 16, size // 16, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=(size, size), mode="bilinear").argmax(1).to(torch.uint8)


def time_steps(work: Callable[[torch.Tensor], object], size: int, steps: int) -> list[float]:
    """Return the processor seconds of each step."""
    labels, seconds = make_labels(size), []
    for step in range(steps):
        turned = labels.rot90(step % 4, (-2, -1)).contiguous()
        started = time.process_time()
        work(turned)
        seconds.append(time.process_time() - started)
    return seconds


def main() -> None:
    """Print a row a map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="edge of the patches in pixels")
    parser.add_argument("--steps", type=int, default=8, help="at least 2: the first of those that are kept makes them")
    given = parser.parse_args()
    torch.set_num_threads(1)
    logits = torch.randn(16, 3, given.size, given.size)
    recipe = Recipe.model_validate({"architecture": "otsu", "weighting": ["unet_border"]})
    kept_loss, kept_weights = boundary.build(boundary.Params(), None), _build_weighting(recipe.weighting[0])
    rows: dict[str, tuple[Callable[[torch.Tensor], object], Callable[[torch.Tensor], object]]] = {
        "boundary loss": (
            lambda labels: boundary.build(boundary.Params(), None)(logits, labels.long(), None),
            lambda labels: kept_loss(logits, labels.long(), None),
        ),
        "border weights": (lambda labels: unet_border.weigh(unet_border.Params(), labels), kept_weights),
    }
    for name, (anew, kept) in rows.items():
        before = statistics.median(time_steps(anew, given.size, given.steps))
        after = statistics.median(time_steps(kept, given.size, given.steps)[1:])
        print(f"{name:16} anew {before:.3f} s  kept {after:.3f} s  {before / after:.1f} x")


if __name__ == "__main__":
    main()
