"""The iterative method's projector and bounds, the shift of origins, and the picture of centres."""

import numpy as np
import pytest
from analytic import disc_sinogram, grid, write_scan

from scan2seg.errors import InputError
from scan2seg.reconstruction import gridding_kernel, projector, sirt
from scan2seg.reconstruction.centre_gallery import centre_gallery
from scan2seg.reconstruction.shifting import moved_origin


def test_backward_is_the_transpose_of_forward():
    rng = np.random.default_rng(0)
    along = projector.directions(np.linspace(0, 3, 17), 20.3, 40)
    image, sinogram = rng.random((40, 40)).astype(np.float32), rng.random((17, 45)).astype(np.float32)
    left = float((projector.forward(image, along, 45) * sinogram).sum())
    right = float((projector.backward(sinogram, along, 40) * image).sum())
    assert left == pytest.approx(right, rel=1e-4)


def test_forward_matches_the_disc():
    angles = np.linspace(0, np.pi, 20)
    rows, columns = grid(101)
    image = (np.hypot(columns - 12, rows + 7) <= 20).astype(np.float32)
    along = projector.directions(angles, 52.0, 101)
    difference = projector.forward(image, along, 101) - disc_sinogram(101, angles, 52.0, [(12, -7, 20, 1)])
    assert np.abs(difference).mean() < 0.4


def test_few_noisy_projections_are_better_with_a_bound_than_filtered():
    angles = np.arange(30) * np.pi / 30
    rows, columns = grid(80)
    truth = (np.hypot(columns, rows) < 25) + 1.0 * (np.hypot(columns - 8, rows - 5) < 6)
    clean = disc_sinogram(80, angles, 39.5, [(0, 0, 25, 1), (8, 5, 6, 1)])
    noisy = (clean + np.random.default_rng(0).normal(0, 0.5, clean.shape)).astype(np.float32)[None]
    filtered = gridding_kernel.reconstruct(noisy, gridding_kernel.make_plan(80, angles, 39.5))[0]
    iterative = sirt.reconstruct(noisy, angles, 39.5, sirt.Params())[0]
    inside = np.hypot(columns, rows) < 38
    error = [np.sqrt(np.mean((image - truth)[inside] ** 2)) for image in (filtered, iterative)]
    assert error[1] < 0.75 * error[0]
    assert iterative.min() >= 0


def test_moved_origin_moves_the_slice():
    angles = np.arange(100) * np.pi / 100
    sinogram = disc_sinogram(90, angles, 44.5, [(0, 0, 15, 1)])[None]
    moved = moved_origin(sinogram, angles, row=3.5, column=-2.0)
    expected = disc_sinogram(90, angles, 44.5, [(-2.0, 3.5, 15, 1)])
    assert np.abs(moved[0] - expected).mean() < 0.1
    assert np.abs(sinogram[0] - expected).mean() > 0.5


def test_gallery_is_a_picture_of_every_centre(tmp_path):
    from PIL import Image

    angles = np.linspace(0, 180, 40)
    integrals = disc_sinogram(48, np.deg2rad(angles), 24.0, [(0, 0, 18, 0.02), (8, 0, 4, 0.02)])[None].repeat(3, axis=0)
    path = write_scan(tmp_path / "a.h5", integrals, angles)
    centre_gallery(path, 1, [22.0, 24.0, 26.0], tmp_path / "gallery.png")
    with Image.open(tmp_path / "gallery.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    with pytest.raises(InputError, match="outside"):
        centre_gallery(path, 1, [99.0], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
