"""Discs, whose line integrals over a detector pixel are known exactly."""

from pathlib import Path

import h5py
import numpy as np


def disc_sinogram(columns, angles, centre, discs):
    """Line integrals (projections, columns) of discs (x, y, radius, value), averaged over each detector pixel."""
    result = np.zeros((len(angles), columns))
    column = np.arange(columns) - centre
    for x, y, radius, value in discs:
        distance = column[None] - (x * np.cos(angles) - y * np.sin(angles))[:, None]
        result += value * (_area(distance + 0.5, radius) - _area(distance - 0.5, radius))
    return result.astype(np.float32)


def _area(u, radius):
    u = np.clip(u, -radius, radius)
    return u * np.sqrt(radius**2 - u**2) + radius**2 * np.arcsin(u / radius)


def grid(size):
    """Row and column of every pixel from the slice's middle."""
    return np.mgrid[:size, :size] - (size - 1) / 2


def write_scan(path: Path, integrals, degrees, beam=20000.0, dark=100.0, dtype=np.uint16, structured=True, **extra):
    """A Data Exchange file of counts from line integrals (rows, projections, columns); extra: name=None leaves out."""
    rows, _, columns = integrals.shape
    pattern = 1 + 0.2 * np.sin(np.arange(columns) / 7) * np.cos(np.arange(rows) / 3)[:, None] if structured else 1.0
    flat = np.broadcast_to(beam * pattern + dark, (rows, columns))
    counts = np.exp(-integrals.transpose(1, 0, 2)) * (flat - dark) + dark
    content = {
        "exchange/data": counts,
        "exchange/data_white": np.repeat(flat[None], 5, axis=0),
        "exchange/data_dark": np.full((5, rows, columns), dark),
    }
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            file[name] = np.round(value).astype(dtype) if np.dtype(dtype).kind in "ui" else value.astype(dtype)
        file["exchange/theta"] = np.asarray(degrees, float)
        file["exchange/theta"].attrs["units"] = "deg"
        for name, value in extra.items():
            name = name.replace("__", "/")
            if name in file:
                del file[name]
            if value is not None:
                file[name] = value
    return path
