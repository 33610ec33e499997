"""What an experiment will take of disk and memory, known from headers before its first job."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.volumes import scan_volumes
from scan2seg.config.dataset import Dataset
from scan2seg.config.experiment import Experiment
from scan2seg.config.images import ImageSource
from scan2seg.config.model import Model
from scan2seg.config.problems import Problem
from scan2seg.config.simulation import SimulationSettings
from scan2seg.config.source import SimulationSource
from scan2seg.pixel_types import find_type
from scan2seg.windows import window_starts

COMPRESSION = 8
"""How well stores are compressed depends on the data. Where even this would not do, the room is surely too small."""


@dataclass(frozen=True)
class Extent:
    """The images of a dataset, as its stack will hold them."""

    count: int
    channels: int
    height: int
    width: int
    volumes: int = 0
    """Bytes of the volumes and simulated projections before the stack."""
    pixel: int = 4
    """Bytes of a grey value."""

    @property
    def stack(self) -> int:
        """Bytes of the stack: images in the type that holds their values, and one byte of label a pixel."""
        return self.count * self.height * self.width * (self.pixel * self.channels + 1)


def describe_needs(experiment: Experiment) -> list[str]:
    """Word what the experiment will take of disk at most, beside what is free, and the largest job's memory."""
    disk = estimate_disk(experiment)
    parts = ", ".join(f"{name} {_word(size)}" for name, size in disk.items() if size)
    free = free_disk(experiment.settings.results)
    written = f"disk: at most {_word(sum(disk.values()))} to write, before compression ({parts or 'all is there'})"
    lines = [f"{written}; {_word(free)} are free"]
    if asked := [model.resources.mem_mb for model in experiment.models.values()]:
        lines.append(f"memory: the largest model job asks for {_word(max(asked) * 10**6)} (resources.mem_mb)")
    return lines


def find_shortages(experiment: Experiment, path: str) -> Iterator[Problem]:
    """Yield what cannot fit: results onto the disk, even compressed well, or a batch into a job's memory."""
    needed, free = sum(estimate_disk(experiment).values()), free_disk(experiment.settings.results)
    if needed / COMPRESSION > free:
        message = f"the experiment writes up to {_word(needed)}, and only {_word(free)} are free; free space or move it"
        yield Problem(path, "results", message, experiment.settings.results)
    for dataset in experiment.datasets.values():
        extent = find_extent(dataset) if dataset.has_labels() else None
        for model in experiment.models.values() if extent else ():
            assert extent is not None
            batch = model.training.batch_size * _patch_bytes(model, extent)
            if batch > model.resources.mem_mb * 10**6 and not model.resources.gpus:
                message = f"one batch takes {_word(batch)}; raise it, or lower training.batch_size or patching.size"
                file = experiment.files.get(f"models.{model.name}", path)
                yield Problem(file, "resources.mem_mb", message, model.resources.mem_mb)


def estimate_disk(experiment: Experiment) -> dict[str, int]:
    """Return the bytes, before compression, of each kind of result that is not there yet; what is shared counts once.

    What cannot be opened counts as nothing.
    """
    total = dict.fromkeys(("volumes", "stacks", "patches", "predictions"), 0)
    catalogue, results = Catalogue(experiment), Path(experiment.settings.results)
    counted: set[str] = set()

    def add(kind: str, path: str, size: int) -> None:
        if path not in counted and not (results / path).exists():
            total[kind] += size
        counted.add(path)

    for name, dataset in {**experiment.datasets, **experiment.pretraining, **experiment.new_scans}.items():
        extent = find_extent(dataset)
        if extent is None:
            continue
        for volume in (volumes := scan_volumes(dataset)).values():
            add("volumes", volume.path, extent.volumes // len(volumes))
        if name not in experiment.datasets or not dataset.has_labels():
            continue
        add("stacks", catalogue.splits_of[name].stack.path, extent.stack)
        for model in experiment.recipes():
            size = _patch_count(model, extent) * _patch_bytes(model, extent)
            add("patches", catalogue.patches_of(name, model.patching).path, size)
        for run in catalogue.runs:
            if run.dataset == name and run.model in experiment.models:
                size = _prediction_bytes(experiment.models[run.model], dataset, extent)
                add("predictions", f"{run.applied}/prediction.zarr", size)
    return total


def _prediction_bytes(model: Model, dataset: Dataset, extent: Extent) -> int:
    shares = dataset.split.shares()
    share = shares.test if shares.test < 1 else min(1.0, shares.test / extent.count)
    kept = len(dataset.classes) if model.inference.probabilities else 0
    return math.ceil(share * extent.count) * extent.height * extent.width * (1 + kept)


def find_extent(dataset: Dataset) -> Extent | None:
    """Read the extent of a dataset from its headers and one image; None where they cannot be read."""
    from scan2seg.errors import InputError
    from scan2seg.readers import open_scan
    from scan2seg.sources import list_items

    try:
        if isinstance(dataset.source, SimulationSource):
            return _of_scans([_simulated(scan) for scan in dataset.source.scans.values()])
        if dataset.scans():
            shapes = []
            for name in dataset.scans():
                with open_scan(dataset.scan_source(name)) as scan:
                    shapes.append((0, scan.shape[1], scan.shape[2]))
            return _of_scans(shapes)
        items = list_items(dataset.stack_source(), {})
        height, width = (max(item.size[axis] for item in items) for axis in (0, 1))
        first = items[0].read()
        # files may be of several types only where the source says what their values mean
        mixed = isinstance(dataset.source, ImageSource) and dataset.source.intensities is not None
        pixel = 4 if mixed or items[0].finish else find_type(first).itemsize
        return Extent(len(items), first.shape[0], height, width, pixel=pixel)
    except (InputError, OSError, ValueError):
        # told by the checks of the data
        return None


def free_disk(results: str) -> int:
    """Return the free bytes of the file system that the results will lie on."""
    folder = Path(results).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _simulated(scan: SimulationSettings) -> tuple[int, int, int]:
    return (scan.projections, scan.rows, scan.size)


def _of_scans(shapes: list[tuple[int, int, int]]) -> Extent:
    """Make the extent of scans from (projections that are written too, rows, columns)."""
    # reconstruction and denoised volume, float32, with their coarser levels, each an eighth of the one before
    volumes = sum(
        4 * (2 * rows * columns**2 * 8 // 7 + projections * rows * columns) for projections, rows, columns in shapes
    )
    columns = max(columns for _, _, columns in shapes)
    return Extent(sum(rows for _, rows, _ in shapes), 1, columns, columns, volumes)


def _patch_size(model: Model, extent: Extent) -> tuple[int, int]:
    return model.patching.pair(model.patching.size) or (extent.height, extent.width)


def _patch_bytes(model: Model, extent: Extent) -> int:
    channels = extent.channels * (2 * model.patching.neighbours + 1)
    return math.prod(_patch_size(model, extent)) * (model.patching.depth or 1) * (4 * channels + 1)


def _patch_count(model: Model, extent: Extent) -> int:
    settings = model.patching
    size = _patch_size(model, extent)
    stride = settings.pair(settings.stride) or size
    if settings.strategy == "foreground":
        places = settings.count
    else:
        lengths = (extent.height, extent.width)
        places = math.prod(len(window_starts(*axis)) for axis in zip(lengths, size, stride, strict=True))
    depth = settings.depth_stride or settings.depth or 1
    return places * math.ceil(extent.count / depth)


def _word(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"
        size /= 1000
    raise AssertionError
