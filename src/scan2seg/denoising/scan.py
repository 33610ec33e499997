"""Denoises a reconstructed volume: all steps on one slab after the other, one read and one write of each voxel."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scan2seg import logging, provenance, storage
from scan2seg.config.base import Chosen
from scan2seg.continuation import Unfinished, continuing
from scan2seg.denoising.steps import Step, Volume, count_splits, numbers, prepare, reach, recall_steps
from scan2seg.device import choose_device
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.pyramid import Pyramid, add_levels
from scan2seg.streaming import MOST_COMPUTED, SHARE, count_computed, plan_slabs, stream, surround
from scan2seg.team import share_slabs
from scan2seg.workers import Workers

Source = list[zarr.Array[Any]]
_SAMPLE_SLICES = 8
_COPIES = 2
_FILL_VALUES = 2**21


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
    volume: Path,
    output: Path,
    steps: Sequence[Chosen],
    threads: int = 1,
    *,
    memory: int | None = None,
    workers: Workers | None = None,
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
        workers: who shares the volume; by default this process has it alone. The result does not depend on it.

    Raises:
        InputError: there is no such volume, its middle has no finite values, or the disk is full.
    """
    source = _open(volume, steps)
    attributes: Json = dict(storage.open_store(volume).attrs)
    fill = _middle_value(volume, source)
    halo = sum(reach(step) for step in steps)
    depth, height, width = source[0].shape
    shape, pixel_size = (depth, height, width), attributes.get("pixel_size")
    content = [[step.content(), choose_device(getattr(step.parameters, "device", "cpu"))] for step in steps]
    with continuing(output, content, [volume]) as unfinished:
        group = unfinished.group
        ready = prepare(unfinished, steps, lambda: _read_middle(source, halo, fill, steps), threads)
        target = unfinished.array("volume", lambda: storage.create_volume(group, shape, pixel_size=pixel_size))
        if workers is None:
            planned = partial(plan, volume, target, steps, halo, threads, memory)
            replaced = _stream(unfinished, target, planned, partial(_read, source, halo, fill), ready, threads)
        else:
            memory = int(workers.memory * SHARE) if memory is None else memory
            planned = partial(plan, volume, target, steps, halo, workers.threads, memory)
            work = SharedDenoising(volume, unfinished.folder, tuple(steps), halo, fill, workers.threads)
            replaced = sum(share_slabs(unfinished, [target], work, workers, "denoise", plan=planned))
            add_levels(group, "volume")
        _describe(group, attributes, steps, ready, replaced, volume)


def _stream(
    unfinished: Unfinished,
    target: Any,
    plan: Callable[[slice], list[slice]],
    read: Callable[[slice], Slab],
    steps: list[Step],
    threads: int,
) -> int:
    """Denoise what is not finished, slab after slab; return how many values of the volume were replaced."""
    pyramid, start, replaced = Pyramid(unfinished.group, "volume"), 0, 0
    for part, number in unfinished.go_through([target]):
        pyramid.add(np.asarray(target[part]))
        start, replaced = part.stop, replaced + number

    def write(place: slice, result: tuple[Volume, int]) -> None:
        nonlocal replaced
        target[place] = result[0]
        pyramid.add(result[0])
        replaced += result[1]
        unfinished.finish(place, result[1])

    slabs = plan(slice(start, target.shape[0]))
    stream(slabs, read, partial(_denoise, steps, threads), write, [target], "denoise")
    return replaced


@dataclass(frozen=True)
class SharedDenoising:
    """What a worker does to slabs of a volume that several denoise."""

    volume: Path
    store: Path
    """The unfinished one that is written."""
    steps: tuple[Chosen, ...]
    halo: int
    fill: float
    threads: int

    def open(self) -> Callable[[slice], int]:
        """Open the volumes; return what denoises a slab and returns how many values were replaced."""
        source = _open(self.volume, self.steps)
        target: Any = storage.open_writable(self.store, anew=False)["volume"]
        ready = recall_steps(self.steps, self.store)
        computing = threading.Lock()

        def run(place: slice) -> int:
            slab = _read(source, self.halo, self.fill, place)
            with computing:
                result, replaced = _denoise(ready, self.threads, place, slab)
            target[place] = result
            return replaced

        return run


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
    part: slice | None = None,
    least: int = 1,
) -> list[slice]:
    """Choose the slabs of a part of the volume, and say so where memory makes their halos most of the work."""
    parts = max([1, *(count_splits(step) for step in steps)])
    copies = max((getattr(step.module, "COPIES", _COPIES) for step in steps), default=0)
    # a block that is read, one that is computed, its mask and copies, and one whose middle is written
    slice_bytes = 4 * target.shape[1] * target.shape[2] * (3 * parts + copies + 1)
    slabs = plan_slabs(target, slice_bytes, halo=halo, enough=2 * threads, part=part, least=least, memory=memory)
    computed = count_computed(slabs, halo) if slabs else 1.0
    if computed > MOST_COMPUTED:
        enough = 2 * halo / (MOST_COMPUTED - 1) + 2 * halo
        logging.warn(
            "%s: memory is enough for slabs of %d slices, of which each needs %d more on both sides, so %.1f times the "
            "volume is computed; a job of %.0f MB (mem_mb) would compute %.1f times",
            volume, slabs[0].stop - slabs[0].start, halo, computed, enough * slice_bytes / SHARE / 1e6, MOST_COMPUTED,
        )  # fmt: skip
    return slabs


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
    # some millions of values have the median of all
    return float(np.median(finite[:: 1 + finite.size // _FILL_VALUES]))


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
        {"method": step.method, **numbers(run.measured)} for step, run in zip(steps, ready, strict=True)
    ]
    record = provenance.record(
        {"denoising": [step.content() for step in steps], "measured": made, "not_finite": replaced}, [volume]
    )
    kept = {name: value for name, value in attributes.items() if name not in ("ome", "provenance")}
    earlier = {"reconstruction_provenance": attributes["provenance"]} if "provenance" in attributes else {}
    group.attrs.update({**kept, **earlier, "denoising": made, "not_finite": replaced, "provenance": record})
