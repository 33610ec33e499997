"""Scans as beamlines write them: where pixel size, images and angles stand, and what is missing is told."""

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from helpers import data_folder
from scan_files import write_txrm

from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.readers import open_scan

COUNT, ROWS, COLUMNS = 12, 4, 16
DEGREES = np.linspace(0, 180, COUNT)
DATA = np.arange(1, COUNT * ROWS * COLUMNS + 1, dtype=np.uint16).reshape(COUNT, ROWS, COLUMNS)


def write_exchange(path, **extra):
    """A Data Exchange file; a name's ``__`` is a slash, a value may be (number, unit)."""
    with h5py.File(path, "w") as file:
        file["exchange/data"] = DATA
        file["exchange/data_white"] = DATA[:2] + 5000
        file["exchange/theta"] = DEGREES
        for name, value in extra.items():
            name = name.replace("__", "/")
            file[name], unit = value if isinstance(value, tuple) else (value, None)
            if unit:
                file[name].attrs["units"] = unit
    return path


def pixel_size(path):
    with open_scan(path) as scan:
        return scan.pixel_size


DETECTOR, OPTICS = "measurement__instrument__detector__", "measurement__instrument__detection_system__objective__"


@pytest.mark.parametrize(
    ("extra", "size"),
    [
        ({DETECTOR + "pixel_size": (3.45, "um"), OPTICS + "resolution": (0.69, "um")}, 0.69),
        ({DETECTOR + "pixel_size": (3.45, "um"), OPTICS + "magnification": 5.0}, 0.69),
        ({DETECTOR + "pixel_size": (3.45, "um"), OPTICS + "magnification": "5x"}, 0.69),
        ({DETECTOR + "pixel_size_x": (6.7e-6, "m"), DETECTOR + "actual_pixel_size_x": (1.2e-6, "m")}, 1.2),
        ({DETECTOR + "pixel_size": (3.45, "um"), OPTICS + "name": "Mitutoyo"}, None),  # through which magnification?
        ({DETECTOR + "pixel_size": (3.45, "um")}, 3.45),
        ({}, None),
    ],
)
def test_pixel_size_at_the_sample_in_data_exchange(tmp_path, extra, size):
    assert pixel_size(write_exchange(tmp_path / "a.h5", **extra)) == pytest.approx(size)


def test_an_unusable_pixel_size_is_refused_unless_another_is_given(tmp_path):
    for value, message in (((1.0, "furlong"), "'furlong'"), ((-1.0, "um"), "-1, not above 0"), ((0.0, "m"), "0, not")):
        path = write_exchange(tmp_path / "a.h5", **{OPTICS + "resolution": value})
        with pytest.raises(InputError, match=f"objective/resolution: the pixel size.*{message}"):
            open_scan(path)
        with open_scan(RawScan(**{"projections": path, "pixel_size": 0.5})) as scan:
            assert scan.pixel_size == 0.5


def test_darks_that_are_a_link_to_nothing_are_not_no_darks(tmp_path):
    path = write_exchange(tmp_path / "a.h5", exchange__data_dark=h5py.ExternalLink("gone.h5", "/dark"))
    with pytest.raises(InputError, match=r"a\.h5: /exchange/data_dark is a link to gone\.h5:/dark, which is missing"):
        open_scan(path)


def test_angles_never_written_are_refused_unless_others_are_given(tmp_path):
    path = write_exchange(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file["exchange/theta"]
        file.create_dataset("exchange/theta", (COUNT,), "f8")
    with pytest.raises(InputError, match="/exchange/theta were never written"):
        open_scan(path)
    with open_scan(RawScan(**{"projections": path, "angles": {"start": 0, "stop": 180}})) as scan:
        assert np.allclose(scan.angles, np.deg2rad(DEGREES))


def test_projections_never_written_are_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("exchange/data", DATA.shape, "u2", chunks=(1, ROWS, COLUMNS))
        data[:8] = DATA[:8]
        file["exchange/theta"] = DEGREES
    with pytest.raises(InputError, match=r"4 of 12 images of /exchange/data were never written.*8, 9, 10"):
        open_scan(tmp_path / "a.h5")


@pytest.mark.parametrize("shards", [None, (4, ROWS, COLUMNS)])
def test_zarr_chunks_that_are_gone_are_named(tmp_path, shards):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    data = group.create_array("data", shape=DATA.shape, dtype="u2", chunks=(2, ROWS, COLUMNS), shards=shards)
    data[:8] = DATA[:8]
    group.create_array("theta", data=DEGREES)
    with pytest.raises(InputError, match=r"a\.zarr: 2 of 6 chunks of data are not there, in slices 8 to 11"):
        open_scan(tmp_path / "a.zarr")
    data[8:] = DATA[8:]
    with open_scan(tmp_path / "a.zarr") as scan:
        assert np.array_equal(scan.read_rows(1, 2), DATA[:, 1:2])


def write_nxtomo(path, detector="instrument/pco", classes=True, missing=(), **extra):
    key = np.array([1, 2, *[0] * COUNT, 3, 1])
    names = {"entry": "NXentry", "entry/instrument": "NXinstrument", f"entry/{detector}": "NXdetector"}
    with h5py.File(path, "w") as file:
        data = file.create_dataset(f"entry/{detector}/data", (len(key), ROWS, COLUMNS), "u2", chunks=(1, ROWS, COLUMNS))
        for index in range(len(key)):
            if index not in missing:
                data[index] = DATA[index - 2] if key[index] == 0 else 9000
        file[f"entry/{detector}/image_key"] = key
        file["entry/positions/phi"] = np.concatenate([[0, 0], DEGREES, [180, 180]])
        file["entry/positions/data"] = h5py.SoftLink(f"/entry/{detector}/data")
        file["entry/positions"].attrs.update({"NX_class": "NXdata", "signal": "data", "axes": ["phi_set", ".", "."]})
        for name, kind in names.items() if classes else ():
            file[name].attrs["NX_class"] = kind
        for name, value in extra.items():
            name = f"entry/{detector}/{name}" if "__" not in name else "entry/" + name.replace("__", "/")
            file[name] = value
    return path


def test_nxtomo_by_its_classes_with_angles_on_the_axis_of_its_data(tmp_path):
    with open_scan(write_nxtomo(tmp_path / "a.nxs", missing=[14])) as scan:  # image_key 3 says: left out
        assert scan.reader == "nxtomo"
        assert np.allclose(scan.angles, np.deg2rad(DEGREES))
        assert np.array_equal(scan.read_rows(0, ROWS), DATA)
        assert scan.flats.positions.tolist() == [-0.5, COUNT - 0.5]
    with pytest.raises(InputError, match=r"1 of 16 images of /entry/instrument/pco/data were never written.*: 5\)"):
        open_scan(write_nxtomo(tmp_path / "b.nxs", missing=[5, 14]))


def test_nxtomo_takes_given_angles_for_all_images_or_for_the_projections(tmp_path):
    path = write_nxtomo(tmp_path / "a.nxs")
    for angles in ([*DEGREES], [0, 0, *DEGREES, 180, 180]):
        with open_scan(RawScan(**{"projections": path, "angles": angles})) as scan:
            assert np.allclose(scan.angles, np.deg2rad(DEGREES))
    with pytest.raises(InputError, match="12 projections among 16 images but 14 angles"):
        open_scan(RawScan(**{"projections": path, "angles": [1, 5, *DEGREES]}))


def test_two_detectors_are_a_question(tmp_path):
    path = write_nxtomo(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        file["entry/instrument/other/data"] = np.ones((16, 2, 2), np.uint16)
        file["entry/instrument/other/image_key"] = np.zeros(16, int)
        file["entry/instrument/other"].attrs["NX_class"] = "NXdetector"
    with pytest.raises(InputError, match=r"several detectors.*/entry/instrument/other, /entry/instrument/pco.*paths:"):
        open_scan(path)
    paths = {"data": "entry/instrument/pco/data", "image_key": "entry/instrument/pco/image_key",
             "angles": "entry/positions/phi"}  # fmt: skip
    with open_scan(RawScan(**{"projections": path, "paths": paths})) as scan:
        assert np.array_equal(scan.read_rows(0, ROWS), DATA)
        assert np.allclose(scan.angles, np.deg2rad(DEGREES))


@pytest.mark.parametrize(
    ("extra", "size"),
    [
        ({"x_pixel_size": 3.45e-6}, 3.45),
        ({"x_pixel_size": 3.45e-6, "magnification": 5.0}, 0.69),
        ({"x_pixel_size": 3.45e-6, "sample__x_pixel_size": 0.69e-6}, 0.69),
        ({"x_pixel_size": 0.69e-6, "real_x_pixel_size": 3.45e-6, "magnification": 5.0}, 0.69),
        ({"real_x_pixel_size": 3.45e-6, "magnification": 5.0}, 0.69),
        ({}, None),
    ],
)
def test_pixel_size_at_the_sample_in_nxtomo(tmp_path, extra, size):
    assert pixel_size(write_nxtomo(tmp_path / "a.nxs", **extra)) == pytest.approx(size)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({"data": "exchange/nothing"}, "has no dataset /exchange/nothing, it holds .*exchange/data"),
        ({"data": "exchange/theta"}, "shape"),
        ({"data": "exchange/data", "flats": "white"}, "has no flats at /white"),
        ({"data": "exchange/data", "angles": "phi"}, "has no angles at /phi"),
        ({"data": "exchange/data", "image_key": "key"}, "12 images in /exchange/data but 0 image keys"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, paths, message):
    source = {"projections": write_exchange(tmp_path / "a.h5"), "paths": paths}
    with pytest.raises(InputError, match=message):
        open_scan(RawScan(**source))


def test_numbers_missing_in_the_names_of_a_series(tmp_path):
    for number in (1, 2, 3, 5, 6):
        tifffile.imwrite(tmp_path / f"p2_{number:03d}.tif", DATA[number])
    source = {"projections": str(tmp_path / "p2_*.tif")}
    for angles in ({"start": 0, "stop": 180}, [0, 36, 72, 108, 144, 180], [0, 36, 72, 144, 180]):
        with open_scan(RawScan(**{**source, "angles": angles})) as scan:
            assert np.allclose(np.rad2deg(scan.angles), [0, 36, 72, 144, 180])


def test_a_tiff_strip_that_was_never_written_and_a_file_cut_between_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DATA, photometric="minisblack", metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = [file.pages[3].tags[name] for name in ("StripByteCounts", "StripOffsets")]
        cut = file.pages[6].offset
    for tag in tags:
        content[tag.valueoffset : tag.valueoffset + tag.valuebytecount] = bytes(tag.valuebytecount)
    (tmp_path / "b.tif").write_bytes(content)
    angles = {"angles": {"start": 0, "stop": 180}}
    with pytest.raises(InputError, match="never"):
        open_scan(RawScan(**{"projections": tmp_path / "b.tif", **angles}))
    (tmp_path / "c.tif").write_bytes((tmp_path / "a.tif").read_bytes()[: cut + 1])
    with pytest.raises(InputError, match=r"c\.tif"):
        open_scan(RawScan(**{"projections": tmp_path / "c.tif", **angles}))


def test_images_that_an_xradia_file_lacks(tmp_path):
    path = write_txrm(tmp_path)["projections"]
    content = path.read_bytes()
    path.write_bytes(content.replace("Image7".encode("utf-16-le"), "Imagf7".encode("utf-16-le")))
    with pytest.raises(InputError, match=r"1 of its 12 images are not there \(from 1: 7\)"):
        open_scan(path)


def test_real_nxtomo_of_links_and_real_images_with_angles_of_all():
    scans = data_folder() / "scans"
    with open_scan(scans / "k11_nxtomo" / "k11-18014.nxs") as scan:
        assert (scan.reader, scan.shape) == ("nxtomo", (3001, 22, 26))
        assert scan.flats.shape[0] == scan.darks.shape[0] == 100
        assert np.allclose(np.rad2deg(scan.angles[[0, -1]]), [90, 270], atol=0.02)
    folder = scans / "savu_tiff"
    with open_scan(RawScan(**{"projections": folder / "tiffs", "angles": folder / "angles.txt"})) as scan:
        assert scan.shape == (91, 135, 160)
        assert np.allclose(np.rad2deg(scan.angles), np.linspace(-88.2, 91.8, 91), atol=1e-3)
