"""Whatever of the user's files changes, the workflow sees it: in a folder, beside a header, behind a link, or older."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from scan2seg.catalogue import files
from scan2seg.catalogue.files import watch
from scan2seg.catalogue.thing import Dependencies
from scan2seg.catalogue.volumes import scan_volumes
from scan2seg.config.dataset import Dataset
from scan2seg.sources.files import stack_dependencies


def volumes(folder: Path, images: str, labels: str) -> Dependencies:
    source = {"kind": "volume", "volumes": {"one": {"images": str(folder / images), "labels": str(folder / labels)}}}
    content = {"name": "v", "source": {**source, "label_values": {"a": 0, "b": 1}}, "classes": ["a", "b"]}
    return stack_dependencies(Dataset.model_validate(content).source)


def scan(projections: Path) -> Dependencies:
    content = {"name": "s", "source": {"kind": "scan", "projections": str(projections)}, "classes": []}
    (volume,) = scan_volumes(Dataset.model_validate(content)).values()
    return volume.dependencies()


def test_a_chunk_of_a_store_and_a_file_of_a_folder_are_seen(tmp_path: Path) -> None:
    """A folder's own time says nothing of a change within it."""
    store, series = tmp_path / "grey.zarr", tmp_path / "scan"
    for path in (store / "c/0/0", series / "p_000.tif", tmp_path / "labels.nii"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"II*\0")
    before = volumes(tmp_path, "grey.zarr", "labels.nii"), scan(series)
    assert before[0].files == (str(tmp_path / "labels.nii"),) and before[1].files == ()
    for path in (store / "c/0/0", series / "p_000.tif"):
        times = [(folder, folder.stat().st_mtime_ns) for folder in path.parents]
        path.write_bytes(b"MM\0*")
        assert all(folder.stat().st_mtime_ns == time for folder, time in times)
    after = volumes(tmp_path, "grey.zarr", "labels.nii"), scan(series)
    assert [one.listing != other.listing for one, other in zip(before, after, strict=True)] == [True, True]


def test_the_voxels_beside_a_header_and_behind_links_are_files_of_a_volume(tmp_path: Path) -> None:
    head = "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = grey.raw\n"
    (tmp_path / "grey.mhd").write_text(head)
    (tmp_path / "grey.raw").write_bytes(bytes(64))
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["data"] = np.zeros((4, 4, 4), np.uint8)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((4, 4, 4), "u1")
        layout[:] = h5py.VirtualSource("part.h5", "data", (4, 4, 4))
        file.create_virtual_dataset("data", layout)
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["entry/labels"] = h5py.ExternalLink("virtual.h5", "data")
        file["entry/gone"] = h5py.ExternalLink("gone.h5", "data")
    found = volumes(tmp_path, "grey.mhd", "labels.h5").files
    assert [Path(file).name for file in found] == ["grey.mhd", "labels.h5", "virtual.h5", "part.h5", "grey.raw"]
    with h5py.File(tmp_path / "scan.nxs", "w") as file:
        file["exchange/data"] = h5py.ExternalLink("part.h5", "data")
    assert [Path(file).name for file in scan(tmp_path / "scan.nxs").files] == ["scan.nxs", "part.h5"]


@pytest.mark.parametrize("many", [1000, 1])
def test_an_older_file_in_another_s_place_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """As an archive is unpacked: the file keeps the time that it had, before the stack was made of the other."""
    monkeypatch.setattr(files, "MANY", many)
    names = [str(tmp_path / name) for name in ("mask.png", "right.png")]
    for name, content in zip(names, (b"wrong", b"correct"), strict=True):
        Path(name).write_bytes(content)
        os.utime(name, (1e9, 1e9))
    before = watch(names)
    assert watch(names) == before
    shutil.copy2(names[1], names[0])
    assert watch(names).listing != before.listing


def test_a_touched_file_changes_no_listing_and_a_missing_one_is_left_to_the_workflow(tmp_path: Path) -> None:
    name = str(tmp_path / "a.png")
    missing = watch([name])
    assert missing.files == (name,)
    Path(name).write_bytes(b"x")
    before = watch([name])
    os.utime(name, (1e9, 1e9))
    assert watch([name]) == before != missing
    assert watch([]) == Dependencies()
