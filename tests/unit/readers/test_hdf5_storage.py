"""Data that an HDF5 file promises but does not hold: every way in which images can be missing is named."""

import h5py
import numpy as np
import pytest

from scan2seg.errors import InputError
from scan2seg.readers.hdf5_storage import check_written, find, find_missing

SHAPE = (6, 4, 8)


def missing_in(path, name="data"):
    with h5py.File(path) as file:
        return np.flatnonzero(find_missing(file[name])).tolist()


def write(path, images=(), **storage):
    """A dataset of which the images of these numbers are written."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", SHAPE, "u2", **storage)
        for image in images:
            data[image] = 7
    return path


@pytest.mark.parametrize(
    ("storage", "images", "missing"),
    [
        ({}, (), [0, 1, 2, 3, 4, 5]),
        ({}, (2,), []),  # contiguous storage is allocated whole
        ({"chunks": (1, 4, 8)}, (0, 1, 3, 5), [2, 4]),
        ({"chunks": (4, 2, 8), "compression": "gzip"}, (1,), [4, 5]),
        ({"chunks": (1, 4, 8)}, range(6), []),
        ({"chunks": (1, 4, 8), "maxshape": (None, 4, 8)}, (0,), [1, 2, 3, 4, 5]),
    ],
)
def test_storage_that_was_never_allocated(tmp_path, storage, images, missing):
    assert missing_in(write(tmp_path / "a.h5", images, **storage)) == missing


def test_an_image_of_which_one_chunk_is_missing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", SHAPE, "u2", chunks=(1, 4, 4))
        data[:, :, :4] = 1
        data[1:5, :, 4:] = 1
    assert missing_in(tmp_path / "a.h5") == [0, 5]


def link(path, mappings, length=6):
    layout = h5py.VirtualLayout((length, *SHAPE[1:]), "u2")
    for place, file, shape, part in mappings:
        layout[place] = h5py.VirtualSource(file, "data", shape)[part]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    return path


WHOLE = slice(None)


@pytest.mark.parametrize(
    ("mappings", "missing"),
    [
        ([(WHOLE, "full.h5", SHAPE, WHOLE)], []),
        ([(WHOLE, "half.h5", SHAPE, WHOLE)], [3, 4, 5]),
        ([(WHOLE, "gone.h5", SHAPE, WHOLE)], [0, 1, 2, 3, 4, 5]),
        ([(slice(0, 4), "full.h5", SHAPE, slice(0, 4))], [4, 5]),  # nothing is mapped to the last two
        ([(WHOLE, "short.h5", SHAPE, WHOLE)], [4, 5]),  # the source has fewer images than were mapped
        ([(slice(0, 6, 2), "full.h5", SHAPE, slice(0, 3)), (slice(1, 6, 2), "gone.h5", SHAPE, slice(0, 3))], [1, 3, 5]),
        ([(i, "half.h5", SHAPE, 5 - i) for i in range(6)], [0, 1, 2]),
        ([((WHOLE, slice(0, 2)), "full.h5", SHAPE, (WHOLE, slice(0, 2)))], []),  # a gap between modules is no fault
    ],
)
def test_virtual_datasets_whose_sources_are_missing(tmp_path, mappings, missing):
    write(tmp_path / "full.h5", range(6))
    write(tmp_path / "half.h5", range(3), chunks=(1, 4, 8))
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file.create_dataset("data", data=np.ones((4, 4, 8), "u2"), chunks=(1, 4, 8))
    path = link(tmp_path / "a.h5", mappings)
    assert missing_in(path) == missing
    assert missing_in(link(tmp_path / "outer.h5", [(WHOLE, "a.h5", SHAPE, WHOLE)])) == missing  # through another one
    with h5py.File(path) as file:  # what is not missing is what was written, wherever a source stands
        read = file["data"][...][:, :2] == 0
    assert set(np.flatnonzero(read.any(axis=(1, 2)))) == set(missing)


def test_external_storage_that_is_too_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", SHAPE, "u2", external=[("raw.bin", 0, 384)])
    (tmp_path / "raw.bin").write_bytes(b"1" * 384)
    assert missing_in(tmp_path / "a.h5") == []
    (tmp_path / "raw.bin").write_bytes(b"1" * 383)
    assert missing_in(tmp_path / "a.h5") == [0, 1, 2, 3, 4, 5]


def test_the_message_names_the_first_and_only_what_is_needed_counts(tmp_path):
    path = write(tmp_path / "a.h5", (0, 1), chunks=(1, 4, 8))
    with h5py.File(path) as file:
        with pytest.raises(InputError, match=r"a\.h5: 4 of 6 slices of /data were never written.*2, 3, 4, \.\.\."):
            check_written(file["data"], "slices")
        check_written(file["data"], needed=np.array([0, 1]))


def test_links_that_lead_nowhere(tmp_path):
    write(tmp_path / "full.h5", range(6))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["good"] = h5py.ExternalLink("full.h5", "/data")
        file["gone"] = h5py.ExternalLink("gone.h5", "/data")
        file["elsewhere"] = h5py.ExternalLink("full.h5", "/other")
        file["soft"] = h5py.SoftLink("/nothing")
        file["folder"] = h5py.ExternalLink("gone.h5", "/group")
    with h5py.File(tmp_path / "a.h5") as file:
        assert find(file, "/good").shape == SHAPE
        assert find(file, "none") is None
        assert find(file, "good/below") is None
        for name, target in (("gone", "gone.h5:/data"), ("elsewhere", "full.h5:/other"), ("soft", "/nothing")):
            with pytest.raises(InputError, match=f"/{name} is a link to {target}, which is missing"):
                find(file, name)
        with pytest.raises(InputError, match=r"gone\.h5:/group"):
            find(file, "folder/data")
