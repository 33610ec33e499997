import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.simulation.projection import project, project_disc


@settings(max_examples=30, deadline=None)
@given(
    row=st.integers(0, 40),
    column=st.integers(0, 40),
    angle=st.floats(-400, 400),
    centre=st.floats(25, 35),
)
def test_a_pixel_falls_where_the_convention_says_with_all_its_mass(row, column, angle, centre):
    image = np.zeros((41, 41))
    image[row, column] = 2.5
    line = project(image, [angle], centre, columns=61)[0]
    x, y = column - 20, row - 20
    expected = centre + x * np.cos(np.deg2rad(angle)) - y * np.sin(np.deg2rad(angle))
    if not 2 < expected < 58:
        return
    assert line.sum() == pytest.approx(2.5, rel=1e-5)
    assert (line * np.arange(61)).sum() / line.sum() == pytest.approx(expected, abs=0.1)


def test_a_shadow_that_leaves_the_detector_leaves_the_rest_unchanged():
    image = np.random.default_rng(0).random((24, 24))
    angles = np.linspace(0, 180, 7)
    wide = project(image, angles, 29.5, columns=60)
    narrow = project(image, angles, 9.5, columns=20)
    np.testing.assert_allclose(narrow, wide[:, 20:40], rtol=1e-5)


def test_agrees_with_integration_over_many_points():
    rng = np.random.default_rng(1)
    image, angles, parts = rng.random((9, 9)), [0, 17, 45, 90, 133.3], 150
    points = (np.arange(9 * parts) + 0.5) / parts - 4.5
    fine = np.kron(image, np.ones((parts, parts))) / parts**2
    for angle, line in zip(angles, project(image, angles, 7.2, columns=15), strict=True):
        turn = np.deg2rad(angle)
        column = 7.2 + points[None, :] * np.cos(turn) - points[:, None] * np.sin(turn)
        expected, _ = np.histogram(column, bins=np.arange(16) - 0.5, weights=fine)
        np.testing.assert_allclose(line, expected, atol=0.02)


def test_agrees_with_scikit_image():
    from skimage.transform import radon

    size = 65
    y, x = np.mgrid[:size, :size] - 32.0
    image = np.exp(-((x - 9) ** 2 + (y + 5) ** 2) / 40) + np.exp(-((x + 12) ** 2 + (y - 10) ** 2) / 20)
    angles = np.linspace(0, 180, 13)
    theirs = radon(image, angles, circle=False)
    theirs = theirs[len(theirs) // 2 - 32 :][:size].T
    np.testing.assert_allclose(project(image, angles, 32.0), theirs, atol=0.1)


def test_the_disc_in_closed_form_equals_the_disc_in_pixels():
    parts = 8
    points = (np.arange(40 * parts) + 0.5) / parts - 20
    inside = (points[:, None] ** 2 + points[None, :] ** 2 < 15.3**2).astype(float)
    angles, axis = [0, 30, 61], 20.7
    pixels = project(inside, angles, (axis + 0.5) * parts - 0.5).reshape(3, 40, parts).mean(axis=2) / parts
    closed = project_disc(15.3, angles, axis, 40)
    np.testing.assert_allclose(closed, pixels, atol=0.15)
    assert closed.sum(axis=1) == pytest.approx(np.pi * 15.3**2)
