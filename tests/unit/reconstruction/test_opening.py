"""The check of scans sees the settings of the reconstruction: its advice works, and what would fail later is told."""

import h5py
import numpy as np
import pytest
from analytic import disc_sinogram, write_scan

from scan2seg import storage
from scan2seg.cli import main
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.reconstruction.opening import check_scan
from scan2seg.reconstruction.scan import reconstruct_scan

DEGREES = np.linspace(0, 180, 41)
RANGE = {"start": 0, "stop": 180}


def integrals(rows=4, columns=32):
    one = disc_sinogram(columns, np.deg2rad(DEGREES), 15.5, [(0, 0, 12, 0.01), (5, 3, 4, 0.02)])
    return np.stack([one] * rows)


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "scan.h5", integrals(), DEGREES)


def lacking(tmp_path, *names, **extra):
    return write_scan(tmp_path / "bare.h5", integrals(), DEGREES, **dict.fromkeys(names), **extra)


def check(path, **settings):
    return check_scan(path, ReconstructionSettings(**settings))


def test_what_the_check_advises_satisfies_it(tmp_path):
    path = lacking(tmp_path, "exchange__theta", "exchange__data_white")
    assert ["angles: {start: 0, stop: 180}" in text for text in check(path)] == [True]
    assert ["already_normalised: true" in text for text in check(path, angles=RANGE)] == [True]
    assert check(path, angles=RANGE, already_normalised=True) == []
    assert check(path, angles=RANGE, already_logarithm=True) == []
    assert check_scan(RawScan(projections=path, angles=list(DEGREES)), ReconstructionSettings(already_normalised=True)) == []  # fmt: skip


def test_a_missing_wedge_is_told_before_the_reconstruction(scan, caplog):
    assert check(scan) == [] and not caplog.messages
    assert check(scan, angles={"start": 0, "stop": 90}) == []
    assert len(caplog.messages) == 1 and "no projection for 9" in caplog.messages[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": (2, 9)}, "4 rows"),
        ({"centre": 40.0}, "outside its 32 columns"),
        ({"crop": (0, 40, 0, 10)}, "beyond the slice"),
        ({"units": "per_millimetre"}, "no pixel size, which units: per_millimetre needs"),
        ({"delta_beta": 100, "energy": 20, "distance": 50}, "no pixel size, which phase retrieval needs"),
        ({"angles": [0, 90, 180]}, "41 projections.* but 3 angles"),
    ],
)
def test_settings_that_do_not_fit_the_scan(scan, settings, message):
    import re

    found = check(scan, **settings)
    assert len(found) == 1 and re.search(message, found[0])


def test_samples_lie_across_the_scan(tmp_path, scan):
    with h5py.File(scan, "a") as file:
        data = file["exchange/data"][...]
        data[20:] = 0
        del file["exchange/data"]
        file["exchange/data"] = data
    assert ["4 of 8 projections looked at (23, 29, 34, 40) are 0" in text for text in check(scan)] == [True]
    assert check(scan, already_logarithm=True) == []
    path = lacking(tmp_path, "exchange__data_dark", exchange__data_white=np.zeros((3, 4, 32), np.uint16))
    assert any("flat fields are all zero" in text for text in check(path))
    path = lacking(tmp_path, exchange__data_dark=np.full((3, 4, 32), 60000, np.uint16))
    assert any("nowhere above the dark fields" in text for text in check(path))


@pytest.mark.parametrize("dtype", ["float16", ">f4", "longdouble", "uint8"])
def test_rare_types_of_projections_reconstruct(tmp_path, dtype):
    path = write_scan(tmp_path / "rare.h5", integrals(), DEGREES, beam=200, dark=10, dtype=dtype)
    usual = write_scan(tmp_path / "usual.h5", integrals(), DEGREES, beam=200, dark=10, dtype="float32")
    volumes = []
    for file in (path, usual):
        reconstruct_scan(
            RawScan(projections=file), tmp_path / "out.zarr", ReconstructionSettings(rows=(1, 2), centre=15.5)
        )
        volumes.append(storage.open_array(tmp_path / "out.zarr", "volume")[:])
    assert np.abs(volumes[0] - volumes[1]).max() < 0.01 and volumes[1].max() > 0.02


def test_centres_takes_the_keys_of_a_dataset_file_or_options(tmp_path, capsys):
    path = lacking(tmp_path, "exchange__theta", "exchange__data_white")
    picture = tmp_path / "centres.png"
    (tmp_path / "set.yaml").write_text(
        "source:\n  kind: scan\n  projections: bare.h5\n  angles: {start: 0, stop: 180}\n"
        "  reconstruction: {already_normalised: true, rows: [1, 3]}\n"
    )
    assert main(["centres", str(tmp_path / "set.yaml"), "--around", "15", "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    np.savetxt(tmp_path / "angles.txt", DEGREES)
    arguments = ["centres", str(path), "--around", "15", "--output", str(picture)]
    assert main([*arguments, "--angles", str(tmp_path / "angles.txt")]) == 2
    assert "has no flat fields" in capsys.readouterr().err
    with h5py.File(tmp_path / "flats.h5", "w") as file:
        file["exchange/data"] = np.full((2, 4, 32), 20000, np.uint16)
    flats = ["--flats", str(tmp_path / "flats.h5")]
    assert main([*arguments, "--angles", str(tmp_path / "angles.txt"), *flats]) == 0
