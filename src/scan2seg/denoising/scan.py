"""Denoises a reconstructed volume: all steps on one slab after the other, one read and one write of each voxel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import logging, provenance, storage
from scan2seg.config.base import Chosen
from scan2seg.continuation import Unfinished, continuing
from scan2seg.device import choose_device
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.pyramid import Pyramid
from scan2seg.streaming import MOST_COMPUTED, SHARE, count_computed, plan_slabs, stream, surround

Volume = NDArray[np.float32]
Source = list[zarr.Array[Any]]
Measured = Mapping[str, Any]
"""What a denoiser found in a sample, by names of its own: a noise level, or a trained network."""

_SAMPLE_SLICES = 8
_COPIES = 2


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

    block: Volume
    """Its slices and those around them, all finite."""
    before: int
    """How many slices of the block come before its own."""
    replaced: int
    """How many of its own values were not finite."""


def denoise_scan(
    volume: Path, output: Path, steps: Sequence[Chosen], threads: int = 1, *, memory: int | None = None
) -> None:
    """Denoise a volume slab by slab and write it, whole or not at all, with the attributes of the input.

    A slab is read with as many slices around it as all steps together reach, so that the result does not depend on the
    slabs. Values that are not finite count as the median of the volume's middle; their number is logged and recorded.
    Reading, computing and writing overlap: memory holds three slabs.

    Args:
        volume: Zarr store with ``volume`` (z, y, x), and with ``part0``, ``part1`` ... of the same shape for a first
            step that works on reconstructions from disjoint sets of projections.
        output: Zarr store to write, with the same array. Its attribute ``denoising`` has, for each step, its method
            and what it measured.
        steps: the steps, in order; none copies the volume.
        threads: Number of threads; the result does not depend on it.
        memory: Bytes that the slabs may take; by default most of what the job may.

    Raises:
        InputError: there is no such volume, its middle has no finite values, or the disk is full.
    """
    source = _open(volume, steps)
    attributes: Json = dict(storage.open_store(volume).attrs)
    fill = _middle_value(volume, source)
    halo = sum(_reach(step) for step in steps)
    depth, height, width = source[0].shape
    shape, pixel_size = (depth, height, width), attributes.get("pixel_size")
    content = [[step.content(), choose_device(getattr(step.parameters, "device", "cpu"))] for step in steps]
    with continuing(output, content, [volume]) as unfinished:
        group = unfinished.group
        ready = _prepare(unfinished, steps, lambda: _read_middle(source, halo, fill, steps), threads)
        target = unfinished.array("volume", lambda: storage.create_volume(group, shape, pixel_size=pixel_size))
        pyramid, start, replaced = Pyramid(group, "volume"), 0, 0
        for part, number in unfinished.go_through([target]):
            pyramid.add(np.asarray(target[part]))
            start, replaced = part.stop, replaced + number

        def write(place: slice, result: tuple[Volume, int]) -> None:
            nonlocal replaced
            target[place] = result[0]
            pyramid.add(result[0])
            replaced += result[1]
            unfinished.finish(place, result[1])

        slabs = plan(volume, target, steps, halo, threads, memory, start)
        read = partial(_read, source, halo, fill)
        stream(slabs, read, partial(_denoise, ready, threads), write, target, "denoise")
        _describe(group, attributes, steps, ready, replaced, volume)


def _denoise(steps: Sequence[Step], threads: int, place: slice, slab: Slab) -> tuple[Volume, int]:
    """Return the denoised slices of a place, and how many values in it were replaced."""
    block = slab.block
    for step in steps:
        block = step.run(block, threads)
    return block[slab.before : slab.before + place.stop - place.start], slab.replaced


def plan(
    volume: Path,
    target: Any,
    steps: Sequence[Chosen],
    halo: int,
    threads: int,
    memory: int | None = None,
    start: int = 0,
) -> list[slice]:
    """Choose the slabs, and say so where memory makes their halos most of the work."""
    parts = max([1, *(count_splits(step) for step in steps)])
    copies = max((getattr(step.module, "COPIES", _COPIES) for step in steps), default=0)
    # a block that is read, one that is computed, its mask and copies, and one whose middle is written
    slice_bytes = 4 * target.shape[1] * target.shape[2] * (3 * parts + copies + 1)
    slabs = plan_slabs(target, slice_bytes, halo=halo, enough=2 * threads, start=start, memory=memory)
    computed = count_computed(slabs, halo) if slabs else 1.0
    if computed > MOST_COMPUTED:
        enough = 2 * halo / (MOST_COMPUTED - 1) + 2 * halo
        logging.warn(
            "%s: memory is enough for slabs of %d slices, of which each needs %d more on both sides, so %.1f times the "
            "volume is computed; a job of %.0f MB (mem_mb) would compute %.1f times",
            volume, slabs[0].stop - slabs[0].start, halo, computed, enough * slice_bytes / SHARE / 1e6, MOST_COMPUTED,
        )  # fmt: skip
    return slabs


def _prepare(unfinished: Unfinished, steps: Sequence[Chosen], sample: Callable[[], Volume], threads: int) -> list[Step]:
    """Prepare the steps as the first try did: a network that is trained again need not come out the same."""

    def measure() -> dict[str, NDArray[Any]]:
        return {
            f"{number}/{name}/{part}": np.asarray(content)
            for number, step in enumerate(prepare_steps(steps, sample(), threads))
            for name, value in step.measured.items()
            for part, content in (value if isinstance(value, Mapping) else {"": value}).items()
        }

    measured: list[dict[str, Any]] = [{} for _ in steps]
    for place, content in unfinished.remember("measured", measure).items():
        number, name, part = place.split("/", 2)
        if part:
            measured[int(number)].setdefault(name, {})[part] = content
        else:
            measured[int(number)][name] = content.item()
    return [Step(step.module, step.parameters, found) for step, found in zip(steps, measured, strict=True)]


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


def _read(source: Source, halo: int, fill: float, place: slice) -> Slab:
    around = surround(place, halo, source[0].shape[0])
    blocks = [np.asarray(array[around], np.float32) for array in source]
    block = np.stack(blocks) if len(blocks) > 1 else blocks[0]
    bad = ~np.isfinite(block)
    before = place.start - around.start
    replaced = int(bad[..., before : before + place.stop - place.start, :, :].sum())
    if bad.any():
        block = np.where(bad, np.float32(fill), block)
    return Slab(block, before, replaced)


def _middle(source: Source, slices: int = _SAMPLE_SLICES) -> slice:
    start = max((source[0].shape[0] - slices) // 2, 0)
    return slice(start, min(start + slices, source[0].shape[0]))


def _read_middle(source: Source, halo: int, fill: float, steps: Sequence[Chosen]) -> Volume:
    wanted = (getattr(step.module, "SAMPLE_SLICES", _SAMPLE_SLICES) for step in steps)
    return _read(source, halo, fill, _middle(source, max(wanted, default=1))).block


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
