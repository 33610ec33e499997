"""Denoises a reconstructed volume: all steps on one slab after the other, one read and one write of each voxel."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import logging, provenance, storage
from scan2seg.config.base import Chosen
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.pyramid import add_levels

Volume = NDArray[np.float32]
Source = list[zarr.Array[Any]]
Measured = Mapping[str, Any]
"""What a denoiser found in a sample, by names of its own: a noise level, or a trained network."""

_SAMPLE_SLICES = 8


@dataclass(frozen=True)
class Step:
    """One step of denoising, ready to run."""

    plugin: ModuleType
    params: Any
    measured: Measured

    def run(self, volume: Volume, threads: int) -> Volume:
        """Denoise a block (z, y, x)."""
        result: Volume = self.plugin.denoise(volume, self.params, self.measured, threads)
        return result


@dataclass(frozen=True)
class Slab:
    """A part of the volume with the slices around it that its denoising needs."""

    place: slice
    """The slices that are to be written."""
    block: Volume
    """These slices and those around them, all finite."""
    before: int
    """How many slices of the block come before the place."""
    replaced: int
    """How many values in the place were not finite."""


def denoise_scan(
    volume: Path, output: Path, steps: Sequence[Chosen], threads: int = 1, *, slab_slices: int | None = None
) -> None:
    """Denoise a volume slab by slab and write it, whole or not at all, with the attributes of the input.

    A slab is one shard of the output; it is read with as many slices around it as all steps together reach, so that
    the result does not depend on the slabs. Values that are not finite count as the median of the volume's middle;
    their number is logged and recorded. Reading, computing and writing overlap: memory holds three slabs.

    Args:
        volume: Zarr store with ``volume`` (z, y, x), and with ``part0``, ``part1`` ... of the same shape for a first
            step that works on reconstructions from disjoint sets of projections.
        output: Zarr store to write, with the same array. Its attribute ``denoising`` has, for each step, its method
            and what it measured.
        steps: the steps, in order; none copies the volume.
        threads: Number of threads; the result does not depend on it.
        slab_slices: Number of slices in a slab; by default such that a shard is tens of megabytes.

    Raises:
        InputError: there is no such volume, its middle has no finite values, or the disk is full.
    """
    source = _open(volume, steps)
    attributes: Json = dict(storage.open_store(volume).attrs)
    fill = _middle_value(volume, source)
    halo = sum(_reach(step) for step in steps)
    ready = prepare_steps(steps, _read_middle(source, halo, fill, steps), threads)
    depth, height, width = source[0].shape
    shape, pixel_size = (depth, height, width), attributes.get("pixel_size")
    replaced = 0
    with storage.creating(output) as group, ThreadPoolExecutor(2) as pool:
        target = storage.create_volume(group, shape, pixel_size=pixel_size, per_shard=slab_slices)
        places = storage.shards(target)
        writing = None
        for slab in logging.progress(_read_ahead(pool, source, places, halo, fill), "denoise", len(places)):
            block = slab.block
            for step in ready:
                block = step.run(block, threads)
            if writing:
                writing.result()
            length = slab.place.stop - slab.place.start
            writing = pool.submit(target.__setitem__, slab.place, block[slab.before : slab.before + length])
            replaced += slab.replaced
        if writing:
            writing.result()
        add_levels(group, "volume")
        _describe(group, attributes, steps, ready, replaced, volume)


def prepare_steps(steps: Sequence[Chosen], sample: Volume, threads: int = 1) -> list[Step]:
    """Load the steps and let each measure the sample as the steps before it leave it."""
    ready: list[Step] = []
    for chosen in steps:
        plugin, params = chosen.module, chosen.parameters
        measured: Measured = {}
        if hasattr(plugin, "measure"):
            seen = sample
            for step in ready:
                seen = step.run(seen, threads)
            measured = plugin.measure(seen, params)
            logging.info("%s: %s", chosen.method, _numbers(measured) or "trained")
        ready.append(Step(plugin, params, measured))
    return ready


def _open(volume: Path, steps: Sequence[Chosen]) -> Source:
    """Open the volume, or the reconstructions from disjoint sets of projections where the first step works on those."""
    needed = [count_splits(step) for step in steps]
    if any(needed[1:]):
        raise InputError(f"denoising: {steps[needed.index(max(needed[1:]), 1)].method} can only be the first step")
    names = [f"part{part}" for part in range(needed[0])] if steps and needed[0] else ["volume"]
    present = sorted(storage.open_store(volume).keys())
    if names[-1] not in present and "volume" in present:
        raise InputError(
            f"{volume}: {steps[0].method} needs reconstructions from {len(names)} disjoint sets of projections, "
            f"{names[0]} to {names[-1]}, which are not there; reconstruct the scan again with this step in denoising"
        )
    source = [storage.open_array(volume, name) for name in names]
    if source[0].ndim != 3 or 0 in source[0].shape or any(array.shape != source[0].shape for array in source):
        raise InputError(
            f"{volume}: '{names[0]}' has the shape {source[0].shape}; write three axes (z, y, x), none empty"
        )
    return source


def count_splits(step: Chosen) -> int:
    """Return how many reconstructions a step works on, 0 for the volume itself."""
    return int(step.module.splits(step.parameters)) if hasattr(step.module, "splits") else 0


def _reach(step: Chosen) -> int:
    """Return how many slices beyond a slab a step needs."""
    return int(step.module.depth(step.parameters)[0])


def _read_ahead(pool: Executor, source: Source, places: list[slice], halo: int, fill: float) -> Iterator[Slab]:
    """Yield the slabs in order; the next is read while one is worked on."""
    reading = pool.submit(_read, source, places[0], halo, fill)
    for following in [*places[1:], None]:
        slab = reading.result()
        if following:
            reading = pool.submit(_read, source, following, halo, fill)
        yield slab


def _read(source: Source, place: slice, halo: int, fill: float) -> Slab:
    first, last = max(place.start - halo, 0), min(place.stop + halo, source[0].shape[0])
    blocks = [np.asarray(array[first:last], np.float32) for array in source]
    block = np.stack(blocks) if len(blocks) > 1 else blocks[0]
    bad = ~np.isfinite(block)
    before = place.start - first
    replaced = int(bad[..., before : before + place.stop - place.start, :, :].sum())
    if bad.any():
        block = np.where(bad, np.float32(fill), block)
    return Slab(place, block, before, replaced)


def _middle(source: Source, slices: int = _SAMPLE_SLICES) -> slice:
    start = max((source[0].shape[0] - slices) // 2, 0)
    return slice(start, min(start + slices, source[0].shape[0]))


def _read_middle(source: Source, halo: int, fill: float, steps: Sequence[Chosen]) -> Volume:
    wanted = (getattr(step.module, "SAMPLE_SLICES", _SAMPLE_SLICES) for step in steps)
    return _read(source, _middle(source, max(wanted, default=1)), halo, fill).block


def _middle_value(volume: Path, source: Source) -> float:
    middle = np.asarray(source[0][_middle(source)])
    finite = middle[np.isfinite(middle)]
    if not finite.size:
        raise InputError(f"{volume}: the middle of the volume has no finite values; check the reconstruction")
    return float(np.median(finite))


def _numbers(measured: Measured) -> dict[str, float]:
    return {name: value for name, value in measured.items() if isinstance(value, int | float)}


def _describe(
    group: zarr.Group,
    attributes: Json,
    steps: Sequence[Chosen],
    ready: list[Step],
    replaced: int,
    volume: Path,
) -> None:
    """Give the output the attributes of the input, and those of its making."""
    if replaced:
        logging.warn("%s: %d values were not finite; each counts as the median of the middle slices", volume, replaced)
    made: list[Json] = [
        {"method": step.method, **_numbers(run.measured)} for step, run in zip(steps, ready, strict=True)
    ]
    record = provenance.record(
        {"denoising": [step.content() for step in steps], "measured": made, "not_finite": replaced}, [volume]
    )
    kept = {name: value for name, value in attributes.items() if name not in ("ome", "provenance")}
    earlier = {"reconstruction_provenance": attributes["provenance"]} if "provenance" in attributes else {}
    group.attrs.update({**kept, **earlier, "denoising": made, "not_finite": replaced, "provenance": record})
