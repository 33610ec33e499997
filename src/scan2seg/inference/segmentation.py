"""The winner put to work: a reconstructed volume segmented by a trained model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from scan2seg.config.training import InferenceSettings
from scan2seg.device import set_threads
from scan2seg.errors import InputError
from scan2seg.evaluation.ranking import rank
from scan2seg.evaluation.runs import locate_run, read_run
from scan2seg.inference.blocks import block_length, run_blocks
from scan2seg.inference.likeness import compare_with_training
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info, warn
from scan2seg.provenance import record
from scan2seg.slices import mirror_places
from scan2seg.storage import create_volume, creating, open_store, replacing, write_json


def choose_model(runs: Sequence[Sequence[str]], results: Path) -> tuple[str, Path]:
    """Return the run to use, as MODEL/REPLICATE, and its checkpoint.

    The model is the first of the ranking, by its mean over replicates; the replicate the best on validation images.

    Args:
        runs: of one dataset: dataset, model, replicate and the folders of training and scores.
        results: the folder that those count from.

    Raises:
        InputError: a file of a run is missing or unreadable, or they were scored on unlike images.
    """
    checkpoints, read = {}, []
    for dataset, model, replicate, folder, applied in runs:
        checkpoints[f"{model}/{replicate}"] = results / folder / "checkpoint.pt"
        files = locate_run(results / folder, results / applied, (dataset, model, replicate))
        # without the times of prediction, for which this stage does not wait
        read.append(read_run(replace(files, timing=None)))
    ((first, *_),) = rank(read, None).values()
    return first.chosen.name, checkpoints[first.chosen.name]


def segment_scan(
    volume: Path,
    checkpoint: Path,
    labels: Path,
    summary: Path,
    *,
    model: str,
    inference: InferenceSettings,
    stack: Path | None = None,
    differences: Sequence[str] = (),
    tiff: Path | None = None,
    threads: int = 1,
) -> None:
    """Segment every slice of a volume; write the labels, a summary and, when asked for, a multi-page TIFF.

    What makes the volume unlike the training data, and so its labels doubtful, is warned of and stands in the summary.

    Args:
        volume: a store with ``volume`` (z, y, x), denoised as the training data were.
        checkpoint: the trained model.
        labels: the Zarr store to write, ``label`` (z, y, x) uint8 with OME-Zarr metadata.
        summary: summary.json: the share of each class, counts, model, pixel size and ``unlike_training``.
        model: its run, MODEL/REPLICATE, for the summary.
        inference: how the model is applied.
        stack: the stack that the model was trained on, to compare pixel size and grey values with.
        differences: in what the volume was processed otherwise, as settings tell.
        tiff: where to write a TIFF, or None.
        threads: processor cores.

    Raises:
        InputError: the model was trained on images of more than one channel.
    """
    set_threads(threads)
    predictor = Predictor(checkpoint, inference)
    source = open_store(volume)
    if predictor.model.channels != 2 * predictor.neighbours + 1:
        raise InputError(f"{checkpoint}: was trained on images of several channels; a volume has one")
    unlike = _find_differences(volume, stack, differences)
    with creating(labels) as group:
        counts = _write_labels(group, source, predictor)
        provenance = record({"model": model, "inference": inference.model_dump(mode="json")}, [volume, checkpoint])
        group.attrs.update({"classes": predictor.classes, "model": model, "provenance": provenance})
    if tiff is not None:
        _write_tiff(labels, tiff)
    shares = {name: float(count / counts.sum()) for name, count in zip(predictor.classes, counts, strict=True)}
    facts = {"model": model, **predictor.decision.describe(), "shape": list(source["volume"].shape)}  # type: ignore[union-attr]
    facts |= {"pixel_size": source.attrs.get("pixel_size"), "unlike_training": unlike}
    facts |= {"voxels": dict(zip(predictor.classes, counts.tolist(), strict=True)), "volume_fractions": shares}
    write_json(summary, {**facts, "provenance": provenance})
    info("%s: %s", model, ", ".join(f"{name} {share:.2%}" for name, share in shares.items()))


def _find_differences(volume: Path, stack: Path | None, differences: Sequence[str]) -> list[str]:
    """Return and warn of what makes a volume unlike the training data."""
    unlike = [*differences, *(compare_with_training(volume, stack) if stack is not None else ())]
    for difference in unlike:
        warn("%s: %s; labels may be wrong without looking wrong", volume.parent.name, difference)
    return unlike


def _write_labels(group: zarr.Group, source: zarr.Group, predictor: Predictor) -> NDArray[np.int64]:
    """Segment the volume of a store into ``label``, shard by shard; return the voxels of each class."""
    array: Any = source["volume"]
    pixel_size: Any = source.attrs.get("pixel_size")
    length = block_length(array.shape[1:], "uint8", array.shape[0], predictor.tile[0])
    target = create_volume(group, array.shape, "uint8", pixel_size=pixel_size, per_shard=length, name="label")
    parts = run_blocks(lambda block: _segment_block(array, block, target, predictor), [target], "segmenting")
    counts: NDArray[np.int64] = np.sum(parts, axis=0)
    return counts


def _segment_block(array: Any, block: slice, target: Any, predictor: Predictor) -> NDArray[np.int64]:
    """Segment the slices of one shard; return the voxels of each class."""
    found = np.empty((block.stop - block.start, *array.shape[1:]), np.uint8)

    def read(slices: range) -> NDArray[np.float32]:
        return np.stack([_read_slices(array, index, predictor.neighbours) for index in slices], axis=1)

    walk = predictor.walk(read, range(block.start, block.stop), range(array.shape[0]))
    for place, probabilities in enumerate(walk):
        found[place] = probabilities.argmax(dim=0).to(torch.uint8).cpu().numpy()
    target[block] = found
    return np.bincount(found.ravel(), minlength=len(predictor.classes))


def _read_slices(array: Any, index: int, neighbours: int) -> NDArray[np.float32]:
    """Read a slice with its neighbours as channels; beyond the ends they are mirrored."""
    chosen = mirror_places(range(index - neighbours, index + neighbours + 1), range(array.shape[0]))
    return np.stack([np.asarray(array[place], np.float32) for place in chosen])


def _write_tiff(labels: Path, tiff: Path) -> None:
    """Write the labels as one series of pages, which other programs open as one volume."""
    import tifffile

    array: Any = open_store(labels)["label"]
    slices = (np.asarray(array[index]) for index in range(array.shape[0]))
    form: dict[str, Any] = {"shape": array.shape, "dtype": array.dtype, "metadata": {"axes": "ZYX"}}
    with replacing(tiff) as partial:
        large = array.nbytes > 2**31
        tifffile.imwrite(partial, slices, **form, bigtiff=large, compression="zlib", photometric="minisblack")
