"""Every scan reader: the same scan from every format, and damaged files end in one message."""

import time
import zlib

import h5py
import numpy as np
import pytest
import tifffile
from pydantic import ValidationError
from scan_files import COLUMNS, COUNT, DEGREES, ROWS, WRITERS, content, write_tiff_stack

from scan2seg import plugins
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.readers import describe, open_scan
from scan2seg.reconstruction.opening import check_scan, choose_projections, open_configured

KIND = "readers.scans"


@pytest.fixture(params=plugins.names(KIND))
def written(request, tmp_path):
    return request.param, WRITERS[request.param](tmp_path)


def test_the_same_scan_from_every_format(written):
    name, source = written
    parts = content()
    with open_scan(RawScan(**source)) as scan:
        assert scan.reader == name
        assert scan.shape == (COUNT, ROWS, COLUMNS)
        assert np.allclose(scan.angles, np.deg2rad(DEGREES), atol=1e-6)
        assert np.array_equal(scan.read_rows(5, 9), parts["data"][:, 5:9])
        assert np.array_equal(scan.read_projection(7), parts["data"][7])
        flats = scan.read_frames(scan.flats, slice(3, 6))
        assert np.array_equal(np.median(flats, axis=0), np.median(parts["data_white"], axis=0)[3:6])
        if scan.darks is not None:
            assert np.array_equal(scan.read_frames(scan.darks, slice(0, ROWS)), parts["data_dark"])
        if name == "nxtomo":
            assert scan.flats.positions.tolist() == [-0.5, -0.5, 11.5, 11.5]
        if name != "tiff_stack":
            assert scan.pixel_size == pytest.approx(1.5)
        found = describe(scan)
        assert (found["projections"], found["rows"], found["columns"]) == (COUNT, ROWS, COLUMNS)
        assert ("darks" in found["missing"]) == (name == "txrm")
    assert check_scan(RawScan(**source)) == []


def test_some_of_the_projections_are_read_from_every_format(written):
    _, source = written
    settings = ReconstructionSettings(projections=5)
    with open_configured(RawScan(**source), settings) as whole:
        scan = choose_projections(whole, settings)
        assert scan.moments.tolist() == [0, 2, 4, 7, 9]
        assert np.array_equal(scan.read_rows(5, 9), content()["data"][[0, 2, 4, 7, 9], 5:9])
        assert np.array_equal(scan.read_projection(3), content()["data"][7])
        assert np.allclose(scan.angles, np.deg2rad(DEGREES[[0, 2, 4, 7, 9]]), atol=1e-6)


def test_exactly_one_reader_recognises_it(written):
    import glob
    from pathlib import Path

    name, source = written
    first = Path(sorted(glob.glob(str(source["projections"])))[0])
    expected = [] if source.get("paths") else [name]  # of a file of no known layout the paths are given
    assert [other for other in plugins.names(KIND) if plugins.load(KIND, other).recognises(first)] == expected


def read_everything(source):
    with open_scan(RawScan(**source)) as scan:
        frames = [scan.read_rows(0, scan.shape[1])]
        frames += [scan.read_frames(part, slice(0, scan.shape[1])) for part in (scan.flats, scan.darks) if part]
        return frames


@pytest.mark.parametrize("part", [0, 0.02, 0.3, 0.7, 0.98])
def test_truncated_files_end_in_a_message_or_are_whole(written, part):
    from pathlib import Path

    name, source = written
    path = Path(str(source["projections"]).replace("*", "7"))
    whole = read_everything(source)
    if path.is_dir():
        path = max((item for item in path.rglob("*") if item.is_file()), key=lambda item: item.stat().st_size)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    try:
        found = read_everything(source)
    except InputError:
        assert check_scan(RawScan(**source)) or part > 0 or name == "zarr_array"
    else:
        assert all(np.array_equal(a, b) for a, b in zip(whole, found, strict=True))


def test_flipped_bits_never_crash(written):
    from pathlib import Path

    _, source = written
    path = Path(str(source["projections"]).replace("*", "7"))
    files = [item for item in path.rglob("*") if item.is_file()] if path.is_dir() else [path]
    rng = np.random.default_rng(0)
    started = time.monotonic()
    for attempt in range(40):
        path = files[attempt % len(files)]
        data = path.read_bytes()
        damaged = bytearray(data)
        # Half of the attempts hit the header, where structure is.
        limit = min(len(data), 4096 if attempt % 2 else len(data))
        for place in rng.integers(0, limit, 4):
            damaged[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(damaged))
        try:
            assert len(read_everything(source)) >= 1
        except InputError:
            continue
        finally:
            path.write_bytes(data)
        if time.monotonic() - started > 5:
            break


def test_a_large_scan_opens_at_once(tmp_path):
    with h5py.File(tmp_path / "large.h5", "w") as file:
        shape, chunk = (3000, 2160, 2560), zlib.compress(bytes(2160 * 2560 * 2), 1)
        data = file.create_dataset("exchange/data", shape, "u2", chunks=(1, 2160, 2560), compression="gzip")
        for image in range(3000):
            data.id.write_direct_chunk((image, 0, 0), chunk)
        file["exchange/theta"] = np.linspace(0, 180, 3000)
    started = time.monotonic()
    with open_scan(tmp_path / "large.h5") as scan:
        assert time.monotonic() - started < 2
        assert scan.shape == (3000, 2160, 2560)
        assert scan.read_projection(7, slice(7, 8)).shape == (1, 2560)


def test_flats_before_and_after_from_files_of_their_own(tmp_path):
    source = write_tiff_stack(tmp_path)
    source["flats"] = [tmp_path / "flat.tiff", tmp_path / "dark.tiff"]
    with open_scan(RawScan(**source)) as scan:
        assert scan.flats.positions.tolist() == [-1] * 4 + [COUNT] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"projections": "nothing_*.tif"}, "matches nothing"),
        ({"projections": "none.h5"}, "no such file"),
        ({"projections": None}, "projections"),
        ({"flats": "narrow.tif"}, "pixels"),
        ({"angles": [0, 1, 2]}, "3 angles"),
        ({"angles": {"from": 0}}, "start"),
        ({"angles": "missing.txt"}, "missing.txt"),
        ({"reader": "data_exchang"}, "did you mean"),
        ({"reader": "data_exchange"}, "p_0.tif"),
    ],
)
def test_sources_that_do_not_fit(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    source = write_tiff_stack(tmp_path)
    tifffile.imwrite(tmp_path / "narrow.tif", np.ones((ROWS, 10), np.uint16))
    with pytest.raises((InputError, ValidationError), match=message):
        open_scan(RawScan(**(source | change)))
