"""The winner put to work: slices of newly segmented scans and the volume fraction of every class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scan2seg import storage
from scan2seg.documents import Json
from scan2seg.reporting import tables
from scan2seg.reporting.content import ScanInput, SegmentationInput, read_optional_json
from scan2seg.reporting.panels import class_colours, label_uri, picture_uri, to_grey
from scan2seg.reporting.pictures import Picture
from scan2seg.reporting.tables import Cell, Table
from scan2seg.reporting.viewer import Viewer
from scan2seg.reporting.walks import open_voxels, walk_volume


@dataclass(frozen=True)
class SegmentationSummary:
    """One segmented scan: facts as pairs of words, the share of every class, slices, and the colours of the classes."""

    scan: str
    facts: list[tuple[str, str]]
    fractions: Table | None
    slices: list[Picture]
    colours: list[tuple[str, str]]
    viewer: Viewer | None


def summarise_segmentation(
    entry: SegmentationInput, scans: Sequence[ScanInput], budget: int
) -> SegmentationSummary | None:
    """Describe one segmented scan from its "labels" store and the summary.json beside it; None where it is missing.

    Its slices take up to ``budget`` bytes.
    """
    path, scan = entry["labels"], entry["scan"]
    if not path.exists():
        return None
    labels = open_voxels(path)
    attributes: dict[str, Any] = dict(storage.open_store(path).attrs)
    summary = read_optional_json(path.with_name("summary.json"))
    classes = [str(name) for name in attributes.get("classes", [])]
    colours = class_colours(max(len(classes), 1))
    facts = [("model", str(summary.get("model") or attributes.get("model") or tables.UNKNOWN))]
    facts.append(("volume", " × ".join(str(length) for length in labels.shape) + " voxels"))
    if summary.get("unlike_training"):
        facts.append(("unlike the training data", "; ".join(map(str, summary["unlike_training"]))))
    source = next((found for found in scans if found["scan"] == scan), None)
    middle = int(labels.shape[0]) // 2
    slices = [
        Picture(f"labels of slice {middle + 1} of {labels.shape[0]}", label_uri(np.asarray(labels[middle]), colours))
    ]
    volume = (source.get("denoised") or source.get("reconstruction")) if source else None
    if volume is not None and volume.exists():
        grey = np.asarray(open_voxels(volume)[middle]).astype(np.float32)
        slices.insert(0, Picture(f"slice {middle + 1} of {labels.shape[0]}", picture_uri(to_grey(grey))))
    legend = list(zip(classes, (f"rgb{colour}" for colour in colours), strict=False))
    grounds = [("scan", volume)] if volume is not None and volume.exists() else []
    viewer = walk_volume(grounds, path, "segmentation", f"walk-segmentation-{scan}", budget)
    return SegmentationSummary(scan, facts, _fractions(summary), slices, legend, viewer)


def _fractions(summary: Json) -> Table | None:
    """Return what is known of each class; particles where they were counted, as older summaries do not."""
    shares, voxels = summary.get("volume_fractions"), summary.get("voxels") or {}
    if not shares:
        return None
    particles = summary.get("classes") or {}
    unit = f" ({summary.get('unit', 'pixel')}s)"
    more = ["particles", f"mean diameter{unit}", "mean sphericity", "connects along"] if particles else []
    rows = []
    for name, share in shares.items():
        row = [tables.text(name), tables.percent(share, 2), tables.quantity(voxels.get(name))]
        rows.append([*row, *(_describe_particles(particles[name]) if particles else [])])
    return Table(["class", "volume fraction", "voxels", *more], rows)


def _describe_particles(found: Json) -> list[Cell]:
    cells = [tables.quantity(found["particles"]), tables.number(found["mean_diameter"], 2)]
    return [*cells, tables.number(found["mean_sphericity"], 2), tables.text(", ".join(found["connects"]) or "none")]
