"""Fewer projections: as if the others had not been taken, whatever the backend, the flats and the order of angles."""

import h5py
import numpy as np
import pytest
from analytic import disc_sinogram, write_scan
from pydantic import ValidationError

from scan2seg import plugins, storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.reconstruction.opening import check_scan, choose_projections, open_configured
from scan2seg.reconstruction.sampling import spread_evenly
from scan2seg.reconstruction.scan import Correction, reconstruct_scan

COLUMNS = 48
HALF_TURN, FULL_TURN = np.arange(120) * 1.5, np.arange(120) * 3.0


def integrals(degrees, centre=23.2):
    row = disc_sinogram(COLUMNS, np.deg2rad(degrees), centre, [(0, 0, 18, 0.01), (6, -4, 4, 0.02)])
    return np.stack([row] * 3)


def reconstruct(path, output, **settings):
    reconstruct_scan(RawScan(projections=path), output, ReconstructionSettings(**settings))
    store = storage.open_store(output)
    return np.asarray(store["volume"][:]), dict(store.attrs)


def available(backend):
    needed = {"tomopy": "tomopy", "astra": "astra", "finufft": "finufft"}.get(backend)
    if needed:
        pytest.importorskip(needed)
    return backend


@pytest.mark.parametrize("backend", plugins.names("reconstruction"))
@pytest.mark.parametrize(("count", "degrees", "axis"), [(40, HALF_TURN, 23.2), (50, FULL_TURN, 40.0)])
def test_it_is_the_reconstruction_of_a_file_with_only_those(tmp_path, backend, count, degrees, axis):
    """Of a full turn with the axis near the side too, where each projection needs its partner half a turn later."""
    whole, how = integrals(degrees, axis), {"backend": available(backend), "centre": axis}
    kept = np.arange(count) * 120 // count
    write_scan(tmp_path / "whole.h5", whole, degrees)
    write_scan(tmp_path / "part.h5", whole[:, kept], degrees[kept])
    found, attributes = reconstruct(tmp_path / "whole.h5", tmp_path / "a.zarr", projections=count, **how)
    expected, only = reconstruct(tmp_path / "part.h5", tmp_path / "b.zarr", **how)
    assert np.array_equal(found, expected)
    assert attributes["half_acquisition"] == only["half_acquisition"] == (axis == 40.0)
    assert attributes["angles"] == only["angles"]
    assert np.abs(found - reconstruct(tmp_path / "whole.h5", tmp_path / "c.zarr", **how)[0]).max() > 1e-4


def test_the_centre_is_that_of_the_whole_scan(tmp_path):
    """Few projections hold no pair half a turn apart, from which it could be found."""
    path = write_scan(tmp_path / "scan.h5", integrals(HALF_TURN), HALF_TURN)
    centres = [
        reconstruct(path, tmp_path / f"{count}.zarr", projections=count)[1]["centre"]["value"] for count in (None, 8)
    ]
    assert centres[0] == centres[1] == pytest.approx(23.2, abs=0.1)


def test_flats_are_interpolated_to_the_moments_of_the_projections_that_stay(tmp_path):
    """A beam that falls between the flats before and after: the sinogram is that of all projections, thinned."""
    path = write_scan(tmp_path / "scan.h5", integrals(HALF_TURN), HALF_TURN, dtype=np.float32)
    with h5py.File(path, "a") as file:
        flat, share = file["exchange/data_white"][:], (np.arange(120) + 1) / 121
        file["exchange/data"][:] = (file["exchange/data"][:] - 100) * (1 - 0.6 * share)[:, None, None] + 100
        del file["exchange/data_white"]
        file["exchange/data_white"] = np.concatenate([flat, (flat - 100) * 0.4 + 100])
    settings = ReconstructionSettings(zinger_threshold=None)
    settings_of = {None: settings, 7: settings.model_copy(update={"projections": 7})}
    sinograms = {}
    for count, chosen in settings_of.items():
        with open_configured(RawScan(projections=path), chosen) as whole:
            scan = choose_projections(whole, chosen)
            scan.flats = scan.flats.select(np.arange(10), np.repeat([-1.0, 120.0], 5))
            sinograms[count] = Correction(scan, chosen).sinograms(scan.read_rows(0, 3), 0, 3)
    kept = np.arange(7) * 120 // 7
    assert np.array_equal(sinograms[7], sinograms[None][:, kept])
    assert np.abs(sinograms[7] - integrals(HALF_TURN)[:, kept]).max() < 1e-3


def test_directions_are_spread_whatever_the_order_of_the_angles():
    rising = np.deg2rad(HALF_TURN)
    assert spread_evenly(rising, 40).tolist() == spread_evenly(-rising, 40).tolist() == list(range(0, 120, 3))
    interlaced = np.concatenate([rising[0::2], rising[1::2]])
    assert np.allclose(np.sort(interlaced[spread_evenly(interlaced, 40)]), rising[::3])
    turns = np.deg2rad(np.arange(80) * 13.5)  # three turns, every direction once
    gaps = np.diff(np.sort(np.mod(turns[spread_evenly(turns, 20)], 2 * np.pi)))
    assert gaps.max() < 1.5 * 2 * np.pi / 20
    full = np.deg2rad(FULL_TURN)[spread_evenly(np.deg2rad(FULL_TURN), 50)]
    assert np.allclose(full[25:] - full[:25], np.pi)


def test_more_than_there_are_and_fewer_than_two_are_refused(tmp_path):
    path = write_scan(tmp_path / "scan.h5", integrals(HALF_TURN), HALF_TURN)
    (said,) = check_scan(RawScan(projections=path), ReconstructionSettings(projections=121))
    assert "scan.h5: reconstruction.projections: 121 is more than the 120 projections" in said and "lower it" in said
    with pytest.raises(InputError, match=r"121 is more than the 120"):
        reconstruct(path, tmp_path / "out.zarr", projections=121)
    assert not (tmp_path / "out.zarr").exists()
    assert check_scan(RawScan(projections=path), ReconstructionSettings(projections=120)) == []
    with pytest.raises(ValidationError, match=r"projections\n  Input should be greater than or equal to 2"):
        ReconstructionSettings(projections=1)
