"""The winner put to work on images and volumes in files: shares of the classes, and some of the labels to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.documents import Json
from scan2seg.places import evenly
from scan2seg.readers.images import read_image
from scan2seg.reporting import tables
from scan2seg.reporting.content import LabelledFilesInput, read_optional_json
from scan2seg.reporting.panels import Colour, class_colours, label_uri
from scan2seg.reporting.pictures import Picture
from scan2seg.reporting.segmentations import SegmentationSummary
from scan2seg.reporting.tables import Table

_SHOWN = 3


def summarise_labelled_files(entry: LabelledFilesInput) -> SegmentationSummary | None:
    """Describe the labels of a dataset's files, from their folder and the summary.json beside it; None without them."""
    folder = entry["labels"]
    summary = read_optional_json(folder.with_name("summary.json"))
    files: dict[str, Json] = summary.get("files") or {}
    if not folder.is_dir() or not files:
        return None
    classes = list(next(iter(files.values()))["classes"])
    colours = class_colours(len(classes))
    facts = [("model", str(summary.get("model", tables.UNKNOWN))), ("files", str(len(files)))]
    if unlike := summary.get("unlike_training"):
        name, differences = next(iter(unlike.items()))
        words = f"{len(unlike)} of the files, such as {name}: {'; '.join(differences)}"
        facts.append(("unlike the training data", words))
    chosen = [list(files)[place] for place in evenly(len(files), _SHOWN)]
    pictures = [_draw(folder, name, colours) for name in chosen]
    legend = list(zip(classes, (f"rgb{colour}" for colour in colours), strict=False))
    return SegmentationSummary(entry["dataset"], facts, _shares(files, classes), pictures, legend, None)


def _draw(folder: Path, name: str, colours: list[Colour]) -> Picture:
    """Draw the labels of a file, of a volume those of its middle slice; the files themselves are not looked at."""
    labels = folder / name
    if labels.suffix != ".zarr":
        return Picture(f"labels of {name}", label_uri(np.asarray(read_image(labels)), colours))
    array: Any = storage.open_array(labels, "label")
    middle = array.shape[0] // 2
    plane: NDArray[Any] = np.asarray(array[middle])
    return Picture(f"{name}: labels of slice {middle + 1} of {array.shape[0]}", label_uri(plane, colours))


def _shares(files: Mapping[str, Json], classes: list[str]) -> Table:
    rows = []
    for name in classes:
        found = [facts["classes"][name] for facts in files.values()]
        shares = [values["phase_fraction"] for values in found if values["phase_fraction"] is not None]
        mean = float(np.mean(shares)) if shares else None
        cells = [tables.percent(value, 2) for value in (mean, min(shares, default=None), max(shares, default=None))]
        rows.append([tables.text(name), *cells, tables.quantity(sum(values["particles"] for values in found))])
    return Table(["class", "share, mean of the files", "least", "most", "particles"], rows)
