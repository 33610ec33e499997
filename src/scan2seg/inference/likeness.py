"""Whether what a model is given looks as the images that it was trained on, by what travels with its checkpoint."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scan2seg.appearance import MEASURES, compare_appearance, compare_pixel_size, cut_windows
from scan2seg.inference.tiling import Predictor
from scan2seg.network_features import compare_features

SAMPLE_SLICES = 5
"""Of a volume, whose looks are compared with those of the training images."""


def compare_with_training(
    images: Sequence[NDArray[np.float32]], pixel_size: float | None, predictor: Predictor
) -> list[str]:
    """Say in what images are unlike the training images, with numbers: pixels, grey values, and what the network sees.

    Args:
        images: some of them, (c, y, x).
        pixel_size: the edge of a pixel as it is read, in micrometres; None where it is not known.
        predictor: the model.
    """
    model, description = predictor.model, predictor.description
    # level, spread and noise are taken off, or divided by, before such a model sees them
    judged = ("scale",) if model.normalisation.per_image else MEASURES
    unlike = compare_pixel_size(pixel_size, description.get("pixel_size"))
    size = description["patch_size"][-2:]
    if "appearance" in description:
        unlike += compare_appearance(images, description["appearance"], size, judged)
    windows = (window for image in images for window in cut_windows(image, size))
    return unlike + compare_features(model, windows, description.get("features"))
