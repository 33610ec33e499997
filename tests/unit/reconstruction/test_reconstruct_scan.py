"""The stage: counts in, a volume of known values out; bad input in, one clear message out."""

import h5py
import numpy as np
import pytest
from analytic import disc_sinogram, grid, write_scan

from scan2seg import storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.orientation import turn
from scan2seg.reconstruction.scan import reconstruct_scan

DEGREES = np.linspace(0, 180, 151)
CENTRE = 66.3
COLUMNS = 128


def integrals(rows=6):
    angles = np.deg2rad(DEGREES)
    discs = [[(0, 0, 50, 0.01), (25, -10 + 2 * row, 8, 0.02)] for row in range(rows)]
    return np.stack([disc_sinogram(COLUMNS, angles, CENTRE, items) for items in discs])


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    size = {"measurement__instrument__detector__pixel_size": 2.0}
    return write_scan(tmp_path_factory.mktemp("scan") / "pillar.h5", integrals(), DEGREES, beam=50000, **size)


def run(scan, tmp_path, threads=1, name="out.zarr", **settings):
    reconstruct_scan(RawScan(projections=scan), tmp_path / name, ReconstructionSettings(**settings), threads)
    return storage.open_array(tmp_path / name, "volume")[:]


def test_values_places_and_attributes(scan, tmp_path):
    volume = run(scan, tmp_path)
    y, x = grid(COLUMNS)
    assert volume.shape == (6, COLUMNS, COLUMNS)
    for row in range(6):
        assert volume[row][np.hypot(x - 25, y + 10 - 2 * row) < 6].mean() == pytest.approx(0.03, rel=0.01)
        assert volume[row][np.hypot(x + 20, y - 5) < 15].mean() == pytest.approx(0.01, rel=0.01)
    attributes = storage.open_store(tmp_path / "out.zarr").attrs
    assert attributes["centre"]["value"] == pytest.approx(CENTRE, abs=0.05)
    assert attributes["centre"]["method"] == "phase_correlation"
    assert attributes["centre"]["disagreement"] < 1
    assert attributes["pixel_size"] == 2.0
    assert attributes["corrections"]["nonfinite"] == 0
    assert attributes["provenance"]["settings"]["backend"]["method"] == "gridding"


def test_slabs_threads_and_halos_do_not_matter(scan, tmp_path, monkeypatch):
    options = {"delta_beta": 20.0, "energy": 20.0, "distance": 20.0, "centre": CENTRE}
    plain, phased = run(scan, tmp_path, centre=CENTRE), run(scan, tmp_path, **options)
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 2 * COLUMNS**2 * 4)
    assert np.array_equal(plain, run(scan, tmp_path, threads=2, centre=CENTRE))
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 1)
    assert np.abs(plain - run(scan, tmp_path, centre=CENTRE)).max() < 2e-6
    assert np.abs(phased - run(scan, tmp_path, **options)).max() < 1e-4
    assert np.abs(phased - plain).max() > 1e-3


def test_rows_crop_binning_and_units(scan, tmp_path):
    whole = run(scan, tmp_path, centre=CENTRE, stripes="none")
    part = run(scan, tmp_path, centre=CENTRE, rows=(2, 5), crop=(10, 90, 20, 110), stripes="none")
    assert part.shape == (3, 80, 90)
    assert np.abs(part - whole[2:5, 10:90, 20:110]).max() < 2e-6
    assert run(scan, tmp_path, centre=CENTRE, crop=0.5).shape == (6, 64, 64)
    binned = run(scan, tmp_path, binning=2, units="per_millimetre", name="binned.zarr")
    y, x = grid(64)
    assert binned.shape == (3, 64, 64)
    assert binned[1][np.hypot(x + 10, y - 3) < 8].mean() == pytest.approx(0.01 / 2e-3, rel=0.01)
    assert storage.open_store(tmp_path / "binned.zarr").attrs["pixel_size"] == 4.0


def test_a_broken_slice_harms_no_other_and_is_reported(tmp_path):
    whole = integrals(30)
    good = run(write_scan(tmp_path / "a.h5", whole, DEGREES, dtype=np.float32), tmp_path, centre=CENTRE)
    whole[4] = np.nan
    whole[7, 3, 5] = np.inf
    path = write_scan(tmp_path / "b.h5", whole, DEGREES, dtype=np.float32)
    volume = run(path, tmp_path, centre=CENTRE)
    assert np.isfinite(volume).all()
    assert np.abs(volume[4]).max() < 1e-6
    others = [row for row in range(30) if row not in (4, 7)]
    assert np.abs(volume[others] - good[others]).max() < 2e-6
    counts = storage.open_store(tmp_path / "out.zarr").attrs["corrections"]
    # exp(-inf) is a transmission of zero: survived by the logarithm, and counted there.
    assert counts["nonfinite"] == 151 * COLUMNS
    assert counts["empty_slices"] == 1
    assert counts["clipped"] == 1


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edited(**changes):
    def edit(path):
        with h5py.File(path, "a") as file:
            for name, value in changes.items():
                del file[f"exchange/{name}"]
                if value is not None:
                    file[f"exchange/{name}"] = value

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "truncated"),
        (edited(data_white=np.zeros((5, 6, COLUMNS))), "flat fields"),
        (edited(data_white=np.full((5, 6, COLUMNS), np.nan)), "flat fields"),
        (edited(data_white=None), "no flat fields"),
        (edited(data=np.full((151, 6, COLUMNS), np.nan)), "not finite"),
        (edited(data=np.ones((1, 6, COLUMNS)), theta=[0.0]), "one projection"),
        (edited(theta=None), "no angles"),
        (edited(theta=np.arange(7.0)), "7 angles"),
        (edited(theta=DEGREES / 57.29578 / 100), "angles"),
        (edited(data=np.ones((151, COLUMNS))), "expected numbers"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("hello"), "not a readable HDF5"),
    ],
)
def test_bad_input_is_one_message_and_no_output(scan, tmp_path, damage, message):
    path = tmp_path / "bad.h5"
    path.write_bytes(scan.read_bytes())
    damage(path)
    with pytest.raises(InputError, match=message) as caught:
        run(path, tmp_path)
    assert "bad.h5" in str(caught.value)
    assert [item.name for item in tmp_path.iterdir() if item.name != "bad.h5"] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": (4, 9)}, "6 rows"),
        ({"crop": (0, 500, 0, 10)}, "beyond the slice"),
        ({"centre": 400.0}, "outside"),
        ({"binning": 8}, "nothing is left"),
    ],
)
def test_settings_that_do_not_fit_the_scan(scan, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        run(scan, tmp_path, **settings)
    assert not (tmp_path / "out.zarr").exists()


def test_parts_are_reconstructions_of_disjoint_projections(scan, tmp_path):
    whole = run(scan, tmp_path, centre=CENTRE, name="whole.zarr")
    settings = ReconstructionSettings(centre=CENTRE)
    reconstruct_scan(RawScan(projections=scan), tmp_path / "split.zarr", settings, splits=3)
    store = storage.open_store(tmp_path / "split.zarr")
    parts = np.stack([store[f"part{number}"][:] for number in range(3)])
    assert np.array_equal(store["volume"][:], whole)
    assert np.abs(parts.mean(axis=0) - whole).max() < 3e-4
    assert (parts.std(axis=0)[whole > 0.005] > 0).all()


def test_the_crop_says_which_part_of_the_scan_it_is(scan, tmp_path):
    run(scan, tmp_path, centre=CENTRE, rows=(2, 5), crop=(10, 90, 20, 110))
    assert storage.open_store(tmp_path / "out.zarr").attrs["crop"] == [2, 5, 10, 90, 20, 110]


def test_orientation_turns_the_slices_before_they_are_cropped(scan, tmp_path):
    plain = run(scan, tmp_path, circular_mask=False)
    for name in ("flip_rows", "rotate_90", "transpose_other"):
        turned = run(scan, tmp_path, circular_mask=False, orientation=name, crop=(3, 30, 5, 60))
        assert np.array_equal(turned, turn(plain, name)[:, 3:30, 5:60])
        assert storage.open_store(tmp_path / "out.zarr").attrs["orientation"] == name


def test_binned_phase_retrieval_begins_at_the_first_row(tmp_path):
    # Almost no phase retrieval: but for its halo the slices are those without. One disc wanders from row to row.
    rows = np.stack(
        [disc_sinogram(COLUMNS, np.deg2rad(DEGREES), CENTRE, [(0, -30 + 6 * row, 8, 0.02)]) for row in range(11)]
    )
    path = write_scan(tmp_path / "a.h5", rows, DEGREES, beam=50000)
    phase = {"delta_beta": 1e-4, "energy": 20.0, "distance": 1.0, "pixel_size": 1.0}
    for binning, wanted in ((2, (1, 9)), (3, (1, 10)), (3, (5, 11))):
        plain = run(path, tmp_path, centre=CENTRE, binning=binning, rows=wanted)
        phased = run(path, tmp_path, centre=CENTRE, binning=binning, rows=wanted, **phase)
        assert np.abs(phased - plain).max() < 1e-3 * plain.max()


def test_projections_that_were_never_written_are_too_much(scan, tmp_path):
    path = tmp_path / "bad.h5"
    path.write_bytes(scan.read_bytes())
    with h5py.File(path, "a") as file:
        file["exchange/data"][20:40] = 0
    with pytest.raises(InputError, match=r"0 values of the projections are not finite and 15360 transmissions"):
        run(path, tmp_path, centre=CENTRE)
    for binning in (1, 2):
        run(path, tmp_path, centre=CENTRE, maximum_bad=0.14, binning=binning)
        with pytest.raises(InputError, match="maximum_bad"):
            run(path, tmp_path, centre=CENTRE, maximum_bad=0.12, binning=binning)
