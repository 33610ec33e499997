"""Every correction against what it must restore."""

import numpy as np
import pytest
from analytic import disc_sinogram, grid, write_scan

from scan2seg.errors import InputError
from scan2seg.readers import open_scan
from scan2seg.readers.scan import Frames
from scan2seg.reconstruction import gridding_kernel, half_acquisition, preprocessing
from scan2seg.reconstruction.fields import read_fields


def flats_scan(scan, flats, positions):
    scan.flats = Frames(flats.shape, lambda images, rows: flats[images, rows], np.asarray(positions, float))
    return scan


def test_flats_before_and_after_are_interpolated_in_time(tmp_path):
    integrals = np.zeros((4, 11, 16), np.float32)
    with open_scan(write_scan(tmp_path / "a.h5", integrals, np.arange(11) * 18)) as scan:
        before, after = np.full((3, 4, 16), 1000.0), np.full((3, 4, 16), 2000.0)
        flats_scan(scan, np.concatenate([before, after]), [-1, -1, -1, 11, 11, 11])
        fields = read_fields(scan, slice(0, 4))
        beam = 900 + 1000 * (np.arange(11) + 1) / 12
        raw = np.broadcast_to((0.5 * beam + 100)[:, None, None], (11, 4, 16)).astype(np.float32)
        result, bad = preprocessing.transmissions(raw, fields)
    assert result.shape == (4, 11, 16)
    assert bad.tolist() == [0] * 4
    assert np.allclose(result, 0.5, atol=1e-5)


def test_hot_and_dead_pixels_are_filled(tmp_path):
    angles = np.arange(40) * np.pi / 40
    integrals = np.repeat(disc_sinogram(64, angles, 31.5, [(0, 0, 25, 0.02)])[None], 5, axis=0)
    path = write_scan(tmp_path / "a.h5", integrals, np.arange(40) * 4.5, dtype=np.float32)
    with open_scan(path) as scan:
        raw = np.array(scan.read_rows(0, 5))
        flats, darks = scan.read_frames(scan.flats, slice(0, 5)), scan.read_frames(scan.darks, slice(0, 5))
        flats[:, 1, 20] = darks[:, 1, 20]
        darks[:, 2, 30] = 9000
        flats[:, 2, 30] += 9000
        raw[:, 1, 20] = 100
        raw[:, 2, 30] = 65535
        flats_scan(scan, flats, np.zeros(5))
        scan.darks = Frames(darks.shape, lambda images, rows: darks[images, rows])
        fields = read_fields(scan, slice(0, 5))
        assert np.argwhere(np.isnan(fields.beams[0])).tolist() == [[1, 20], [2, 30]]
        result, _ = preprocessing.transmissions(raw, fields)
    assert not preprocessing.fill(result, 1.0).any()
    assert np.abs(-np.log(result) - integrals).max() < 0.01


def test_nothing_that_is_not_finite_leaves_its_slice():
    data = np.random.default_rng(0).random((5, 30, 20)).astype(np.float32)
    broken = data.copy()
    broken[1] = np.nan
    broken[2, 4] = np.inf
    broken[3, :, 0:3] = np.nan
    assert preprocessing.fill(broken, 1.0).tolist() == [False, True, False, False, False]
    assert np.isfinite(broken).all()
    assert (broken[1] == 1).all()
    assert np.allclose(broken[2, 4], (data[2, 3] + data[2, 5]) / 2)
    assert np.allclose(broken[3, :, :3], data[3, :, 3:4])
    assert np.array_equal(broken[[0, 4]], data[[0, 4]])


def test_zingers_go_and_the_rest_stays():
    rng = np.random.default_rng(0)
    data = rng.normal(0.5, 0.02, (2, 50, 40)).astype(np.float32)
    hit = data.copy()
    hit[0, 10, 5], hit[1, 0, 0], hit[1, 49, 39] = 3, 2, 5
    hit[0, 20, 7:9] = 4
    assert preprocessing.remove_zingers(hit, 0.3).tolist() == [3, 2]
    changed = hit != data
    assert changed.sum() == 5
    assert np.abs(hit - data).max() < 0.2


def test_logarithm_survives_and_counts_what_it_cannot_take():
    data = np.array([[[0.5, 0.0, -1.0, 1.0, 2.0]]], np.float32)
    assert preprocessing.minus_logarithm(data, 1e-4) == 2
    assert np.allclose(data[0, 0], -np.log([0.5, 1e-4, 1e-4, 1, 2]))


def test_binning_averages_and_drops_the_remainder():
    data = np.arange(5 * 2 * 7, dtype=np.float32).reshape(5, 2, 7)
    binned = preprocessing.bin_pixels(data, 2)
    assert binned.shape == (2, 2, 3)
    assert binned[1, 0, 2] == data[2:4, 0, 4:6].mean()


def test_paganin_filter_has_the_response_of_the_paper():
    length, period = 1.7, 16
    wave = 1 + 0.1 * np.cos(2 * np.pi * (np.arange(128) + 0.5) / period)
    data = np.broadcast_to(wave, (96, 2, 128)).astype(np.float32).copy()
    preprocessing.retrieve_phase(data, length)
    expected = np.ptp(wave) / (1 + length**2 * (2 * np.pi / period) ** 2)
    assert np.ptp(data[48, 0, 32:96]) == pytest.approx(expected, rel=0.01)
    assert data.mean() == pytest.approx(1, abs=1e-3)
    # 20 keV, delta/beta 1000, 0.5 m, 1 um: sqrt(0.5 m x 0.62 A x 1000 / 4 pi) = 49.7 um
    assert preprocessing.paganin_length(1000, 20, 500, 1.0) == pytest.approx(49.7, abs=0.1)


@pytest.mark.parametrize("centre", [85.3, 14.6])
def test_half_acquisition_sees_the_whole_specimen(centre):
    angles = np.arange(400) * 2 * np.pi / 400
    discs = [(0, 0, 75, 1.0), (40, 20, 10, 1.0)]
    sinograms = disc_sinogram(100, angles, centre, discs)[None]
    assert half_acquisition.is_half_acquisition(angles, centre, 100)
    joined, half_turn, axis = half_acquisition.stitch(sinograms, angles, centre)
    size = joined.shape[2]
    assert joined.shape[1] == 200
    assert 167 < size < 173
    plan = gridding_kernel.make_plan(size, half_turn, axis)
    image = gridding_kernel.reconstruct(joined, plan)[0]
    y, x = grid(size)
    assert image[np.hypot(x - 40, y - 20) < 7].mean() == pytest.approx(2, abs=0.02)
    assert image[np.hypot(x + 30, y) < 30].mean() == pytest.approx(1, abs=0.01)


def test_dark_flats_are_an_error_that_names_the_file(tmp_path):
    path = write_scan(
        tmp_path / "dark.h5",
        np.zeros((3, 9, 16), np.float32),
        np.arange(9) * 20,
        exchange__data_white=np.zeros((5, 3, 16)),
    )
    with open_scan(path) as scan, pytest.raises(InputError, match=r"dark\.h5.*nowhere above"):
        read_fields(scan, slice(0, 3))
