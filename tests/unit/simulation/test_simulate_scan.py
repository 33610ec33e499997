import json
import tracemalloc

import h5py
import numpy as np
import pytest
import zarr

from scan2seg.config.simulation import SimulationSettings
from scan2seg.simulation import detector, scan

SMALL = SimulationSettings(size=64, rows=10, projections=90, flats=6, darks=4, supersampling=2, drift=0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    scan.simulate_scan(folder / "scan.h5", folder / "labels.zarr", SMALL, threads=2)
    return folder


def test_files_hold_what_the_format_asks_for(made):
    with h5py.File(made / "scan.h5") as file:
        shapes = {name: file[f"exchange/{name}"].shape for name in ("data", "data_white", "data_dark")}
        assert shapes == {"data": (90, 10, 64), "data_white": (6, 10, 64), "data_dark": (4, 10, 64)}
        assert file["exchange/data"].dtype == np.uint16
        assert file["exchange/theta"].attrs["units"] == "deg"
        assert file["exchange/theta"][-1] == 180
        assert file["measurement/instrument/detector/pixel_size"][()] == SMALL.pixel_size
        assert SimulationSettings(**json.loads(file["process/simulation"].attrs["settings"])) == SMALL
        assert file["process/simulation/centre"][0] == 31.5 + SMALL.centre_offset
    truth = zarr.open_group(made / "labels.zarr", mode="r")
    assert truth["label"].shape == (10, 64, 64)
    assert truth.attrs["classes"] == ["background", "matrix", "precipitate", "inclusion"]
    assert truth.attrs["pixel_size"] == SMALL.pixel_size
    assert "settings" in truth.attrs["provenance"]


def test_same_seed_same_bytes_on_any_number_of_threads(made, tmp_path):
    scan.simulate_scan(tmp_path / "scan.h5", tmp_path / "labels.zarr", SMALL, threads=1)
    assert (tmp_path / "scan.h5").read_bytes() == (made / "scan.h5").read_bytes()
    first, second = (zarr.open_group(folder / "labels.zarr", mode="r")["label"][:] for folder in (made, tmp_path))
    np.testing.assert_array_equal(first, second)


def test_reconstruction_by_scikit_image_gives_back_the_materials(made):
    from skimage.transform import iradon

    with h5py.File(made / "scan.h5") as file:
        data, theta, axis = file["exchange/data"][:, 4], file["exchange/theta"][:], file["process/simulation/centre"][:]
        white, dark = (file[f"exchange/{name}"][:, 4].mean(axis=0) for name in ("data_white", "data_dark"))
    line_integrals = -np.log((data - dark) / (white - dark))
    columns = np.arange(64.0)
    aligned = [
        np.interp(columns - 32 + centre, columns, line) for centre, line in zip(axis, line_integrals, strict=True)
    ]
    # scikit-image puts the axis at 32; the truth's is at 31.5.
    found = iradon(np.array(aligned).T, theta, filter_name="hann", circle=True, output_size=64)
    label = zarr.open_group(made / "labels.zarr", mode="r")["label"][4]
    expected = np.array([material.attenuation for material in SMALL.materials])[label]
    inside = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 24
    assert np.corrcoef(found[inside], expected[inside])[0, 1] > 0.75
    assert found[inside].mean() == pytest.approx(expected[inside].mean(), rel=0.03)


def test_counts_have_the_noise_of_photons_and_reading():
    settings = SMALL.model_copy(update={"flats": 4000, "ring_share": 0.25, "ring_sigma": 0.2})
    data, flats, darks = detector.expose(settings, 3, np.full((4000, 64), 0.5))
    beam = detector.beam_row(settings, 3)
    np.testing.assert_allclose(flats.mean(axis=0) - darks.mean(), beam, rtol=0.01)
    np.testing.assert_allclose(flats.var(axis=0), beam + settings.readout_noise**2, rtol=0.15)
    gain = (data.mean(axis=0) - darks.mean()) / (0.5 * beam)
    defective = np.abs(gain - 1) > 0.02
    assert 0.1 < defective.mean() < 0.4
    np.testing.assert_allclose(gain, detector.gain_defects(settings, 3), atol=0.02)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for rows in (64, 320):
        settings = SimulationSettings(size=32, rows=rows, projections=24, supersampling=1, centre_offset=0)
        tracemalloc.start()
        scan.simulate_scan(tmp_path / "scan.h5", tmp_path / "labels.zarr", settings)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(detector, "expose", fail)
    with pytest.raises(RuntimeError):
        scan.simulate_scan(tmp_path / "scan.h5", tmp_path / "labels.zarr", SMALL)
    assert list(tmp_path.iterdir()) == []
