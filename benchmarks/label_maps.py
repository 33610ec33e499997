"""Distances and border weights of a training step: made anew, and kept from a step before.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/label_maps.py

16 patches of 512 x 512 with three classes, flipped and turned otherwise in every step; medians of processor seconds.
"""

import statistics
import time
from collections.abc import Callable

import torch

from scan2seg.config.recipe import Recipe
from scan2seg.losses import boundary
from scan2seg.training.module import _build_weighting
from scan2seg.weighting import unet_border

STEPS = 8


def make_labels() -> torch.Tensor:
    """Draw labels of blobs."""
    noise = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=(512, 512), mode="bilinear").argmax(1).to(torch.uint8)


def time_steps(work: Callable[[torch.Tensor], object]) -> list[float]:
    """Return the processor seconds of each step."""
    labels, seconds = make_labels(), []
    for step in range(STEPS):
        turned = labels.rot90(step % 4, (-2, -1)).contiguous()
        started = time.process_time()
        work(turned)
        seconds.append(time.process_time() - started)
    return seconds


def main() -> None:
    """Print a row a map."""
    torch.set_num_threads(1)
    logits = torch.randn(16, 3, 512, 512)
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
        before, after = statistics.median(time_steps(anew)), statistics.median(time_steps(kept)[1:])
        print(f"{name:16} anew {before:.3f} s  kept {after:.3f} s  {before / after:.1f} x")


if __name__ == "__main__":
    main()
