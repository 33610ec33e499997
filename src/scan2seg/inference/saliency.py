"""Saliency: how much each input pixel moves the prediction (Simonyan et al. 2014, arXiv:1312.6034)."""

from pathlib import Path

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from scan2seg.config.training import InferenceSettings
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info
from scan2seg.places import evenly
from scan2seg.precision import FLOAT32
from scan2seg.provenance import record
from scan2seg.slices import StackImages, find_runs, list_volumes, read_slab
from scan2seg.storage import create_array, creating, open_store, read_json
from scan2seg.windows import cut_window


def map_saliency(stack: Path, split: Path, checkpoint: Path, output: Path, count: int = 4) -> None:
    """Write ``map`` (m, y, x) float32: the absolute input gradient of the winning logits, largest channel.

    The centre of each image, as large as a tile, is mapped; ``origin`` (m, 2) says where it lies and ``index``
    (m,) in which image. A network on volumes sees the slices around the image; the map is the image's own plane. A
    classical model has no gradient: its maps are zero.

    Args:
        stack: the images.
        split: split.json; evenly chosen test images are mapped.
        checkpoint: the trained model.
        output: the Zarr store to write.
        count: how many images.
    """
    predictor = Predictor(checkpoint, InferenceSettings(), precision="float32")
    store = open_store(stack)
    tests = read_json(split)["test"]
    chosen = [tests[place] for place in evenly(len(tests), count)]
    with creating(output) as group:
        target = create_array(group, "map", (len(chosen), *predictor.tile[1:]), "float32", axes="myx")
        origins = np.zeros((len(chosen), 2), np.int32)
        for place, index in enumerate(chosen):
            slab, middle = _read_around(store, index, predictor)
            origins[place] = [max(0, (slab.shape[axis] - predictor.tile[axis - 1]) // 2) for axis in (2, 3)]
            window = cut_window(slab, (0, *(int(start) for start in origins[place])), predictor.tile)
            target[place] = gradient_map(predictor, np.ascontiguousarray(window))[middle]
        for name, values in (("origin", origins), ("index", np.asarray(chosen, np.int64))):
            array = group.create_array(name, shape=values.shape, dtype=values.dtype)
            array[:] = values
        group.attrs.update({"provenance": record({"count": count}, [stack, checkpoint])})
    info("%d maps", len(chosen))


def _read_around(store: zarr.Group, index: int, predictor: Predictor) -> tuple[NDArray[np.float32], int]:
    """Read an image with the slices that a tile holds around it, (c, z, y, x); return its place among them too."""
    depth = predictor.tile[0]
    ((_, volume),) = find_runs(list_volumes(store), [index])
    first = max(volume.start, min(index - depth // 2, volume.stop - depth))
    slices = range(first, min(first + depth, volume.stop))

    stack = StackImages(store)

    def read(images: range) -> NDArray[np.float32]:
        return read_slab(stack, images, predictor.neighbours, volume)

    return predictor.normalise(read(slices), read, volume), index - first


def gradient_map(predictor: Predictor, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the absolute gradient (z, y, x) of the sum of each pixel's largest logit for a tile (c, z, y, x)."""
    pixels = torch.from_numpy(tile)[None].to(predictor.device).requires_grad_()
    logits = predictor.logits(pixels, FLOAT32)
    if not logits.requires_grad:
        return np.zeros(tile.shape[1:], np.float32)
    (gradient,) = torch.autograd.grad(logits.max(dim=1).values.sum(), pixels)
    found: NDArray[np.float32] = gradient[0].abs().amax(dim=0).cpu().numpy()
    return found
