"""The short form of one scan takes every key of a scan; paths count from the file that names them."""

import h5py
import numpy as np
import pytest

from scan2seg.config.check import check_file
from scan2seg.config.components import load_component
from scan2seg.config.dataset import Dataset
from scan2seg.config.problems import ConfigurationError
from scan2seg.reconstruction.opening import open_configured

DEGREES = np.linspace(0, 180, 13)
PATHS = "{data: images/proj, flats: images/white, pixel_size: size}"


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "Own scan.h5", "w") as file:
        file["images/proj"] = rng.integers(200, 900, (13, 4, 16)).astype(np.uint16)
        file["images/white"] = rng.integers(1000, 1100, (3, 4, 16)).astype(np.uint16)
        file["size"] = 0.5
    np.savetxt(tmp_path / "angles.txt", DEGREES)
    return tmp_path


def load(folder, text):
    (folder / "own.yaml").write_text(f"source:\n  kind: scan\n{text}")
    return load_component("datasets", Dataset, str(folder / "own.yaml"), folder)[0]


@pytest.mark.parametrize(
    "text",
    [
        f"  projections: Own scan.h5\n  paths: {PATHS}\n  angles: angles.txt\n",
        f"  projections: Own scan.h5\n  paths: {PATHS}\n  angles: {{start: 0, stop: 180}}\n",
        f"  projections: Own scan.h5\n  paths: {PATHS}\n  reconstruction: {{angles: angles.txt}}\n",
        f"  scans:\n    own-scan: {{projections: Own scan.h5, paths: {PATHS}, angles: angles.txt}}\n",
        f"  scans:\n    own-scan: {{projections: Own scan.h5, paths: {PATHS}, reconstruction: {{angles: angles.txt}}}}\n",
        f"  reconstruction: {{angles: [0, 5]}}\n  scans:\n    own-scan:\n      projections: Own scan.h5\n      paths: {PATHS}\n"
        "      angles: angles.txt\n",  # the nearer angles count
    ],
)  # fmt: skip
def test_one_scan_is_written_in_many_ways_and_is_checked(folder, text):
    dataset = load(folder, text)
    assert list(dataset.scans()) == ["own-scan"]
    assert check_file(folder / "own.yaml").endswith("is valid")
    with open_configured(dataset.scan_source("own-scan"), dataset.reconstruction("own-scan")) as scan:
        assert scan.shape == (13, 4, 16) and scan.flats.shape[0] == 3 and scan.pixel_size == 0.5
        assert np.allclose(np.rad2deg(scan.angles), DEGREES)
    watched = dataset.scan_patterns("own-scan")
    assert [key for key, files in watched.items() if files] == ["projections"] + (["angles"] if "angles.txt" in text else [])  # fmt: skip


def test_flats_before_and_after(folder):
    dataset = load(folder, "  projections: a.h5\n  flats: [before.tif, after.tif]\n")
    assert [path.rsplit("/", 1)[-1] for path in dataset.scan_patterns("a")["flats"]] == ["before.tif", "after.tif"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  scans: {a: {projections: a.h5}}\n  angles: angles.txt\n", "write angles under the scan"),
        ("  projections: a.h5\n  paths: {flats: b}\n", "data"),
        ("  projections: a.h5\n  paths: {data: a, image_key: k, flats: b}\n", "image_key says which"),
        ("  projections: a.h5\n  flats: [a, b, c]\n", "flats"),
        ("  scans: {a: {projections: a.h5, reconstruction: {centr: 5}}}\n", "scans.a.reconstruction.centr"),
    ],
)
def test_mistakes_in_the_keys_of_a_scan(folder, text, message):
    with pytest.raises(ConfigurationError, match=message):
        load(folder, text)


def test_a_missing_file_of_angles_is_named(folder):
    load(folder, f"  projections: Own scan.h5\n  paths: {PATHS}\n  reconstruction: {{angles: none.txt}}\n")
    with pytest.raises(ConfigurationError, match=r"none\.txt"):
        check_file(folder / "own.yaml")
