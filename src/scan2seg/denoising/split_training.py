"""Training and use of Noise2Inverse's network; needs numpy and torch alone.

Hendriksen, Pelt, Batenburg, "Noise2Inverse: self-supervised deep convolutional denoising for tomography", IEEE Trans.
Comput. Imaging 6 (2020) 1320. Reconstructions from disjoint sets of projections show the same specimen with
independent noise. A network that must predict one of them from the mean of the others can only learn the specimen.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Image = NDArray[np.float32]
Weights = dict[str, NDArray[np.float32]]

_SHRINKS = 2


class Network(nn.Module):
    """A small U-Net: neighbouring slices in, (n, slices, y, x), the correction to the middle one out, (n, 1, y, x)."""

    def __init__(self, slices: int, width: int) -> None:
        """Build it with ``width`` channels at full resolution."""
        super().__init__()
        widths = [width * 2**level for level in range(_SHRINKS + 1)]
        self.down = nn.ModuleList(
            _Convolutions(before, after) for before, after in zip([slices, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(_Convolutions(deep + fine, fine) for fine, deep in pairwise(widths))
        self.last = nn.Conv2d(width, 1, 1)
        # So that training begins with no correction at all.
        with torch.no_grad():
            for parameter in self.last.parameters():
                parameter.zero_()

    def forward(self, image: Tensor) -> Tensor:
        """Denoise the middle slice; height and width are multiples of 4."""
        kept: list[Tensor] = []
        features: Tensor = self.down[0](image)
        for level in list(self.down)[1:]:
            kept.append(features)
            features = level(functional.avg_pool2d(features, 2))
        for level in reversed(list(self.up)):
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = level(torch.cat([features, kept.pop()], dim=1))
        middle = image.shape[1] // 2
        correction: Tensor = self.last(features)
        return image[:, middle : middle + 1] + correction


class _Convolutions(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        layers = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1), nn.ReLU(inplace=True)]
        super().__init__(*layers)


def reach(slices: int) -> tuple[int, int, int]:
    """Return the reach (z, y, x) of the network in voxels."""
    lateral = sum(2 * 2**level for level in range(_SHRINKS + 1)) + sum(2 * 2**level for level in range(_SHRINKS))
    # Pooling aligns to multiples of the coarsest pixel.
    lateral += 2 * 2**_SHRINKS
    return (slices // 2, lateral, lateral)


def train(
    parts: Image,
    slices: int = 3,
    width: int = 16,
    steps: int = 600,
    crop: int = 64,
    batch: int = 8,
    learning_rate: float = 2e-3,
    seed: int = 0,
    device: str = "cpu",
    half_precision: bool = False,
) -> Weights:
    """Train a network on reconstructions from disjoint sets of projections.

    Args:
        parts: One reconstruction for each set of projections, finite, (part, z, y, x).
        slices: Number of neighbouring slices that the network sees, odd.
        width: Channels at full resolution.
        steps: Number of batches.
        crop: Edge of a training crop in pixels; ``batch`` of them are a batch.
        learning_rate: Highest rate of Adam; it rises for a tenth of the steps and falls to zero along a cosine.
        seed: Seed of the initial weights and of the crops.
        device: Of torch.
        half_precision: Whether convolutions compute in bfloat16; fast where the hardware has it.

    Returns:
        The weights by name, with the ``offset`` and ``scale`` of the values.
    """
    offset, scale = float(np.median(parts)), float(parts.std()) or 1.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(slices, width)
    network = network.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    rng = np.random.default_rng(seed)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    for step, (seen, target) in enumerate(_batches(parts, slices, crop, batch, steps, rng)):
        image, wanted = ((torch.from_numpy(array).to(device) - offset) / scale for array in (seen, target))
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half_precision):
            predicted = network(image.contiguous(memory_format=torch.channels_last))
        loss = functional.mse_loss(predicted.float(), wanted)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        _follow(average, network, step)
    weights = {name: value.cpu().numpy() for name, value in average.items()}
    return weights | {"offset": np.float32(offset), "scale": np.float32(scale)}


def _follow(average: dict[str, Tensor], network: Network, step: int) -> None:
    """Move the running mean of the weights, which is less noisy than the last weights are."""
    keep = min(0.99, step / (step + 10))
    for name, value in network.state_dict().items():
        average[name].lerp_(value, 1 - keep)


def apply(parts: Image, weights: Weights, device: str = "cpu", half_precision: bool = False) -> Image:
    """Denoise a block: the mean over all parts of what the network makes of the mean of the others.

    Args:
        parts: The block in each reconstruction, finite, (part, z, y, x).
        weights: What ``train`` returned.
        device: Of torch.
        half_precision: Whether convolutions compute in bfloat16.

    Returns:
        The denoised block, (z, y, x). Neighbours beyond its first and last slice are mirrored.
    """
    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}
    offset, scale = (float(tensors.pop(name)) for name in ("offset", "scale"))
    first = tensors["down.0.0.weight"]
    network = Network(first.shape[1], first.shape[0])
    network.load_state_dict(tensors)
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    count, depth, height, width = parts.shape
    coarsest = 2**_SHRINKS
    padding = ((0, -height % coarsest), (0, -width % coarsest))
    total = parts.sum(axis=0)
    result = np.zeros((depth, height, width), np.float32)
    for part in range(count):
        others = np.pad(((total - parts[part]) / (count - 1) - offset) / scale, ((0, 0), *padding), "edge")
        for z in range(depth):
            image = torch.from_numpy(others[_neighbours(z, first.shape[1], depth)][None]).to(device)
            with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16, half_precision):
                found = network(image.contiguous(memory_format=torch.channels_last))
            result[z] += found[0, 0, :height, :width].float().cpu().numpy() / count
    return result * np.float32(scale) + np.float32(offset)


def _neighbours(z: int, slices: int, depth: int) -> NDArray[np.int64]:
    """List the slices around z, mirrored beyond the first and the last."""
    near = np.abs(z + np.arange(slices) - slices // 2)
    return np.where(near < depth, near, 2 * depth - 2 - near).clip(0, depth - 1)


def _batches(
    parts: Image, slices: int, crop: int, batch: int, steps: int, rng: np.random.Generator
) -> Iterator[tuple[Image, Image]]:
    """Yield crops of the mean of all parts but one, with their neighbours, and of that one, turned and mirrored."""
    count, depth, height, width = parts.shape
    crop_y, crop_x = (min(crop, length) // 4 * 4 for length in (height, width))
    total = parts.sum(axis=0)
    for _ in range(steps):
        seen = np.empty((batch, slices, crop_y, crop_x), np.float32)
        target = np.empty((batch, 1, crop_y, crop_x), np.float32)
        for place in range(batch):
            part, z = rng.integers(count), rng.integers(depth)
            y, x = rng.integers(height - crop_y + 1), rng.integers(width - crop_x + 1)
            window = (slice(y, y + crop_y), slice(x, x + crop_x))
            near = _neighbours(int(z), slices, depth)
            others = (total[(near, *window)] - parts[(part, near, *window)]) / (count - 1)
            flip, transpose = rng.integers(1, 3, 2) * 2 - 3, crop_y == crop_x and rng.random() < 0.5
            for array, values in ((seen, others), (target, parts[(part, [z], *window)])):
                values = values[:, :: flip[0], :: flip[1]]
                array[place] = values.swapaxes(1, 2) if transpose else values
        yield seen, target
