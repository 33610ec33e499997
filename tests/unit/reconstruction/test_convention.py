"""Which way up a slice is: as TomoPy's own projector and the formula of the convention have it."""

import numpy as np
import pytest
from analytic import grid

from scan2seg.reconstruction import gridding_kernel, projector
from scan2seg.simulation.projection import project

ROWS, COLUMNS = slice(2, 4), slice(1, 5)
DEGREES = np.array([0.0, 30.0, 90.0, 135.0])
# What TomoPy's ``project(slice, angles, pad=False)`` makes of a slice of 12 x 12 pixels, 1 in ROWS and COLUMNS.
TOMOPY = np.array(
    [
        [0, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1.917, 2.309, 2.309, 1.464, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0.757, 2.757, 2.828, 1.728],
    ]
)


def block():
    image = np.zeros((12, 12), np.float32)
    image[ROWS, COLUMNS] = 1
    return image


def mean_place(lines):
    return (lines * np.arange(lines.shape[1])).sum(axis=1) / lines.sum(axis=1)


def test_projections_fall_where_tomopys_do():
    along = projector.directions(np.deg2rad(DEGREES), 5.5, 12)
    for lines in (projector.forward(block(), along, 12), project(block(), DEGREES, 5.5)):
        assert mean_place(lines) == pytest.approx(mean_place(TOMOPY), abs=0.15)
        assert np.abs(lines - TOMOPY).max() < 0.8


def test_the_projector_of_tomopy_gives_the_stored_lines():
    tomopy = pytest.importorskip("tomopy")
    lines = tomopy.project(block()[None], np.deg2rad(DEGREES), pad=False, emission=True, sinogram_order=True)[0]
    assert np.abs(lines - TOMOPY).max() < 1e-3


def test_a_blob_projected_by_the_formula_comes_back_where_it_was():
    # The line integral of a Gaussian is a Gaussian: nothing of this package makes these projections.
    size, row, column = 64, 14.0, 40.0
    middle, angles = (size - 1) / 2, np.arange(90) * np.pi / 90
    place = (column - middle) * np.cos(angles) - (row - middle) * np.sin(angles) + middle
    lines = np.exp(-((np.arange(size) - place[:, None]) ** 2) / 18) * np.sqrt(18 * np.pi)
    plan = gridding_kernel.make_plan(size, angles, middle)
    image = gridding_kernel.reconstruct(lines[None].astype(np.float32), plan)[0]
    y, x = grid(size) + middle
    assert np.abs(image - np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18)).max() < 0.02
