"""The commands that put a trained model to work."""

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    segment = commands.add_parser(
        "segment", help="segment images and volumes with a trained model", description=_segment.__doc__
    )
    segment.add_argument(
        "model",
        metavar="RUN",
        type=Path,
        help="results/reports/EXPERIMENT (its winner), a run's folder such as "
        "results/reports/EXPERIMENT/runs/DATASET/MODEL/seed0, that of an exported model, or a checkpoint.pt",
    )
    segment.add_argument("inputs", metavar="INPUT", type=Path, nargs="+", help="images, volumes, and folders of them")
    segment.add_argument("output", metavar="OUTPUT", type=Path, help="the folder to write to")
    segment.add_argument("--dataset", help="of a report with several datasets: whose winner")
    segment.add_argument("--key", help="name of the array in HDF5 and Zarr files, where there are several")
    segment.add_argument(
        "--pixel-size", type=_length, help="edge of a pixel in micrometres, in place of what the files say"
    )
    segment.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    segment.add_argument("--threads", type=_positive, default=None, help="processor cores (those of the job)")
    segment.add_argument("--tile", type=_positive, help="height and width of a tile (as the model was scored)")
    segment.add_argument("--batch-size", type=_positive, help="tiles a batch (as the model was scored)")
    segment.add_argument("--flips", action="store_true", default=None, help="average over mirrored versions")
    segment.set_defaults(run=_segment)

    export = commands.add_parser("export", help="write a trained model for other programs", description=_export.__doc__)
    export.add_argument("model", metavar="RUN", type=Path, help="as for segment")
    export.add_argument("folder", metavar="FOLDER", type=Path, help="the folder to make")
    export.add_argument("--dataset", help="of a report with several datasets: whose winner")
    export.add_argument("--size", type=_positive, nargs="+", help="(depth,) height and width (those of the patches)")
    export.add_argument("--licence", help="of the model, an SPDX identifier such as CC-BY-4.0")
    export.set_defaults(run=_export)

    view = commands.add_parser("view", help="look at results in napari", description=_view.__doc__)
    view.add_argument(
        "path",
        metavar="PATH",
        type=Path,
        help="a run's folder such as results/reports/EXPERIMENT/runs/DATASET/MODEL/seed0, a folder in "
        "results/segmentations, what `scan2seg segment` wrote to, or a Zarr store: a volume or labels",
    )
    view.set_defaults(run=_view)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def _length(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def _segment(given: argparse.Namespace) -> None:
    """Segment images (PNG, TIFF, JPEG) and volumes (TIFF, NIfTI, HDF5, Zarr, MetaImage, folders of slices) with a
    trained model. Labels, the number of the class, are written in the form of the input: PNG or TIFF of the same name;
    volumes as OME-Zarr, and TIFF and NIfTI as such too, with its header. Beside each stands a JSON file with areas,
    particles and sizes, and summary.csv has them all. What is done is not done again; what cannot be read is named at
    the end, and the others are finished. Nothing is replaced that this command did not write."""
    from scan2seg.inference.applied_model import FileOptions
    from scan2seg.inference.file_segmentation import refuse_unfinished, segment_inputs
    from scan2seg.inference.members import Member
    from scan2seg.inference.model_choice import find_members
    from scan2seg.inference.segmentation_outputs import TABLE

    found = find_members(given.model, given.dataset)
    print(f"model: {' + '.join(str(member.checkpoint.parent) for member in found)}", file=sys.stderr)
    chosen = {name: getattr(given, name) for name in ("tile", "batch_size", "flips")}
    changes = {name: value for name, value in chosen.items() if value is not None}
    changes = {**changes, "probabilities": False}
    members = [Member(member.checkpoint, member.inference.model_copy(update=changes)) for member in found]
    threads = given.threads or len(os.sched_getaffinity(0))
    options = FileOptions(given.device, given.key, given.pixel_size, threads)
    problems = segment_inputs(members, given.inputs, given.output, options)
    if (given.output / TABLE).is_file():
        print(given.output / TABLE)
    refuse_unfinished(problems)


def _export(given: argparse.Namespace) -> None:
    """Write a trained model for other programs: ONNX and torch.export (normalisation inside, labels and probabilities
    out), a model card with data, recipe, scores and limits, and rdf.yaml for bioimage.io. ONNX Runtime's labels are
    compared with ours before the folder appears."""
    from scan2seg.inference.export import export_model
    from scan2seg.inference.model_choice import find_checkpoint

    checkpoint = find_checkpoint(given.model, given.dataset)
    print(export_model(checkpoint, given.folder, size=given.size and tuple(given.size), licence=given.licence))


def _view(given: argparse.Namespace) -> None:
    """Open results in napari, which has to be installed beside (pip install 'napari[all]'): images, labels and
    probabilities are layers, and are read when they are looked at."""
    from scan2seg.viewing import view

    view(given.path)
