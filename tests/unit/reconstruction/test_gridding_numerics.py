"""The default backend against exact phantoms and an independent backprojection."""

import numpy as np
import pytest
from analytic import disc_sinogram, grid
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.reconstruction import gridding_kernel
from scan2seg.reconstruction.filters import WINDOWS, angle_weights, ramp_filter


def reconstruct(sinogram, angles, centre, threads=1, **options):
    stack = sinogram if sinogram.ndim == 3 else sinogram[None]
    plan = gridding_kernel.make_plan(stack.shape[2], angles, centre, **options)
    slices = gridding_kernel.reconstruct(stack, plan, threads)
    return slices if sinogram.ndim == 3 else slices[0]


@pytest.mark.parametrize(("size", "offset"), [(192, 0.0), (193, 4.3), (130, -2.25)])
def test_disc_of_one_comes_back_as_one_from_centre_to_rim(size, offset):
    angles = np.arange(300) * np.pi / 300
    centre = (size - 1) / 2 + offset
    radius = 0.4 * size
    image = reconstruct(disc_sinogram(size, angles, centre, [(0, 0, radius, 1.0)]), angles, centre)
    y, x = grid(size)
    distance = np.hypot(x, y)
    for inner, outer in [(0, 5), (5, 15), (15, 30), (radius - 20, radius - 4)]:
        assert image[(distance >= inner) & (distance < outer)].mean() == pytest.approx(1, abs=0.005)
    assert abs(image[(distance > radius + 4) & (distance < 0.48 * size)].mean()) < 0.005
    inside = np.where(distance < radius + 3, image, 0)
    assert (inside * x).sum() / inside.sum() == pytest.approx(0, abs=0.02)
    assert (inside * y).sum() / inside.sum() == pytest.approx(0, abs=0.02)


@settings(max_examples=15, deadline=None)
@given(
    x=st.floats(-30, 30),
    y=st.floats(-30, 30),
    centre=st.floats(55, 72),
    start=st.floats(0, 3),
    size=st.integers(126, 131),
)
def test_a_disc_stays_where_it_is(x, y, centre, start, size):
    angles = start + np.arange(180) * np.pi / 180
    image = reconstruct(disc_sinogram(size, angles, centre, [(x, y, 12, 2.0)]), angles, centre)
    rows, columns = grid(size)
    near = np.where(np.hypot(columns - x, rows - y) < 14, image, 0)
    assert (near * columns).sum() / near.sum() == pytest.approx(x, abs=0.02)
    assert (near * rows).sum() / near.sum() == pytest.approx(y, abs=0.02)


@pytest.mark.parametrize("size", [64, 65])
def test_equals_the_sum_of_waves_in_float64(size):
    centre, count = 0.5 * size + 1.3, 60
    angles = np.arange(count) * np.pi / count
    sinogram = disc_sinogram(size, angles, centre, [(0, 0, 27, 1), (12, -9, 8, 2), (-16, 10, 5, -0.5)])
    padded = gridding_kernel.make_plan(size, angles, centre).padded
    order = np.arange(padded // 2)
    spectra = np.fft.rfft(sinogram.astype(np.float64), padded, axis=1)[:, :-1] * ramp_filter(padded)[:-1] / padded
    spectra[:, 1:] *= 2
    y, x = grid(size)
    expected = np.zeros((size, size))
    for angle, line in zip(angles, spectra, strict=True):
        place = (x * np.cos(angle) - y * np.sin(angle) + centre).reshape(-1, 1)
        waves = np.exp(2j * np.pi / padded * place) ** order
        expected += (waves @ line).real.reshape(size, size) * np.pi / count
    image = reconstruct(sinogram, angles, centre, edge_padding=False)
    inside = np.hypot(x, y) < 0.97 * size / 2
    assert np.sqrt(np.mean((image - expected)[inside] ** 2)) < 3e-4
    assert np.abs(image - expected)[inside].max() < 1e-3


def test_threads_and_neighbours_do_not_change_a_slice():
    angles = np.arange(120) * np.pi / 120
    rng = np.random.default_rng(0)
    stack = rng.normal(size=(7, 120, 100)).astype(np.float32)
    one = reconstruct(stack, angles, 50.2)
    assert np.array_equal(one, reconstruct(stack, angles, 50.2, threads=3))
    alone = reconstruct(stack[3], angles, 50.2)
    assert np.abs(alone - one[3]).max() < 1e-4 * np.abs(one[3]).max()
    stack[2] *= 1000
    assert np.abs(reconstruct(stack, angles, 50.2)[3] - alone).max() < 0.1 * np.abs(alone).max()


def test_float64_sinogram_differs_by_rounding_only():
    angles = np.arange(90) * np.pi / 90
    sinogram = np.random.default_rng(1).normal(size=(2, 90, 64))
    single = reconstruct(sinogram.astype(np.float32), angles, 31.0)
    double = reconstruct(sinogram, angles, 31.0)
    assert np.abs(single - double).max() < 1e-5 * np.abs(single).max()


@pytest.mark.parametrize("window", WINDOWS)
def test_windows_keep_the_mean_and_reduce_noise(window):
    angles = np.arange(200) * np.pi / 200
    noise = np.random.default_rng(2).normal(size=(200, 128)).astype(np.float32)
    disc = disc_sinogram(128, angles, 63.5, [(0, 0, 50, 1)])
    y, x = grid(128)
    inside = np.hypot(x, y) < 40
    assert reconstruct(disc, angles, 63.5, window=window)[inside].mean() == pytest.approx(1, abs=0.003)
    spread = reconstruct(noise, angles, 63.5, window=window)[inside].std()
    reference = reconstruct(noise, angles, 63.5)[inside].std()
    assert spread == pytest.approx(reference) if window == "ramp" else spread < 0.9 * reference


def test_edge_padding_keeps_a_wide_specimen_flat():
    angles = np.arange(300) * np.pi / 300
    sinogram = disc_sinogram(128, angles, 63.5, [(0, 0, 90, 1)])
    y, x = grid(128)
    rim, middle = (np.hypot(x, y) > 52) & (np.hypot(x, y) < 58), np.hypot(x, y) < 20
    bend = {}
    for padding in (True, False):
        image = reconstruct(sinogram, angles, 63.5, edge_padding=padding)
        bend[padding] = abs(image[rim].mean() - image[middle].mean())
    assert bend[True] < 0.5 * bend[False]


@pytest.mark.parametrize(
    "degrees",
    [np.arange(180), np.linspace(0, 180, 181), np.arange(0, 360, 2), np.linspace(0, 179.2, 150), -np.arange(90) * 2.0],
)
def test_weights_share_out_half_a_turn(degrees):
    weights = angle_weights(np.deg2rad(np.asarray(degrees, float)))
    assert weights.sum() == pytest.approx(np.pi)
    assert weights.min() > 0


def test_weights_beyond_a_missing_wedge_are_the_usual_step():
    weights = angle_weights(np.deg2rad(np.arange(120.0)))
    assert weights.max() == pytest.approx(np.deg2rad(1))
