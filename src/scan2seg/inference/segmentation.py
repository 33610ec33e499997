"""The winner put to work: a reconstructed volume segmented by a trained model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.appearance import warn_of_unlike
from scan2seg.continuation import Unfinished, continuing
from scan2seg.device import set_threads
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.inference.blocks import block_length
from scan2seg.inference.label_files import write_volume_tiff
from scan2seg.inference.labelling import Labelling, count_voxels, describe_labels, label_volume
from scan2seg.inference.likeness import SAMPLE_SLICES, compare_with_training
from scan2seg.inference.members import Member, describe_inference, load_predictor
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info
from scan2seg.places import evenly
from scan2seg.provenance import record
from scan2seg.storage import create_volume, open_array, open_store, open_writable, write_json
from scan2seg.team import share_slabs
from scan2seg.workers import Workers


def segment_scan(
    volume: Path,
    members: Sequence[Member],
    labels: Path,
    summary: Path,
    *,
    model: str,
    differences: Sequence[str] = (),
    tiff: Path | None = None,
    threads: int = 1,
    workers: Workers | None = None,
) -> None:
    """Segment every slice of a volume; write the labels, a summary and, when asked for, a multi-page TIFF.

    What makes the volume unlike the training data, and so its labels doubtful, is warned of and stands in the summary.

    Args:
        volume: a store with ``volume`` (z, y, x), denoised as the training data were.
        members: the trained model, or those of an ensemble, and how each is applied.
        labels: the Zarr store to write, ``label`` (z, y, x) uint8 with OME-Zarr metadata.
        summary: summary.json: shares, counts, particles with their unit, model, pixel size and ``unlike_training``.
        model: its run, MODEL/REPLICATE, for the summary.
        differences: in what the volume was processed otherwise, as settings tell.
        tiff: where to write a TIFF, or None.
        threads: processor cores.
        workers: who shares the volume; by default this process has it alone. The labels do not depend on their number.

    Raises:
        InputError: the model was trained on images of more than one channel.
    """
    set_threads(threads)
    predictor = _load(members)
    pixel_size: Any = open_store(volume).attrs.get("pixel_size")
    unlike = _find_differences(volume, predictor, pixel_size, differences)
    settings = {"model": model, "inference": describe_inference(members)}
    used = [volume, *(member.checkpoint for member in members)]
    with continuing(labels, [settings, predictor.device], used) as unfinished:
        counts = _write_labels(unfinished, volume, members, predictor, workers)
        spacing = pixel_size and (pixel_size,) * 3
        described = describe_labels(unfinished.group, predictor.classes, spacing, "measuring particles")
        provenance = record(settings, used)
        unfinished.group.attrs.update({"classes": predictor.classes, "model": model, "provenance": provenance})
    if tiff is not None:
        write_volume_tiff(tiff, labels)
    facts = {"model": model, **predictor.decision.describe(), "unlike_training": unlike}
    facts |= {"shape": open_array(volume, "volume").shape, "pixel_size": pixel_size}
    facts |= {"unit": "micrometre" if pixel_size else "pixel", "classes": described}
    write_json(summary, {**facts, **_share_out(predictor.classes, counts), "provenance": provenance})
    info("%s: %s in %s", volume.parent.name, model, predictor.decision.precision)


def _load(members: Sequence[Member]) -> Predictor:
    predictor = load_predictor(members)
    if predictor.model.channels != 2 * predictor.neighbours + 1:
        raise InputError(f"{members[0].checkpoint}: was trained on images of several channels; a volume has one")
    return predictor


def _share_out(classes: Sequence[str], counts: NDArray[np.int64]) -> Json:
    """Return, and tell, the voxels of each class and its share of the volume."""
    shares = {name: float(count / counts.sum()) for name, count in zip(classes, counts, strict=True)}
    info("%s", ", ".join(f"{name} {share:.2%}" for name, share in shares.items()))
    return {"voxels": dict(zip(classes, counts.tolist(), strict=True)), "volume_fractions": shares}


def _find_differences(
    volume: Path, predictor: Predictor, pixel_size: float | None, differences: Sequence[str]
) -> list[str]:
    """Return and warn of what makes a volume unlike the training data."""
    array: Any = open_array(volume, "volume")
    images = [_read_slice(array, index) for index in evenly(array.shape[0], SAMPLE_SLICES)]
    unlike = [*differences, *compare_with_training(images, pixel_size, predictor)]
    warn_of_unlike(volume.parent.name, unlike)
    return unlike


def _write_labels(
    unfinished: Unfinished, volume: Path, members: Sequence[Member], predictor: Predictor, workers: Workers | None
) -> NDArray[np.int64]:
    """Segment a volume into ``label``, shard by shard; return the voxels of each class."""
    source = open_store(volume)
    array: Any = source["volume"]
    length = block_length(array.shape[1:], "uint8", array.shape[0], predictor.tile[0])
    form: dict[str, Any] = {"pixel_size": source.attrs.get("pixel_size"), "per_shard": length, "name": "label"}
    target = unfinished.array("label", lambda: create_volume(unfinished.group, array.shape, "uint8", **form))
    if workers is None:
        return label_volume(partial(_read_slice, array), array.shape[0], target, predictor, unfinished=unfinished)
    work = SharedLabelling(volume, unfinished.folder, tuple(members), workers.threads)
    settle = SharedLabelling.settle if predictor.undecided else None
    blocks = list(share_slabs(unfinished, [target], work, workers, "segmenting", settle=settle))
    predictor.recall(blocks[0]["decisions"])
    return count_voxels(blocks)


def _read_slice(array: Any, index: int) -> NDArray[np.float32]:
    return np.asarray(array[index], np.float32)[None]


@dataclass(frozen=True)
class SharedLabelling:
    """What a worker does to slabs of a volume that several segment."""

    volume: Path
    store: Path
    """The unfinished one that is written."""
    members: tuple[Member, ...]
    threads: int
    decisions: tuple[Json, ...] = ()
    """The precision of each member, where it is decided."""

    def settle(self, note: Json) -> "SharedLabelling":
        """Return the same in the precisions that the first slab was computed in."""
        return replace(self, decisions=tuple(note["decisions"]))

    def open(self) -> Callable[[slice], Json]:
        """Load the model; return what segments a slab."""
        set_threads(self.threads)
        predictor, array = load_predictor(self.members), open_array(self.volume, "volume")
        if self.decisions:
            predictor.recall(self.decisions)
        target = open_writable(self.store, anew=False)["label"]
        return partial(Labelling(partial(_read_slice, array), array.shape[0], predictor).label, target)
