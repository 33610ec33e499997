"""The reconstruction section: slices of a scan before and after denoising, and what was measured on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.reporting.charts import FigureFolder, new_figure, styled
from scan2seg.reporting.content import ScanInput
from scan2seg.reporting.panels import class_colours, label_uri, picture_uri, to_grey

MOST_ROWS = 256
"""A vertical section reads at most this many slices, evenly spread."""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with words under it."""

    caption: str
    source: str


@dataclass(frozen=True)
class ScanSummary:
    """One scan: facts as pairs of words, slices of the volume, and a detail before and after denoising."""

    dataset: str
    scan: str
    facts: list[tuple[str, str]]
    slices: list[Picture]
    detail: list[Picture]


def summarise_scan(entry: ScanInput, figures: FigureFolder) -> ScanSummary | None:
    """Describe one scan; None when neither volume exists. A few slices are in memory, never the volume."""
    before, after = _existing(entry.get("reconstruction")), _existing(entry.get("denoised"))
    known, main = _existing(entry.get("labels")), after or before
    if main is None:
        return None
    volume = open_volume(main)
    middle = volume.shape[0] // 2
    facts = _facts(before or main, volume)
    slices = [
        Picture(f"slice {z} of {volume.shape[0]}", picture_uri(_slice(volume, z))) for z in _heights(volume.shape[0])
    ]
    slices.append(Picture(f"vertical section at y = {volume.shape[1] // 2}", picture_uri(_section(volume))))
    if known is not None:
        labels = np.asarray(open_volume(known)[middle])
        colours = class_colours(int(labels[labels < 255].max(initial=0)) + 1)
        slices.append(Picture(f"known labels of slice {middle}", label_uri(labels, colours)))
    detail = _detail(before, after, middle)
    _save(figures, f"scan_{entry['dataset']}_{entry['scan']}", volume, detail)
    pictures = [Picture(caption, picture_uri(pixels)) for caption, pixels in detail]
    return ScanSummary(entry["dataset"], entry["scan"], facts, slices, pictures)


def open_volume(path: Path) -> zarr.Array[Any]:
    """Open the one three-dimensional array (z, y, x) of a store, whatever its name."""
    group = storage.open_store(path)
    names = [name for name, array in group.arrays() if array.ndim == 3]
    return storage.open_array(path, "volume" if "volume" in names or not names else names[0])


def _existing(path: Path | str | None) -> Path | None:
    return Path(path) if path is not None and Path(path).exists() else None


def _heights(depth: int) -> list[int]:
    return sorted({depth // 4, depth // 2, (3 * depth) // 4})


def _slice(volume: zarr.Array[Any], z: int) -> NDArray[np.uint8]:
    return to_grey(np.asarray(volume[z]).astype(np.float32))


def _section(volume: zarr.Array[Any]) -> NDArray[np.uint8]:
    depth, row = volume.shape[0], volume.shape[1] // 2
    heights = np.unique(np.linspace(0, depth - 1, min(depth, MOST_ROWS)).astype(int)).tolist()
    return to_grey(np.stack([np.asarray(volume[z, row]).astype(np.float32) for z in heights]))


def _detail(before: Path | None, after: Path | None, z: int) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return the central quarter of one slice before and after denoising on one grey scale, and their difference."""
    if before is None or after is None:
        return []
    pair = [np.asarray(open_volume(path)[z]).astype(np.float32) for path in (before, after)]
    if pair[0].shape != pair[1].shape:
        return []
    height, width = pair[0].shape
    crop = (slice(3 * height // 8, 5 * height // 8 + 1), slice(3 * width // 8, 5 * width // 8 + 1))
    noisy, clean = pair[0][crop], pair[1][crop]
    shown = to_grey(np.concatenate([noisy, clean], axis=1))
    names = ("reconstructed (centre of the slice)", "denoised, on the same grey scale", "what was removed")
    return list(
        zip(names, (shown[:, : noisy.shape[1]], shown[:, noisy.shape[1] :], to_grey(noisy - clean)), strict=True)
    )


def _facts(path: Path, volume: zarr.Array[Any]) -> list[tuple[str, str]]:
    attributes: dict[str, Any] = dict(storage.open_store(path).attrs)
    facts = [("volume", " × ".join(str(length) for length in volume.shape) + " voxels (z, y, x)")]
    if attributes.get("pixel_size"):
        facts.append(("voxel size", f"{attributes.pop('pixel_size'):.4g} µm"))
    provenance = attributes.get("provenance")
    settings = provenance.get("settings", {}) if isinstance(provenance, Mapping) else {}
    backend = settings.get("backend") or settings.get("method") if isinstance(settings, Mapping) else None
    if backend:
        facts.append(("backend", str(backend.get("method") if isinstance(backend, Mapping) else backend)))
    skipped = ("ome", "provenance", "pixel_size")
    return facts + list(_flatten({key: value for key, value in attributes.items() if key not in skipped}))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return measured values, such as the centre and its method, as pairs of words; long lists are left out."""
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            found += _flatten(value, f"{prefix}{key}: ")
        elif isinstance(value, float):
            found.append((name, f"{value:.5g}"))
        elif isinstance(value, (str, int)) and len(str(value)) < 200:
            found.append((name, str(value)))
    return found


@styled
def _save(
    figures: FigureFolder, name: str, volume: zarr.Array[Any], detail: list[tuple[str, NDArray[np.uint8]]]
) -> None:
    middle = volume.shape[0] // 2
    pictures = [(f"slice {middle}", _slice(volume, middle)), *detail]
    figure, axes = new_figure(3.2 * len(pictures), 3.5, 1, len(pictures))
    for axis, (title, pixels) in zip(axes, pictures, strict=True):
        axis.imshow(pixels, cmap="gray", interpolation="nearest")
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(figures.folder / f"{name}.png", dpi=110, facecolor="white")
