"""A model applied to one image of any size: overlapping tiles in batches, blended."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.training import InferenceSettings
from scan2seg.device import autocast, choose_device, choose_precision
from scan2seg.windows import cut_window, grid_windows


class Predictor:
    """A loaded model with its tiling; loaded once a process."""

    def __init__(
        self, checkpoint: Path, inference: dict[str, Any], device: str = "auto", precision: str = "auto"
    ) -> None:
        """Load the checkpoint.

        Args:
            checkpoint: the model's file.
            inference: resolved inference settings.
            device: auto, cpu or cuda.
            precision: auto, float32, bfloat16 or float16.

        Raises:
            InputError: the checkpoint cannot be read, or there is no such device.
        """
        self.device = choose_device(device)
        self.model, self.description = load_checkpoint(checkpoint, self.device)
        # thresholds and trees are exact in float32 and gain nothing from less
        fitted = hasattr(self.model.network, "fit")
        self.precision = "float32" if fitted else choose_precision(precision, self.device)
        self.model = self.model.to(memory_format=torch.channels_last)
        self.settings = InferenceSettings.model_validate(inference)
        self.classes: list[str] = list(self.description["classes"])
        self.neighbours = int(self.description["neighbours"])
        tile = self.settings.tile or tuple(self.description["patch_size"])
        self.tile: tuple[int, int] = (tile, tile) if isinstance(tile, int) else (int(tile[0]), int(tile[1]))
        self._weights = blending_weights(self.tile, self.settings.blend).to(self.device)

    def predict(self, image: NDArray[np.float32]) -> Tensor:
        """Return the probabilities (k, y, x) float32, on the model's device, of one image (c, y, x)."""
        height, width = image.shape[1:]
        stride = tuple(max(1, round(length * (1 - self.settings.overlap))) for length in self.tile)
        places = list(grid_windows((height, width), self.tile, (stride[0], stride[1])))
        pixels = torch.from_numpy(self._pad(image)).to(self.device)
        total = torch.zeros(len(self.classes), *pixels.shape[1:], device=self.device)
        weight = torch.zeros(pixels.shape[1:], device=self.device)
        step = self.settings.batch_size
        for start in range(0, len(places), step):
            batch = places[start : start + step]
            tiles = torch.stack([pixels[:, y : y + self.tile[0], x : x + self.tile[1]] for y, x in batch])
            for (y, x), probabilities in zip(batch, self.run(tiles), strict=True):
                window = (slice(y, y + self.tile[0]), slice(x, x + self.tile[1]))
                total[(slice(None), *window)] += probabilities * self._weights
                weight[window] += self._weights
        return (total / weight)[:, :height, :width]

    @torch.inference_mode()
    def run(self, tiles: Tensor) -> Tensor:
        """Return the probabilities (n, k, y, x) float32 of a batch of tiles (n, c, y, x)."""
        flips: list[list[int]] = [[], [2], [3], [2, 3]] if self.settings.flips else [[]]
        total: Tensor | None = None
        with autocast(self.device, self.precision):
            for axes in flips:
                logits = self.model(tiles.flip(axes).contiguous(memory_format=torch.channels_last)).flip(axes)
                probabilities = logits.float().softmax(dim=1)
                total = probabilities if total is None else total + probabilities
        assert total is not None
        return total / len(flips)

    def _pad(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (max(image.shape[1], self.tile[0]), max(image.shape[2], self.tile[1]))
        return np.ascontiguousarray(cut_window(image, (0, 0), size))


def blending_weights(tile: tuple[int, int], blend: str) -> Tensor:
    """Return the weight of each pixel of a tile (y, x): 1, or a Gaussian of an eighth of its size (nnU-Net)."""
    if blend == "constant":
        return torch.ones(tile)
    axes = []
    for length in tile:
        distance = torch.arange(length, dtype=torch.float32) - (length - 1) / 2
        axes.append(torch.exp(-0.5 * (distance / max(length / 8, 0.5)) ** 2))
    weights = axes[0][:, None] * axes[1][None, :]
    return weights.clamp_min(float(weights.max()) * 1e-3)
