"""Denoises a reconstructed volume: all steps on one slab after the other, one read and one write of each voxel."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import logging, plugins, provenance, storage
from scan2seg.config.base import plugin_params
from scan2seg.errors import InputError

Volume = NDArray[np.float32]

_SAMPLE_SLICES = 8


@dataclass(frozen=True)
class Step:
    """One step of denoising, ready to run."""

    plugin: ModuleType
    params: Any
    measured: dict[str, Any]

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
    volume: Path, output: Path, steps: list[dict[str, Any]], threads: int = 1, *, slab_slices: int | None = None
) -> None:
    """Denoise a volume slab by slab and write it, whole or not at all, with the attributes of the input.

    A slab is one shard of the output; it is read with as many slices around it as all steps together reach, so that
    the result does not depend on the slabs. Values that are not finite count as the median of the volume's middle;
    their number is logged and recorded. Reading, computing and writing overlap: memory holds three slabs.

    Args:
        volume: Zarr store with ``volume`` (z, y, x).
        output: Zarr store to write, with the same array. Its attribute ``denoising`` has, for each step, its method
            and what it measured.
        steps: Resolved steps, ``{"method": NAME, **settings}``, in order; none copies the volume.
        threads: Number of threads; the result does not depend on it.
        slab_slices: Number of slices in a slab; by default such that a shard is tens of megabytes.

    Raises:
        InputError: there is no such volume, its middle has no finite values, or the disk is full.
    """
    source = storage.open_array(volume, "volume")
    attributes: dict[str, Any] = dict(storage.open_store(volume).attrs)
    if source.ndim != 3 or 0 in source.shape:
        raise InputError(
            f"{volume}: 'volume' has the shape {source.shape}; it must be three axes (z, y, x), none empty"
        )
    fill = _middle_value(volume, source)
    halo = sum(_reach(step) for step in steps)
    ready = prepare_steps(steps, _read_middle(source, halo, fill), threads)
    shape, pixel_size = (source.shape[0], source.shape[1], source.shape[2]), attributes.get("pixel_size")
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
        _describe(group, attributes, steps, ready, replaced, volume)


def prepare_steps(steps: list[dict[str, Any]], sample: Volume, threads: int = 1) -> list[Step]:
    """Load the steps and let each measure the sample as the steps before it leave it."""
    ready: list[Step] = []
    for settings in steps:
        plugin, params = plugins.load("denoising", settings["method"]), plugin_params("denoising", settings)
        measured: dict[str, Any] = {}
        if hasattr(plugin, "measure"):
            seen = sample
            for step in ready:
                seen = step.run(seen, threads)
            measured = plugin.measure(seen, params)
            found = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
            logging.info("%s: %s", settings["method"], found)
        ready.append(Step(plugin, params, measured))
    return ready


def _reach(settings: dict[str, Any]) -> int:
    """Return how many slices beyond a slab a step needs."""
    plugin = plugins.load("denoising", settings["method"])
    return int(plugin.depth(plugin_params("denoising", settings))[0])


def _read_ahead(pool: Executor, source: zarr.Array[Any], places: list[slice], halo: int, fill: float) -> Iterator[Slab]:
    """Yield the slabs in order; the next is read while one is worked on."""
    reading = pool.submit(_read, source, places[0], halo, fill)
    for following in [*places[1:], None]:
        slab = reading.result()
        if following:
            reading = pool.submit(_read, source, following, halo, fill)
        yield slab


def _read(source: zarr.Array[Any], place: slice, halo: int, fill: float) -> Slab:
    first, last = max(place.start - halo, 0), min(place.stop + halo, source.shape[0])
    block = np.asarray(source[first:last], np.float32)
    bad = ~np.isfinite(block)
    before = place.start - first
    replaced = int(bad[before : before + place.stop - place.start].sum())
    if bad.any():
        block = np.where(bad, np.float32(fill), block)
    return Slab(place, block, before, replaced)


def _middle(source: zarr.Array[Any]) -> slice:
    start = max((source.shape[0] - _SAMPLE_SLICES) // 2, 0)
    return slice(start, min(start + _SAMPLE_SLICES, source.shape[0]))


def _read_middle(source: zarr.Array[Any], halo: int, fill: float) -> Volume:
    return _read(source, _middle(source), halo, fill).block


def _middle_value(volume: Path, source: zarr.Array[Any]) -> float:
    middle = np.asarray(source[_middle(source)])
    finite = middle[np.isfinite(middle)]
    if not finite.size:
        raise InputError(f"{volume}: the middle of the volume has no finite values; check the reconstruction")
    return float(np.median(finite))


def _describe(
    group: zarr.Group,
    attributes: dict[str, Any],
    steps: list[dict[str, Any]],
    ready: list[Step],
    replaced: int,
    volume: Path,
) -> None:
    """Give the output the attributes of the input, and those of its making."""
    if replaced:
        logging.warn("%s: %d values were not finite; each counts as the median of the middle slices", volume, replaced)
    made = [{"method": step["method"], **run.measured} for step, run in zip(steps, ready, strict=True)]
    record = provenance.record({"denoising": steps, "measured": made, "not_finite": replaced}, [volume])
    kept = {name: value for name, value in attributes.items() if name not in ("ome", "provenance")}
    earlier = {"reconstruction_provenance": attributes["provenance"]} if "provenance" in attributes else {}
    group.attrs.update({**kept, **earlier, "denoising": made, "not_finite": replaced, "provenance": record})
