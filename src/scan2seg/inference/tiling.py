"""A model applied to images and volumes of any size: overlapping tiles in batches, blended."""

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.config.training import InferenceSettings
from scan2seg.inference.blending import blending_weights, move_up
from scan2seg.inference.loaded_model import LoadedModel
from scan2seg.inference.tile_grid import Axis, fit_axis
from scan2seg.standardisation import measure_images, standardise, standardise_alone
from scan2seg.windows import cut_window

Reader = Callable[[range], NDArray[np.float32]]
"""Reads consecutive slices of a volume as a slab (c, z, y, x)."""


class Predictor(LoadedModel):
    """A loaded model with its tiling.

    ``tile`` is the size that is asked for; how large the tiles of an image are depends on its size, see
    ``tile_grid.fit_axis``.
    """

    def _configure(self, inference: InferenceSettings, precision: str | None) -> None:
        super()._configure(inference, precision)
        *depth, height, width = (int(length) for length in self.description["patch_size"])
        tile = self.settings.tile or (height, width)
        plane = (tile, tile) if isinstance(tile, int) else tile
        self.tile: tuple[int, int, int] = (depth[0] if depth else 1, *plane)
        self._patch = (self.tile[0], height, width)
        self._statistics: dict[range, NDArray[np.float32]] = {}
        self._flat: dict[tuple[float, ...], Tensor] = {}
        """The probabilities of the last tile of one value."""

    def predict(self, image: NDArray[np.float32]) -> Tensor:
        """Return the probabilities (k, *spatial) of one image (c, y, x) or volume (c, z, y, x) that is in memory."""
        volume = image.reshape(image.shape[0], -1, *image.shape[-2:])
        slices = range(volume.shape[1])
        self.forget_volumes()
        found = list(self.walk(lambda images: volume[:, images.start : images.stop], slices, slices))
        whole = torch.stack(found, dim=1) if len(found) > 1 else found[0]
        return whole.reshape(-1, *image.shape[1:])

    def walk(
        self, read: Reader, wanted: range, volume: range, finish: Callable[[Tensor], Tensor] = torch.clone
    ) -> Iterator[Tensor]:
        """Yield the probabilities (k, y, x) float32, on the model's device, of slices of a volume, in order.

        Slabs as deep as a tile overlap and are blended; their places depend on the volume alone, so that the result
        does not depend on which of its slices are wanted at a time. In memory are one slab, the sums of a row of tiles,
        and of networks on volumes the sums of the slices where two slabs overlap.

        Args:
            read: reads slices, also such that are not wanted: they are what the others are seen with.
            wanted: slices to predict.
            volume: all slices of the volume.
            finish: what is kept of each band of rows (k, rows, x), such as its labels (rows, x), and yielded instead.
                The band itself is overwritten.
        """
        starts, depth = self._find_slabs(wanted, volume)
        before: list[tuple[Tensor, Tensor]] = []
        for start, following in zip(starts, [*starts[1:], wanted.stop], strict=True):
            slab = self.normalise(read(range(start, start + depth)), read, volume)
            done = range(max(start, wanted.start) - start, min(following, wanted.stop) - start)
            finished: list[list[Tensor]] = []
            rest: list[tuple[Tensor, Tensor]] = []
            for number, (total, weight) in enumerate(self._sum_bands(slab)):
                if before:
                    total[:, : before[number][0].shape[1]] += before[number][0]
                    weight[: before[number][1].shape[0]] += before[number][1]
                finished.append([finish(total[:, place].div_(weight[place])) for place in done])
                rest.append((total[:, following - start :].clone(), weight[following - start :].clone()))
            before = rest
            yield from (torch.cat(bands, dim=-2) for bands in zip(*finished, strict=True))

    def _find_slabs(self, wanted: range, volume: range) -> tuple[list[int], int]:
        """Return where the slabs begin that hold any of the wanted slices of a volume, and how deep they are."""
        slabs = self._fit_axis(len(volume), 0)
        starts = [volume.start + start for start in slabs.starts]
        return [start for start in starts if start < wanted.stop and start + slabs.tile > wanted.start], slabs.tile

    def find_seen(self, wanted: range, volume: range) -> range:
        """Return the slices of a volume that ``walk`` reads for those that are wanted, neighbours included."""
        starts, depth = self._find_slabs(wanted, volume)
        first, last = starts[0] - self.neighbours, starts[-1] + depth + self.neighbours
        return range(max(first, volume.start), min(last, volume.stop))

    def walk_labels(self, read: Reader, wanted: range, volume: range) -> Iterator[NDArray[np.uint8]]:
        """Yield the classes (y, x) of slices of a volume, in order, without the probabilities of a whole image."""
        walk = self.walk(read, wanted, volume, lambda found: choose_classes(found).cpu())
        return (labels.numpy() for labels in walk)

    def forget_volumes(self) -> None:
        """Forget what was measured of volumes: those to come are others, though their slices may be counted alike."""
        self._statistics.clear()

    def normalise(self, slab: NDArray[np.float32], read: Reader, volume: range) -> NDArray[np.float32]:
        """Return a slab as the model takes it: with ``normalisation: per_image`` by its own mean and deviation.

        They are those of the whole image, for networks on volumes of the whole volume, which is measured once.
        """
        if not self.model.normalisation.per_image:
            return slab
        if self.model.dimensions == 2:
            return standardise_alone(slab)
        with self._lock:
            if volume not in self._statistics:
                self._statistics[volume] = measure_images(read, volume)
        return standardise(slab, self._statistics[volume])

    def _run_flat_once(self, tiles: Tensor) -> Tensor:
        """Do what ``run`` does, but tiles of one value, as outside a circular mask, once a value and size."""
        flat = (tiles == tiles[..., :1, :1, :1]).flatten(1).all(dim=1)
        if self.undecided or not flat.any():
            return self.run(tiles)
        found = torch.empty(len(tiles), len(self.classes), *tiles.shape[2:], device=tiles.device)
        if not flat.all():
            found[~flat] = self.run(tiles[~flat])
        for place in torch.nonzero(flat).flatten().tolist():
            key = (*tiles[place, :, 0, 0, 0].tolist(), *tiles.shape[2:])
            if key not in self._flat:
                self._flat = {key: self.run(tiles[place : place + 1])[0]}
            found[place] = self._flat[key]
        return found

    def cut(self, slab: NDArray[np.float32]) -> Iterator[tuple[list[tuple[slice, ...]], Tensor]]:
        """Yield the tiles (n, c, z, y, x) of a slab (c, z, y, x) in batches, on the device, with their places.

        Along an axis that is shorter than a patch of the training, tiles go on beyond their place as patches did.
        """
        depth, rows, columns = (self._fit_axis(length, axis) for axis, length in enumerate(slab.shape[1:]))
        origins = list(product(rows.starts, columns.starts))
        size = [axis.starts[-1] + axis.seen for axis in (depth, rows, columns)]
        pixels = torch.from_numpy(np.ascontiguousarray(cut_window(slab, (0, 0, 0), size))).to(self.device)
        step = self.settings.batch_size
        for start in range(0, len(origins), step):
            batch = origins[start : start + step]
            seen = [pixels[..., row : row + rows.seen, column : column + columns.seen] for row, column in batch]
            yield (
                [
                    (slice(None), slice(row, row + rows.tile), slice(column, column + columns.tile))
                    for row, column in batch
                ],
                torch.stack(seen),
            )

    def _sum_bands(self, slab: NDArray[np.float32]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the weighted sums (k, z, rows, x) of the probabilities of the tiles of a slab, and of the weights.

        They come in bands of rows from the top, those that no later tile reaches, and hold until the next is asked for.
        """
        rows, _ = self.fit_plane(*slab.shape[2:])
        size = (slab.shape[1], rows.tile, slab.shape[3])
        total, weight = self._zeros(len(self.classes), *size), self._zeros(*size)
        top = 0
        for windows, tiles in self.cut(slab):
            size = (slab.shape[1], *(window.stop - window.start for window in windows[0][1:]))
            weights = blending_weights(size, self.settings.blend, self.device)
            with self._lock:
                found = self._run_flat_once(tiles)[..., : size[0], : size[1], : size[2]]
            for (_, down, across), probabilities in zip(windows, found, strict=True):
                if down.start > top:
                    done, top = down.start - top, down.start
                    yield total[:, :, :done], weight[:, :done]
                    move_up(total, done)
                    move_up(weight, done)
                total[..., across].addcmul_(probabilities, weights)
                weight[..., across] += weights
        yield total, weight

    def _zeros(self, *size: int) -> Tensor:
        return torch.zeros(size, device=self.device)

    def fit_plane(self, height: int, width: int) -> tuple[Axis, Axis]:
        """Return the tiles along the rows and along the columns of images of a size."""
        return self._fit_axis(height, 1), self._fit_axis(width, 2)

    def _fit_axis(self, length: int, axis: int) -> Axis:
        """Return the tiles along an axis; slabs are never deeper than asked, for they are what is in memory."""
        tile, overlap, stride = self.tile[axis], self.settings.overlap, self.model.stride
        least = self._patch[axis]
        if axis == 0:
            return fit_axis(length, tile, overlap, math.gcd(tile, stride), stretch=1.0, least=least)
        return fit_axis(length, tile, overlap, stride, least=least)


def choose_classes(probabilities: Tensor) -> Tensor:
    """Return the most probable class (*spatial) uint8 of (k, *spatial), the first of equal ones."""
    # torch's argmax over classes that do not lie beside each other takes 7 to 17 times as long for up to four
    return probabilities.max(dim=0).indices.to(torch.uint8)
