"""The reconstruction section: slices of a scan before and after denoising, and what was measured on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.ignore import IGNORE
from scan2seg.places import evenly
from scan2seg.reporting.charts import FigureFolder, new_figure, styled
from scan2seg.reporting.content import ScanInput
from scan2seg.reporting.panels import class_colours, label_uri, picture_uri, to_grey
from scan2seg.reporting.pictures import Picture
from scan2seg.reporting.viewer import Viewer
from scan2seg.reporting.walks import open_voxels, walk_volume

MOST_ROWS = 256
"""A vertical section reads at most this many slices, evenly spread."""
FEWEST_ROWS = 16
"""With fewer slices a vertical section shows nothing."""


@dataclass(frozen=True)
class ScanSummary:
    """One scan: facts as pairs of words, slices, a detail before and after denoising, the colours of labels."""

    dataset: str
    scan: str
    facts: list[tuple[str, str]]
    slices: list[Picture]
    detail: list[Picture]
    colours: list[tuple[str, str]]
    viewer: Viewer | None


def summarise_scan(entry: ScanInput, figures: FigureFolder, budget: int) -> ScanSummary | None:
    """Describe one scan, its slices in ``budget`` bytes; None when neither volume exists.

    A few slices are in memory, never the volume.
    """
    before, after = _existing(entry.get("reconstruction")), _existing(entry.get("denoised"))
    known, main = _existing(entry.get("labels")), after or before
    if main is None:
        return None
    volume = open_voxels(main)
    depth = int(volume.shape[0])
    middle = depth // 2
    facts = _facts(main, volume)
    labels, colours = _known_labels(known, middle)
    slices = [
        Picture(f"slice {z + 1} of {depth}", picture_uri(_slice(volume, z))) for z in _heights(depth, bool(labels))
    ]
    slices += labels
    if depth >= FEWEST_ROWS:
        slices.append(Picture(f"vertical section at row {volume.shape[1] // 2 + 1}", picture_uri(_section(volume))))
    detail = _detail(before, after, middle)
    _save(figures, f"scan_{entry['dataset']}_{entry['scan']}", volume, detail)
    pictures = [Picture(caption, picture_uri(pixels)) for caption, pixels in detail]
    versions = [(name, path) for name, path in (("reconstructed", before), ("denoised", after)) if path is not None]
    anchor = f"walk-{entry['dataset']}-{entry['scan']}"
    viewer = walk_volume(versions, known, "known labels", anchor, budget)
    return ScanSummary(entry["dataset"], entry["scan"], facts, slices, pictures, colours, viewer)


def _existing(path: Path | str | None) -> Path | None:
    return Path(path) if path is not None and Path(path).exists() else None


def _known_labels(path: Path | None, z: int) -> tuple[list[Picture], list[tuple[str, str]]]:
    """Return a picture of the labels of one slice and the colours of the classes; nothing without labels."""
    if path is None:
        return [], []
    labels = np.asarray(open_voxels(path)[z])
    attributes: dict[str, Any] = dict(storage.open_store(path).attrs)
    names = [str(name) for name in attributes.get("classes") or []]
    colours = class_colours(max(len(names), int(labels[labels < IGNORE].max(initial=0)) + 1))
    picture = Picture(f"known labels of slice {z + 1}", label_uri(labels, colours))
    return [picture], [(name, f"rgb{colour}") for name, colour in zip(names, colours, strict=False)]


def _heights(depth: int, few: bool) -> list[int]:
    if depth <= 3:
        return list(range(depth))
    return sorted({depth // 4, depth // 2} | (set() if few else {(3 * depth) // 4}))


def _slice(volume: zarr.Array[Any], z: int) -> NDArray[np.uint8]:
    return to_grey(np.asarray(volume[z]).astype(np.float32))


def _section(volume: zarr.Array[Any]) -> NDArray[np.uint8]:
    row, heights = volume.shape[1] // 2, evenly(volume.shape[0], MOST_ROWS)
    return to_grey(np.stack([np.asarray(volume[z, row]).astype(np.float32) for z in heights]))


def _detail(before: Path | None, after: Path | None, z: int) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return the middle of one slice before and after denoising on one grey scale, and their difference.

    Nothing where no step of denoising ran, as the volume's attributes say.
    """
    if before is None or after is None or not storage.open_store(after).attrs.get("denoising"):
        return []
    pair = [np.asarray(open_voxels(path)[z]).astype(np.float32) for path in (before, after)]
    if pair[0].shape != pair[1].shape:
        return []
    crop = tuple(_middle_part(length) for length in pair[0].shape)
    noisy, clean = pair[0][crop], pair[1][crop]
    shown = to_grey(np.concatenate([noisy, clean], axis=1))
    names = ("reconstructed (centre of the slice)", "denoised, on the same grey scale", "what was removed")
    return list(
        zip(names, (shown[:, : noisy.shape[1]], shown[:, noisy.shape[1] :], to_grey(noisy - clean)), strict=True)
    )


def _middle_part(length: int) -> slice:
    """Return the middle quarter of an axis, or 128 pixels where those are more: enough to see the grain."""
    part = min(length, max(length // 4, 128))
    start = (length - part) // 2
    return slice(start, start + part)


def _facts(path: Path, volume: zarr.Array[Any]) -> list[tuple[str, str]]:
    attributes: dict[str, Any] = dict(storage.open_store(path).attrs)
    facts = [("size in voxels (z, y, x)", " × ".join(str(length) for length in volume.shape))]
    if attributes.get("pixel_size"):
        facts.append(("voxel size", f"{attributes['pixel_size']:.4g} µm"))
    made = attributes.get("reconstruction_provenance") or attributes.get("provenance") or {}
    settings = made.get("settings") or {}
    facts += [(key, _method(settings[key])) for key in ("backend", "stripes") if _method(settings.get(key))]
    steps = [_method(step) for step in attributes.get("denoising") or []]
    facts += [("denoising", ", ".join(steps))] if steps else []
    skipped = ("ome", "provenance", "reconstruction_provenance", "pixel_size", "denoising")
    return facts + _flatten({key: value for key, value in attributes.items() if key not in skipped})


def _method(value: Any) -> str:
    """Return the name of a method, given alone or with its settings."""
    name = value.get("method") if isinstance(value, Mapping) else value
    return str(name or "").replace("_", " ")


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return measured values, such as the centre and its method, as pairs of words; long values are left out."""
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ").removesuffix(": value")
        if isinstance(value, Mapping):
            found += _flatten(value, f"{key}: ")
        elif isinstance(value, bool):
            found.append((name, "yes" if value else "no"))
        elif isinstance(value, (int, float)):
            found.append((name, f"{value:,}" if isinstance(value, int) else f"{value:.5g}"))
        elif isinstance(value, str) and len(value) < 200:
            found.append((name, value.replace("_", " ")))
    return found


@styled
def _save(
    figures: FigureFolder, name: str, volume: zarr.Array[Any], detail: list[tuple[str, NDArray[np.uint8]]]
) -> None:
    middle = volume.shape[0] // 2
    pictures = [(f"slice {middle + 1}", _slice(volume, middle)), *detail]
    figure, axes = new_figure(3.2 * len(pictures), 3.5, 1, len(pictures))
    for axis, (title, pixels) in zip(axes, pictures, strict=True):
        axis.imshow(pixels, cmap="gray", interpolation="nearest")
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(figures.folder / f"{name}.png", dpi=110, facecolor="white")
