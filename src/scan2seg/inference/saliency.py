"""Saliency: how much each input pixel moves the prediction (Simonyan et al. 2014, arXiv:1312.6034)."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info
from scan2seg.provenance import record
from scan2seg.slices import read_slices
from scan2seg.storage import create_array, creating, open_store, read_json
from scan2seg.windows import cut_window


def map_saliency(stack: Path, split: Path, checkpoint: Path, output: Path, count: int = 4) -> None:
    """Write ``map`` (m, y, x) float32: the absolute input gradient of the winning logits, largest channel.

    The centre of each image, as large as a tile, is mapped; ``origin`` (m, 2) says where it lies and ``index``
    (m,) in which image. A classical model has no gradient: its maps are zero.

    Args:
        stack: the images.
        split: split.json; evenly chosen test images are mapped.
        checkpoint: the trained model.
        output: the Zarr store to write.
        count: how many images.
    """
    predictor = Predictor(checkpoint, {}, precision="float32")
    store = open_store(stack)
    tests = read_json(split)["test"]
    chosen = [tests[int(place)] for place in np.linspace(0, len(tests) - 1, min(count, len(tests))).round()]
    with creating(output) as group:
        target = create_array(group, "map", (len(chosen), *predictor.tile), "float32", axes="myx")
        origins = np.zeros((len(chosen), 2), np.int32)
        for place, index in enumerate(chosen):
            image = read_slices(store, index, predictor.neighbours)
            origins[place] = [max(0, (image.shape[axis + 1] - predictor.tile[axis]) // 2) for axis in (0, 1)]
            window = cut_window(image, (int(origins[place, 0]), int(origins[place, 1])), predictor.tile)
            target[place] = gradient_map(predictor, np.ascontiguousarray(window))
        for name, values in (("origin", origins), ("index", np.asarray(chosen, np.int64))):
            array = group.create_array(name, shape=values.shape, dtype=values.dtype)
            array[:] = values
        group.attrs.update({"provenance": record({"count": count}, [stack, checkpoint])})
    info("%d maps", len(chosen))


def gradient_map(predictor: Predictor, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the absolute gradient (y, x) of the sum of each pixel's largest logit for an image (c, y, x)."""
    pixels = torch.from_numpy(image)[None].to(predictor.device).requires_grad_()
    logits = predictor.model(pixels)
    if not logits.requires_grad:
        return np.zeros(image.shape[1:], np.float32)
    logits.max(dim=1).values.sum().backward()
    assert pixels.grad is not None
    gradient: NDArray[np.float32] = pixels.grad[0].abs().amax(dim=0).cpu().numpy()
    return gradient
