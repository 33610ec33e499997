"""Volumes of one scan that was reconstructed in several ways, compared with the first and, where known, the truth."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from scan2seg import storage
from scan2seg.config.simulation import SimulationSettings
from scan2seg.errors import InputError
from scan2seg.inference.recorded_settings import recall
from scan2seg.places import evenly
from scan2seg.reporting import tables
from scan2seg.reporting.content import ScanInput
from scan2seg.reporting.tables import Cell, Table
from scan2seg.reporting.walks import open_voxels
from scan2seg.simulation.phantom import label_slice, particles_between

SLICES = 8
"""Volumes are compared on at most this many slices, evenly spread."""
RADIUS = 0.94
"""The share of a slice's inner circle that is compared: beyond it not every projection saw the specimen."""
CAPTION = (
    "Over at most {slices} slices, evenly spread, within {radius} of the circle in a slice. The difference (root mean "
    "square) and the correlation are to the first row of the same step; a dash stands where sizes differ. The error is "
    "the root mean square over voxels whose 27 neighbours are of one material of the simulation, the bias the mean "
    "there of the material that it is largest for."
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VolumeTable:
    """The volumes of a scan, a row each."""

    scan: str
    table: Table


def compare_volumes(scans: Sequence[ScanInput], variants: Sequence[Sequence[str]]) -> list[VolumeTable]:
    """Return a table a scan that several variants of one dataset have volumes of, which are there.

    A few slices are in memory, never a volume.
    """
    found = []
    for names in variants:
        mine = [entry for entry in scans if entry["dataset"] in names]
        for scan in dict.fromkeys(entry["scan"] for entry in mine):
            rows = _rows([entry for entry in mine if entry["scan"] == scan])
            if len({row[0].text for row in rows}) > 1:
                head = ["dataset", "step", "mean", "standard deviation", "difference", "correlation", "error", "bias"]
                caption = CAPTION.format(slices=SLICES, radius=RADIUS)
                found.append(VolumeTable(scan, Table(head, rows, caption=caption)))
    return found


def _rows(entries: Sequence[ScanInput]) -> list[list[Cell]]:
    rows = []
    for step, path_of in (("reconstructed", _reconstructed), ("denoised", _denoised)):
        first: Floats | None = None
        seen: set[Path] = set()
        for entry in entries:
            path = path_of(entry)
            if path is None or not path.exists() or path in seen:
                continue
            seen.add(path)
            volume = open_voxels(path)
            heights = evenly(volume.shape[0], SLICES)
            values = np.stack([np.asarray(volume[z], np.float64) for z in heights])
            values = values[:, _circle(values.shape[1:])]
            first = values if first is None else first
            cells = [tables.text(entry["dataset"]), tables.text(step), _short(values.mean()), _short(values.std())]
            rows.append([*cells, *_against(first, values), *_errors(entry, path, volume, heights)])
    return rows


def _reconstructed(entry: ScanInput) -> Path | None:
    return entry["reconstruction"]


def _denoised(entry: ScanInput) -> Path | None:
    return entry["denoised"]


def _circle(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = (y - (shape[0] - 1) / 2) ** 2 + (x - (shape[1] - 1) / 2) ** 2
    return np.asarray(distance < (RADIUS * min(shape) / 2) ** 2)


def _short(value: float) -> Cell:
    """Return a cell of an attenuation: three digits, whatever its size."""
    return Cell(f"{value:.3g}".replace("-", "−"), float(value))


def _against(first: Floats, values: Floats) -> list[Cell]:
    if values is first or first.shape != values.shape:
        return [Cell(tables.UNKNOWN), Cell(tables.UNKNOWN)]
    spread = first.std() * values.std()
    both = float(((first - first.mean()) * (values - values.mean())).mean())
    return [_short(np.sqrt(((values - first) ** 2).mean())), tables.number(both / spread if spread else None, 4)]


def _errors(entry: ScanInput, path: Path, volume: zarr.Array[Any], heights: Sequence[int]) -> list[Cell]:
    """Return error and bias against the attenuation that was simulated; dashes where it is not known."""
    settings = _simulated(entry, path, volume.shape)
    if settings is None:
        return [Cell(tables.UNKNOWN), Cell(tables.UNKNOWN)]
    circle = _circle(volume.shape[1:])
    errors: list[list[Floats]] = [[] for _ in settings.materials]
    for z in heights:
        near = range(z - 1, z + 2)
        materials = np.stack([label_slice(settings, particles_between(settings, row, row + 1), row) for row in near])
        pure = (minimum_filter(materials, 3) == maximum_filter(materials, 3))[1] & circle
        values = np.asarray(volume[z], np.float64)
        for index, material in enumerate(settings.materials):
            errors[index].append(values[pure & (materials[1] == index)] - material.attenuation)
    of_material = {m.name: np.concatenate(part) for m, part in zip(settings.materials, errors, strict=True)}
    bias = {name: float(part.mean()) for name, part in of_material.items() if part.size}
    if not bias:
        return [Cell(tables.UNKNOWN), Cell(tables.UNKNOWN)]
    worst = max(bias, key=lambda name: abs(bias[name]))
    everything = np.concatenate(list(of_material.values()))
    return [_short(np.sqrt((everything**2).mean())), Cell(f"{bias[worst]:+.2g}", bias[worst], note=worst)]


def _simulated(entry: ScanInput, path: Path, shape: tuple[int, ...]) -> SimulationSettings | None:
    """Return what was simulated; None where that is not known, or the volume does not lie as the specimen did."""
    labels = entry["labels"]
    if labels is None or not labels.exists() or tuple(open_voxels(labels).shape) != tuple(shape):
        return None
    attributes: dict[str, Any] = dict(storage.open_store(path).attrs)
    made = attributes.get("reconstruction_provenance") or attributes.get("provenance") or {}
    settings = made.get("settings") or {}
    if settings.get("orientation", "none") != "none" or settings.get("units", "per_pixel") != "per_pixel":
        return None
    known: dict[str, Any] = dict(storage.open_store(labels).attrs)
    simulated: dict[str, Any] = (known.get("provenance") or {}).get("settings") or {}
    with suppress(InputError):  # of another version
        return recall(SimulationSettings, simulated, labels, "what was simulated")
    return None
