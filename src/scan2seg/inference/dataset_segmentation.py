"""The winner put to work on a dataset of images or volumes, within the workflow."""

import os
from collections.abc import Sequence
from pathlib import Path

from scan2seg.config.images import ImageSource
from scan2seg.config.source import StackSource
from scan2seg.config.volumes import VolumeSource
from scan2seg.inference.applied_model import FileOptions
from scan2seg.inference.file_segmentation import refuse_unfinished, segment_found
from scan2seg.inference.members import Member, describe_inference
from scan2seg.inference.segmentation_inputs import Input
from scan2seg.inference.segmentation_outputs import facts_of, output_name, read_all_facts
from scan2seg.logging import info
from scan2seg.provenance import record
from scan2seg.replacement import discard
from scan2seg.sources.images import input_files
from scan2seg.sources.volume_files import as_folder, find_volumes
from scan2seg.storage import write_json


def segment_dataset(
    source: StackSource,
    members: Sequence[Member],
    labels: Path,
    summary: Path,
    *,
    model: str,
    pixel_size: float | None = None,
    threads: int = 1,
) -> None:
    """Segment every image or volume of a dataset; write labels in their form, and a summary of all.

    They are written into ``unfinished`` beside the folder of the labels, which takes its place when all are done: a job
    that is killed, or a file that cannot be read, costs no file that is finished.

    Args:
        source: where the images are; how they are read is decided by the checkpoint.
        members: the trained model, or those of an ensemble, and how each is applied.
        labels: the folder to write; see ``file_segmentation.segment_inputs``.
        summary: summary.json: the model, and of every file what its labels tell.
        model: its run, MODEL/REPLICATE, for the summary.
        pixel_size: edge of a pixel of the images in micrometres, in place of what their files say.
        threads: processor cores.

    Raises:
        InputError: some files could not be segmented; the others are finished, and not done again.
    """
    assert isinstance(source, ImageSource | VolumeSource), "scans are segmented by segment_scan"
    inputs = list_inputs(source)
    key = source.images_key if isinstance(source, VolumeSource) else None
    options = FileOptions(key=key, pixel_size=pixel_size, threads=threads)
    unfinished = labels.with_name("unfinished")
    _discard_others(unfinished, inputs)
    problems = segment_found(members, lambda _: inputs, unfinished, options)
    refuse_unfinished(problems)
    files = read_all_facts(unfinished)
    if labels.exists():
        discard(labels)
    os.replace(unfinished, labels)
    unlike = {name: facts["unlike_training"] for name, facts in files.items() if facts["unlike_training"]}
    facts = {"model": model, "files": files, "unlike_training": unlike}
    settings = {"model": model, "inference": describe_inference(members)}
    provenance = record(settings, [member.checkpoint for member in members])
    write_json(summary, {**facts, "provenance": provenance})
    info("%s: %d files, %d of them unlike the training images", model, len(files), len(unlike))


def _discard_others(unfinished: Path, inputs: Sequence[Input]) -> None:
    """Delete what an earlier try left where it has labels of files that are no inputs any more."""
    wanted = {facts_of(unfinished / output_name(each)) for each in inputs}
    if any(path not in wanted for path in unfinished.rglob("*.json") if not _is_inside_store(path, unfinished)):
        discard(unfinished)


def _is_inside_store(path: Path, folder: Path) -> bool:
    return any(parent.suffix == ".zarr" for parent in path.relative_to(folder).parents)


def list_inputs(source: ImageSource | VolumeSource) -> list[Input]:
    """Return the images or volumes of a source, as they are segmented one by one.

    Raises:
        InputError: a pattern matches nothing, or slices of a volume are not all images of one folder.
    """
    source = source.without_labels()
    if isinstance(source, ImageSource):
        files = [Path(file) for file in input_files(source)]
        root = Path(os.path.commonpath([file.parent for file in files]))
        return [Input((file,), str(file.relative_to(root)), False) for file in files]
    found = []
    for name, volume in find_volumes(source).items():
        paths = tuple(as_folder(channel) for channel in volume.channels)
        found.append(Input(paths, name, True))
    return found
