"""The winner put to work: a reconstructed volume segmented by a trained model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.appearance import warn_of_unlike
from scan2seg.continuation import Unfinished, continuing
from scan2seg.device import set_threads
from scan2seg.errors import InputError
from scan2seg.inference.blocks import block_length
from scan2seg.inference.label_files import write_volume_tiff
from scan2seg.inference.labelling import label_volume
from scan2seg.inference.likeness import compare_with_training
from scan2seg.inference.members import Member, describe_inference, load_predictor
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info
from scan2seg.provenance import record
from scan2seg.pyramid import add_levels
from scan2seg.storage import create_volume, open_store, write_json


def segment_scan(
    volume: Path,
    members: Sequence[Member],
    labels: Path,
    summary: Path,
    *,
    model: str,
    stack: Path | None = None,
    differences: Sequence[str] = (),
    tiff: Path | None = None,
    threads: int = 1,
) -> None:
    """Segment every slice of a volume; write the labels, a summary and, when asked for, a multi-page TIFF.

    What makes the volume unlike the training data, and so its labels doubtful, is warned of and stands in the summary.

    Args:
        volume: a store with ``volume`` (z, y, x), denoised as the training data were.
        members: the trained model, or those of an ensemble, and how each is applied.
        labels: the Zarr store to write, ``label`` (z, y, x) uint8 with OME-Zarr metadata.
        summary: summary.json: the share of each class, counts, model, pixel size and ``unlike_training``.
        model: its run, MODEL/REPLICATE, for the summary.
        stack: the stack that the model was trained on, to compare pixel size and grey values with.
        differences: in what the volume was processed otherwise, as settings tell.
        tiff: where to write a TIFF, or None.
        threads: processor cores.

    Raises:
        InputError: the model was trained on images of more than one channel.
    """
    set_threads(threads)
    predictor = load_predictor(members)
    source = open_store(volume)
    if predictor.model.channels != 2 * predictor.neighbours + 1:
        raise InputError(f"{members[0].checkpoint}: was trained on images of several channels; a volume has one")
    unlike = _find_differences(volume, stack, differences)
    settings = {"model": model, "inference": describe_inference(members)}
    used = [volume, *(member.checkpoint for member in members)]
    with continuing(labels, [settings, predictor.device], used) as unfinished:
        counts = _write_labels(unfinished, source, predictor)
        provenance = record(settings, used)
        unfinished.group.attrs.update({"classes": predictor.classes, "model": model, "provenance": provenance})
    if tiff is not None:
        write_volume_tiff(tiff, labels)
    shares = {name: float(count / counts.sum()) for name, count in zip(predictor.classes, counts, strict=True)}
    facts = {"model": model, **predictor.decision.describe(), "shape": list(source["volume"].shape)}  # type: ignore[union-attr]
    facts |= {"pixel_size": source.attrs.get("pixel_size"), "unlike_training": unlike}
    facts |= {"voxels": dict(zip(predictor.classes, counts.tolist(), strict=True)), "volume_fractions": shares}
    write_json(summary, {**facts, "provenance": provenance})
    info("%s: %s", model, ", ".join(f"{name} {share:.2%}" for name, share in shares.items()))


def _find_differences(volume: Path, stack: Path | None, differences: Sequence[str]) -> list[str]:
    """Return and warn of what makes a volume unlike the training data."""
    unlike = [*differences, *(compare_with_training(volume, stack) if stack is not None else ())]
    warn_of_unlike(volume.parent.name, unlike)
    return unlike


def _write_labels(unfinished: Unfinished, source: zarr.Group, predictor: Predictor) -> NDArray[np.int64]:
    """Segment the volume of a store into ``label``, shard by shard; return the voxels of each class."""
    array: Any = source["volume"]
    pixel_size: Any = source.attrs.get("pixel_size")
    length = block_length(array.shape[1:], "uint8", array.shape[0], predictor.tile[0])
    form: dict[str, Any] = {"pixel_size": pixel_size, "per_shard": length, "name": "label"}
    target = unfinished.array("label", lambda: create_volume(unfinished.group, array.shape, "uint8", **form))
    counts = label_volume(
        lambda index: np.asarray(array[index], np.float32)[None], array.shape[0], target, predictor,
        unfinished=unfinished,
    )  # fmt: skip
    add_levels(unfinished.group, "label")
    return counts
