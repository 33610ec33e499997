"""Files are read about once, whatever the slabs are: projections, flats and darks."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from analytic import disc_sinogram, write_scan

from scan2seg import storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.ownership import owning
from scan2seg.readers import open_scan
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction import rows as rows_module
from scan2seg.reconstruction.fields import read_fields
from scan2seg.reconstruction.scan import reconstruct_scan

ROWS, COLUMNS, PROJECTIONS = 24, 64, 61
DEGREES = np.linspace(0, 180, PROJECTIONS)
PHASE = {"delta_beta": 5.0, "energy": 20.0, "distance": 5.0, "pixel_size": 2.0}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    discs = [[(0, 0, 25, 0.01), (10, row - 12, 6, 0.02)] for row in range(ROWS)]
    integrals = np.stack([disc_sinogram(COLUMNS, np.deg2rad(DEGREES), 31.2, items) for items in discs])
    return write_scan(tmp_path_factory.mktemp("scan") / "scan.h5", integrals, DEGREES, beam=50000)


@pytest.fixture
def tiffs(scan: Path, tmp_path: Path) -> RawScan:
    """The scan as a compressed TIFF file each projection and flat, and a compressed multi-page file of darks."""
    with h5py.File(scan) as file:
        for name in ("data", "data_white"):
            (tmp_path / name).mkdir()
            for index, image in enumerate(file[f"exchange/{name}"][:]):
                tifffile.imwrite(tmp_path / name / f"{index:03}.tif", image, compression="zlib")
        tifffile.imwrite(tmp_path / "dark.tif", file["exchange/data_dark"][:], compression="zlib")
    files = {
        "projections": str(tmp_path / "data"),
        "flats": str(tmp_path / "data_white"),
        "darks": str(tmp_path / "dark.tif"),
    }
    return RawScan(**files, angles=list(DEGREES))


def run(source: RawScan, folder: Path, memory: int | None = None, **settings: object) -> np.ndarray:
    reconstruct_scan(source, folder / "out.zarr", ReconstructionSettings(**settings), 2, memory=memory)
    return np.asarray(storage.open_array(folder / "out.zarr", "volume"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Count how often each TIFF page is decoded."""
    counts: Counter = Counter()
    decode = tifffile.TiffPage.asarray

    def count(page: tifffile.TiffPage, *words: object, **named: object) -> object:
        counts[
            Path(page.parent.filehandle.path).relative_to(Path(page.parent.filehandle.path).parents[1]), page.index
        ] += 1
        return decode(page, *words, **named)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", count)
    return counts


def test_each_projection_of_a_tiff_stack_is_decoded_once_however_many_slabs_there_are(
    scan: Path, tiffs: RawScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: Counter
) -> None:
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 2 * COLUMNS**2 * 4)
    expected = run(RawScan(projections=scan), tmp_path, 1, centre=31.2)
    assert not decoded
    found = run(tiffs, tmp_path, 1, centre=31.2)
    np.testing.assert_array_equal(found, expected)
    # the first of each also tells the type of all
    assert len(decoded) == PROJECTIONS + 5 + 5 and sorted(decoded.values()) == [1] * (PROJECTIONS + 9) + [2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dark.tif", "data", "data_white", "out.zarr"]
    decoded.clear()
    np.testing.assert_array_equal(run(tiffs, tmp_path, 10**9, centre=31.2), expected)
    assert set(decoded.values()) == {1}
    decoded.clear()
    run(tiffs, tmp_path, 1)
    projections = [count for (path, _), count in decoded.items() if path.parent.name == "data"]
    assert len(projections) == PROJECTIONS and np.median(projections) == 2


def test_flats_and_darks_are_read_once(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 2 * COLUMNS**2 * 4)
    counts = np.zeros(ROWS, int)
    read = Scan.read_frames

    def count(scan: Scan, frames: object, rows: slice) -> object:
        counts[rows] += 1
        return read(scan, frames, rows)

    monkeypatch.setattr(Scan, "read_frames", count)
    run(RawScan(projections=scan), tmp_path, 1, **PHASE)
    # flats, and darks
    assert (counts == 2).all()


@pytest.mark.parametrize(
    "settings", [{}, PHASE, {**PHASE, "binning": 2, "rows": (3, 24)}], ids=["plain", "phase", "binned"]
)
def test_the_volume_is_the_same_to_the_last_bit_whatever_the_memory(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict
) -> None:
    for slices in (1, 2, 3):
        monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", slices * (COLUMNS // settings.get("binning", 1)) ** 2 * 4)
        least = run(RawScan(projections=scan), tmp_path, 1, centre=31.2, **settings)
        for memory in (3 * 10**6, 6 * 10**6, 10**9):
            found = run(RawScan(projections=scan), tmp_path, memory, centre=31.2, **settings)
            np.testing.assert_array_equal(found, least)


@pytest.mark.parametrize("binning", [1, 2])
def test_what_is_mended_is_counted_once_with_phase_retrieval_and_without_whatever_the_slabs(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binning: int
) -> None:
    broken = tmp_path / "scan.h5"
    broken.write_bytes(scan.read_bytes())
    with h5py.File(broken, "a") as file:
        counts = file["exchange/data"][:].astype(np.float32)
        del file["exchange/data"]
        counts[:, 2:5] = counts[:7, 9] = counts[:, 15] = np.nan
        counts[30, 5, 7] = counts[40, 22, 20] = 10 * counts[30, 5, 7]
        file["exchange/data"] = counts
    common = {"centre": 31.2, "rows": (2, 22), "binning": binning, "maximum_bad": 0.21}
    found = []
    for phase in ({}, PHASE):
        for slices, memory in ((1, 1), (2, 1), (2, 3 * 10**6), (ROWS, 10**9)):
            monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", slices * (COLUMNS // binning) ** 2 * 4)
            run(RawScan(projections=broken), tmp_path, memory, **common, **phase)
            found.append(storage.open_store(tmp_path / "out.zarr").attrs["corrections"])
    once = {"nonfinite": (4 * PROJECTIONS + 7) * COLUMNS, "empty_slices": 4, "zingers": 1, "clipped": 0}
    expected = {**once, "bad_pixels": 0, "values": 20 * PROJECTIONS * COLUMNS}
    assert found == [expected] * 8


def test_a_copy_holds_the_wanted_rows_of_the_chosen_projections(scan: Path, tmp_path: Path) -> None:
    with open_scan(scan) as whole:
        chosen = whole.take(np.arange(1, PROJECTIONS, 3))
        chosen.projections = type(chosen.projections)(
            chosen.projections.shape, chosen.projections.read, None, rows_per_read=ROWS
        )
        with rows_module.readable_by_rows(chosen, slice(5, 20), 2, tmp_path / "out.zarr") as copy:
            assert copy is not chosen
            assert len(list(tmp_path.iterdir())) == 1
            for start, stop in ((5, 20), (7, 9), (19, 20)):
                np.testing.assert_array_equal(copy.read_rows(start, stop), chosen.read_rows(start, stop))
        assert not list(tmp_path.iterdir())
        with rows_module.readable_by_rows(chosen, slice(5, 20), 8, tmp_path / "out.zarr") as copy:
            assert copy is chosen


@pytest.mark.parametrize("at_once", [2, 8], ids=["a copy is needed", "the retry needs none"])
def test_the_copy_that_a_try_on_another_host_left_goes_with_the_retry(scan: Path, tmp_path: Path, at_once: int) -> None:
    output = tmp_path / "out.zarr"
    left = tmp_path / ".out.zarr-rows.elsewhere.17-1700000000.partial"
    left.write_bytes(b"rows")
    with open_scan(scan) as whole:
        whole.projections = replace(whole.projections, rows_per_read=ROWS)
        with rows_module.readable_by_rows(whole, slice(5, 20), at_once, output):
            # anybody else may be using it
            assert left.exists()
        with (
            owning([output], "reconstruct", "content", 0.0),
            rows_module.readable_by_rows(whole, slice(5, 20), at_once, output) as read,
        ):
            assert (read is whole) == (at_once == 8)
            assert not left.exists()
            np.testing.assert_array_equal(read.read_rows(5, 20), whole.read_rows(5, 20))


def test_fields_do_not_depend_on_how_they_are_read_and_rows_without_a_beam_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flats = rng.normal(1000, 20, (5, 30, COLUMNS))
    flats[:, 3, 7] = 100
    flats[:, 12:18] = 50
    path = write_scan(
        tmp_path / "a.h5", np.zeros((30, 9, COLUMNS), np.float32), np.arange(9) * 20, dtype=np.float32,
        exchange__data_white=flats,
    )  # fmt: skip
    with open_scan(path) as scan:
        whole = read_fields(scan, slice(0, 30))
        parts = read_fields(scan, slice(0, 30), threads=3, read_bytes=1)
        np.testing.assert_array_equal(whole.beams, parts.beams)
        np.testing.assert_array_equal(whole.dark, parts.dark)
        assert np.isnan(whole.beams[0, 3, 7]) and whole.bad_pixels == 1 + 6 * COLUMNS
        assert whole.of_rows(10, 20).bad_pixels == 6 * COLUMNS
    with h5py.File(path, "a") as file:
        file["exchange/data_white"][:, 12:22] = 50
    with open_scan(path) as scan, pytest.raises(InputError, match=r"rows 12 to 22 are nowhere above"):
        read_fields(scan, slice(0, 30))
