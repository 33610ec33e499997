"""What a network sees in images, to tell new images in which it sees something else than in those it was trained on.

The features are what the layer that decides the classes is given, averaged over a window. The distance of a window is
the root mean square, over the features, of how many standard deviations of the training windows it lies from their
mean. New images are unlike the training images where three quarters of their windows are further away than 98 % of the
training windows: some may always be, since what a window holds depends on where it lies, as at a specimen's edge.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scan2seg.architectures.any_size import head_channels
from scan2seg.checkpoint import SegmentationModel
from scan2seg.documents import Json
from scan2seg.standardisation import standardise_alone

_USUAL = 98
"""Per cent of the training windows."""
_NEAREST = 25
"""Per cent of the new windows, the nearest, that may be alike though the images are not."""
_LEAST = 0.01
"""Of the largest standard deviation of a feature: those that hardly change in training are no measure of anything."""


def describe_features(model: SegmentationModel, windows: Iterable[NDArray[np.float32]]) -> Json | None:
    """Return mean and standard deviation of the features of windows (c, y, x), and the usual distance.

    None for models on volumes, and for models without layers.
    """
    seen = list(_see(model, windows))
    if not seen:
        return None
    values = np.stack(seen)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    found = {"mean": mean.tolist(), "deviation": np.maximum(deviation, _LEAST * deviation.max(initial=0)).tolist()}
    distances = [_distance(value, found) for value in values]
    return {**found, "usual_distance": float(np.percentile(distances, _USUAL))}


def compare_features(
    model: SegmentationModel, windows: Iterable[NDArray[np.float32]], trained: Json | None
) -> list[str]:
    """Say that a network sees something else in windows (c, y, x) of new images than in training, with numbers."""
    if trained is None:
        return []
    distance = float(np.percentile([_distance(value, trained) for value in _see(model, windows)], _NEAREST))
    usual = float(trained["usual_distance"])
    if distance <= usual:
        return []
    return [
        f"the network's features lie {distance:.3g} deviations from those in training, where up to {usual:.3g} is usual"
    ]


def _distance(value: NDArray[np.float64], trained: Json) -> float:
    deviation = np.asarray(trained["deviation"])
    parts = (value - trained["mean"]) / np.where(deviation > 0, deviation, 1)
    return float(np.sqrt(np.mean(parts**2)))


def _see(model: SegmentationModel, windows: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float64]]:
    """Yield the features (n,) of windows (c, y, x), in float32; nothing of a model that has no such layer.

    The layer that decides the classes is the last to be called of those with as many outputs as that needs: networks
    that learn under deep supervision have others, which rest afterwards.
    """
    outputs = head_channels(model.architecture.get("output", "softmax"), model.classes)
    layers = [layer for layer in model.network.modules() if _count_outputs(layer) == outputs]
    seen: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach())) for layer in layers]
    try:
        for window in windows if layers and model.dimensions == 2 else ():
            seen.clear()
            _run(model.eval(), window)
            if not seen:
                return
            features = seen[-1].float()
            axes = [axis for axis in range(features.ndim) if axis != 1]
            yield features.mean(dim=axes).cpu().numpy().astype(np.float64)
    finally:
        for hook in hooks:
            hook.remove()


def _count_outputs(layer: nn.Module) -> int | None:
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.out_channels if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) else None


@torch.inference_mode()
def _run(model: SegmentationModel, window: NDArray[np.float32]) -> None:
    image = window
    if model.normalisation.per_image:
        image = standardise_alone(window[:, None])[:, 0]
    model(torch.from_numpy(np.ascontiguousarray(image, np.float32))[None].to(model.normalisation.shift.device))
