"""What a network sees in images, to tell new images in which it sees something else than in those it was trained on.

The features are what the layer that decides the classes is given, averaged over a window. The distance of a window is
the root mean square, over the features, of how many standard deviations of the training windows it lies from their
mean. New images are unlike the training images where the median distance of their windows is beyond that of 98 % of the
training windows.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scan2seg.checkpoint import SegmentationModel
from scan2seg.documents import Json
from scan2seg.normalisation import measure_images, standardise

_USUAL = 98
"""Per cent of the training windows."""
_LEAST = 0.01
"""Of the largest standard deviation of a feature: those that hardly change in training are no measure of anything."""
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def describe_features(model: SegmentationModel, windows: Iterable[NDArray[np.float32]]) -> Json | None:
    """Return mean and standard deviation of the features of windows (c, y, x), and the usual distance.

    None for models on volumes, and for models without layers.
    """
    layer = _find_last_layer(model)
    if layer is None:
        return None
    values = np.stack([_see(model, layer, window) for window in windows])
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    found = {"mean": mean.tolist(), "deviation": np.maximum(deviation, _LEAST * deviation.max(initial=0)).tolist()}
    distances = [_distance(value, found) for value in values]
    return {**found, "usual_distance": float(np.percentile(distances, _USUAL))}


def compare_features(
    model: SegmentationModel, windows: Iterable[NDArray[np.float32]], trained: Json | None
) -> list[str]:
    """Say that a network sees something else in windows (c, y, x) of new images than in training, with numbers."""
    layer = _find_last_layer(model)
    if trained is None or layer is None:
        return []
    distance = float(np.median([_distance(_see(model, layer, window), trained) for window in windows]))
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


def _find_last_layer(model: SegmentationModel) -> nn.Module | None:
    """Return the layer that gives the classes: the last with as many outputs as there are."""
    if model.dimensions != 2:
        return None
    found = None
    for layer in model.network.modules():
        if isinstance(layer, _LAYERS):
            count = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            found = layer if count == model.classes else found
    return found


@torch.inference_mode()
def _see(model: SegmentationModel, layer: nn.Module, window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the features (n,) of a window (c, y, x), in float32."""
    image = window
    if model.normalisation.per_image:
        image = standardise(window[:, None], measure_images(lambda _: window[:, None], range(1)))[:, 0]
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    try:
        model.eval()(torch.from_numpy(np.ascontiguousarray(image))[None].to(model.normalisation.shift.device))
    finally:
        hook.remove()
    features = seen[-1].float()
    axes = [axis for axis in range(features.ndim) if axis != 1]
    return features.mean(dim=axes).cpu().numpy().astype(np.float64)
