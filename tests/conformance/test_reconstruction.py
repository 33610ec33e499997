"""Every backend: the same origin, scale and shape, for odd and even sizes and any centre."""

import numpy as np
import pytest

from scan2seg import plugins
from scan2seg.errors import InputError

KIND = "reconstruction"


def disc_sinogram(columns, angles, centre, x, y, radius):
    distance = np.arange(columns) - centre - (x * np.cos(angles) - y * np.sin(angles))[:, None]
    ends = [np.clip(distance + side, -radius, radius) for side in (0.5, -0.5)]
    upper, lower = (u * np.sqrt(radius**2 - u**2) + radius**2 * np.arcsin(u / radius) for u in ends)
    return (upper - lower).astype(np.float32)


def run(name, sinograms, angles, centre):
    module = plugins.load(KIND, name)
    try:
        return module.reconstruct(sinograms, angles, centre, module.Params(), threads=1, device="auto")
    except InputError as error:
        if "install" in str(error) or "GPU" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize(("size", "offset"), [(96, 0.0), (97, 2.3), (96, -3.5)])
@pytest.mark.parametrize("name", plugins.names(KIND))
def test_a_disc_of_one_is_one_where_it_was(name, size, offset):
    angles = np.arange(144) * np.pi / 144
    centre = (size - 1) / 2 + offset
    sinograms = np.stack(
        [
            disc_sinogram(size, angles, centre, 0, 0, 30),
            disc_sinogram(size, angles, centre, 14, -8, 12),
            np.zeros((144, size), np.float32),
        ]
    )
    before = sinograms.copy()
    slices = run(name, sinograms, angles, centre)
    assert slices.shape == (3, size, size)
    assert slices.dtype == np.float32
    assert np.array_equal(sinograms, before)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    tolerance = 0.13 if name == "tomopy" else 0.01
    for inner, outer in [(0, 12), (12, 20), (20, 26)]:
        ring = (np.hypot(x, y) >= inner) & (np.hypot(x, y) < outer)
        assert slices[0][ring].mean() == pytest.approx(1, abs=tolerance)
    near = np.where(np.hypot(x - 14, y + 8) < 14, slices[1], 0)
    assert (near * x).sum() / near.sum() == pytest.approx(14, abs=0.02 if name == "gridding" else 0.06)
    assert (near * y).sum() / near.sum() == pytest.approx(-8, abs=0.02 if name == "gridding" else 0.06)
    assert np.abs(slices[2]).max() < 1e-3


def block_sinogram(size, angles, rows, columns):
    """Line integrals of a block of ones, pixel by pixel from the formula of the convention."""
    middle = (size - 1) / 2
    row, column = (part.ravel() for part in np.mgrid[rows, columns])
    result = np.zeros((len(angles), size + 1))
    for line, angle in zip(result, angles, strict=True):
        place = (column - middle) * np.cos(angle) - (row - middle) * np.sin(angle) + middle
        left = np.floor(place).astype(int)
        np.add.at(line, left, left + 1 - place)
        np.add.at(line, left + 1, place - left)
    return result[:, :size].astype(np.float32)


@pytest.mark.parametrize("name", plugins.names(KIND))
def test_a_block_comes_back_at_its_rows_and_columns(name):
    angles = np.arange(90) * np.pi / 90
    sinogram = block_sinogram(256, angles, slice(60, 80), slice(100, 140))
    image = run(name, sinogram[None], angles, 127.5)[0]
    rows, columns = (np.flatnonzero(image.mean(axis=axis) > 0.5 * image.mean(axis=axis).max()) for axis in (1, 0))
    assert (rows[0], rows[-1]) == pytest.approx((60, 79), abs=1)
    assert (columns[0], columns[-1]) == pytest.approx((100, 139), abs=1)


@pytest.mark.parametrize("name", plugins.names(KIND))
def test_few_angles_and_one_row_are_finite(name):
    angles = np.array([0.1, 0.9, 2.0])
    slices = run(name, np.ones((1, 3, 33), np.float32), angles, 16.0)
    assert slices.shape == (1, 33, 33)
    assert np.isfinite(slices).all()
