"""Volumes in the folders that people have, and what their stack says of pixel sizes and of what is left out."""

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from scan2seg.config.dataset import Dataset
from scan2seg.config.source import ScanLabels, ScanVolume
from scan2seg.config.volumes import VolumeSource
from scan2seg.errors import InputError
from scan2seg.sources import list_items
from scan2seg.sources import volume as volumes
from scan2seg.sources.volume_files import find_volumes
from scan2seg.stack import assemble_stack
from scan2seg.storage import create_volume, creating, open_store
from scan2seg.validation import check_dataset

GENERATOR = np.random.default_rng(0)


def source(folder: Path, **keys) -> VolumeSource:
    return VolumeSource.model_validate({"kind": "volume", **keys}, context={"folder": str(folder)})


def dataset(folder: Path, **keys) -> Dataset:
    content = {"name": "data", "source": {"kind": "volume", **keys}, "classes": ["a", "b"]}
    return Dataset.model_validate({**content, "split": {"strategy": "grouped"}}, context={"folder": str(folder)})


def assemble(folder: Path, **keys) -> zarr.Group:
    made = dataset(folder, **keys)
    assemble_stack(made.stack_source(), folder / "stack.zarr", classes=made.classes)
    return open_store(folder / "stack.zarr")


def nifti(path: Path, shape=(5, 4, 3), *, label: bool = False, zooms=(1, 1, 1), **settings) -> np.ndarray:
    path.parent.mkdir(exist_ok=True, parents=True)
    values = GENERATOR.integers(0, 2, shape).astype(np.uint8) if label else GENERATOR.normal(size=shape).astype("f4")
    image = nibabel.Nifti1Image(values, settings.get("affine"))
    image.header.set_zooms(zooms)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, str(path).lower())
    Path(str(path).lower()).rename(path)
    return values.transpose(2, 1, 0)


def test_the_layout_of_nnunet_with_channels_and_names_in_capitals(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    held, labels = {}, {}
    (folder / "tr").mkdir()
    for case in ("Case_02", "Case_10"):
        for channel in range(2):
            held[case, channel] = nifti(tmp_path / "t" / "x.nii.gz")
            (folder / "imagesTr").mkdir(exist_ok=True)
            (tmp_path / "t" / "x.nii.gz").rename(folder / "imagesTr" / f"{case}_{channel:04d}.NII.GZ")
        labels[case] = nifti(tmp_path / "t" / "x.nii.gz", label=True)
        (folder / "labelsTr").mkdir(exist_ok=True)
        (tmp_path / "t" / "x.nii.gz").rename(folder / "labelsTr" / f"{case}.NII.GZ")
    store = assemble(folder, volumes={"images": "imagesTr/*.NII.GZ", "labels": "labelsTr/*.NII.GZ"})
    assert list(store.attrs["groups"]) == ["Case_02"] * 3 + ["Case_10"] * 3
    for place, case in enumerate(("Case_02", "Case_10")):
        for channel in range(2):
            assert np.array_equal(store["image"][3 * place : 3 * place + 3, channel], held[case, channel])
        assert np.array_equal(store["label"][3 * place : 3 * place + 3], labels[case])
    assert store.attrs["pixel_size"] == 1000


def test_a_lacking_channel_is_named(tmp_path: Path) -> None:
    for name in ("a_0000", "a_0001", "b_0000"):
        nifti(tmp_path / "images" / f"{name}.nii")
    for name in "ab":
        nifti(tmp_path / "labels" / f"{name}.nii", label=True)
    with pytest.raises(InputError, match="b has not the channels 0000, 0001"):
        find_volumes(source(tmp_path, volumes={"images": "images/*", "labels": "labels/*"}))


@pytest.mark.parametrize("suffix", ["", "_seg"])
def test_four_digits_of_a_case_are_no_channel(tmp_path: Path, suffix: str) -> None:
    for name in ("scan_0000", "scan_0001"):
        nifti(tmp_path / "images" / f"{name}.nii")
        nifti(tmp_path / "labels" / f"{name}{suffix}.nii", label=True)
    found = find_volumes(source(tmp_path, volumes={"images": "images/*", "labels": "labels/*"}))
    assert {name: len(files.channels) for name, files in found.items()} == {"scan_0000": 1, "scan_0001": 1}


def test_a_folder_a_patient_of_colour_slices(tmp_path: Path) -> None:
    held = {}
    for patient in ("P_1", "P_2"):
        for number in (1, 2, 10):
            for kind, shape in (("images", (6, 5, 3)), ("masks", (6, 5))):
                (tmp_path / kind / patient).mkdir(exist_ok=True, parents=True)
                pixels = GENERATOR.integers(0, 255 if kind == "images" else 2, shape).astype(np.uint8)
                held[kind, patient, number] = pixels
                end = f"{number}.png" if kind == "images" else f"{number}_mask.png"
                Image.fromarray(pixels).save(tmp_path / kind / patient / end)
    store = assemble(tmp_path, volumes={"images": "images/*", "labels": "masks/*"})
    assert store["image"].shape == (6, 3, 6, 5) and list(store.attrs["groups"]) == ["P_1"] * 3 + ["P_2"] * 3
    for index, (patient, number) in enumerate((p, n) for p in ("P_1", "P_2") for n in (1, 2, 10)):
        assert np.array_equal(store["image"][index], np.moveaxis(held["images", patient, number], 2, 0))
        assert np.array_equal(store["label"][index], held["masks", patient, number])
    some = assemble(tmp_path, volumes={"images": "images/*", "labels": "masks/*"}, channels=[2, 0], standardise=True)
    both = np.stack([held["images", "P_1", number].astype(float) for number in (1, 2, 10)])[..., [2, 0]]
    expected = np.moveaxis((both - both.mean((0, 1, 2))) / both.std((0, 1, 2)), 3, 1)
    assert some["image"].shape == (6, 2, 6, 5) and np.allclose(some["image"][:3], expected, atol=1e-5)
    with pytest.raises(InputError, match="3 is not among the 3 channels of P_1, 0 to 2"):
        assemble(tmp_path, volumes={"images": "images/*", "labels": "masks/*"}, channels=[3])


def test_what_has_no_partner_is_refused_or_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        nifti(tmp_path / "images" / f"{name}.nii")
    for name in ("a", "b", "d"):
        nifti(tmp_path / "labels" / f"{name}_seg.nii", label=True)
    keys = {"volumes": {"images": "images/*", "labels": "labels/*"}}
    with pytest.raises(InputError, match=r"no label for c;.*unmatched: skip"):
        find_volumes(source(tmp_path, **keys))
    said: list[str] = []
    monkeypatch.setattr("scan2seg.sources.matching.warn", lambda text, *values: said.append(text % values))
    assert list(find_volumes(source(tmp_path, **keys, unmatched="skip"))) == ["a", "b"]
    assert any("no label: c" in line for line in said) and any("no image: d_seg" in line for line in said)


def test_slices_without_a_label_slice_are_never_shifted(tmp_path: Path) -> None:
    for kind, numbers in (("images", (0, 1, 2, 3)), ("labels", (0, 1, 3))):
        (tmp_path / kind).mkdir()
        for number in numbers:
            tifffile.imwrite(tmp_path / kind / f"{kind}_{number}.tif", np.full((4, 5), number % 2, np.uint8))
    keys = {"volumes": {"one": {"images": "images/*.tif", "labels": "labels/*.tif"}}}
    with pytest.raises(InputError, match=r"slices of one: no label for 2"):
        find_volumes(source(tmp_path, **keys))
    store = assemble(tmp_path, **keys, unmatched="skip")
    assert np.asarray(store["image"])[:, 0, 0, 0].tolist() == [0, 1, 1]
    assert np.asarray(store["label"])[:, 0, 0].tolist() == [0, 1, 1]


def test_unlike_pixel_sizes_are_told_and_kept_by_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, zooms in (("a", (0.5, 0.5, 2)), ("b", (1, 1, 1))):
        nifti(tmp_path / "images" / f"{name}.nii", zooms=zooms)
        nifti(tmp_path / "labels" / f"{name}.nii", label=True, zooms=zooms)
    said: list[str] = []
    monkeypatch.setattr("scan2seg.stack.warn", lambda text, *values: said.append(text % values))
    keys = {"volumes": {"images": "images/*", "labels": "labels/*"}}
    store = assemble(tmp_path, **keys)
    assert store.attrs["pixel_size"] is None and list(store.attrs["pixel_sizes"]) == [500.0] * 3 + [1000.0] * 3
    assert "unlike pixel sizes: 500 micrometres (a), 1000 micrometres (b)" in said[0]
    even = assemble(tmp_path, **keys, spacing=[1000, 1000, 1000])
    assert even.attrs["pixel_size"] == 1000 and "pixel_sizes" not in even.attrs
    assert store.attrs["spacings"] == {"a": [2000.0, 500.0, 500.0], "b": [1000.0, 1000.0, 1000.0]}
    assert even["size"][:].tolist() == [[2, 2]] * 6 + [[4, 5]] * 3
    fine = assemble(tmp_path, **keys, spacing="isotropic")
    assert list(fine.attrs["pixel_sizes"]) == [500.0] * 12 + [1000.0] * 3
    turned = assemble(tmp_path, **keys, axis=2)  # columns of the file, whose pixels are no squares
    assert turned.attrs["spacings"]["a"] == [500.0, 2000.0, 500.0]


def test_headers_that_contradict_each_other_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(volumes, "warn", lambda text, *values: said.append(text % values))
    turned = np.diag([-1.0, 1, 1, 1])
    for name, affine in (("a", np.eye(4)), ("b", turned)):
        nifti(tmp_path / "images" / f"{name}.nii", affine=affine)
        nifti(tmp_path / "labels" / f"{name}.nii", label=True, affine=np.eye(4), zooms=(1, 1, 1 + (name == "a")))
    keys = {"volumes": {"images": "images/*", "labels": "labels/*"}}
    volumes.list_items(dataset(tmp_path, **keys).stack_source(), {})
    assert len(said) == 3 and "unlike sides (RAS such as a, LAS such as b)" in said[0]
    assert said[1].startswith("a: by their headers voxels of the first channel are 1000 x 1000 x 1000 µm, those of")
    assert said[2].startswith("b: by their headers the axes of the first channel run towards LAS, those of another")


def test_pixels_follow_resize(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        Image.fromarray(GENERATOR.integers(0, 2, (20, 30)).astype(np.uint8)).save(tmp_path / kind / "a.png")
    settings = {"kind": "images", "images": "images/*", "labels": "labels/*", "resize": [10, 15]}
    made = Dataset.model_validate(
        {"name": "x", "source": settings, "classes": ["a", "b"], "pixel_size": 0.7}, context={"folder": str(tmp_path)}
    )
    assemble_stack(made.stack_source(), tmp_path / "s.zarr", classes=made.classes, pixel_size=made.pixel_size)
    assert open_store(tmp_path / "s.zarr").attrs["pixel_size"] == pytest.approx(1.4)


def test_a_volume_that_lacks_chunks_is_refused_unless_that_is_meant(tmp_path: Path) -> None:
    values = GENERATOR.integers(1, 9, (6, 8, 8)).astype("u1")
    zarr.create_array(tmp_path / "v.zarr", data=values, chunks=(2, 8, 8))
    zarr.create_array(tmp_path / "l.zarr", data=(values > 4).astype("u1"), chunks=(2, 8, 8))
    (tmp_path / "v.zarr" / "c" / "1" / "0" / "0").unlink()
    keys = {"volumes": {"one": {"images": "v.zarr", "labels": "l.zarr"}}}
    problems = list(check_dataset(dataset(tmp_path, **keys), "data.yaml"))
    assert "1 of 3 chunks are not there, in slices 2 to 3" in str(problems[0])
    with pytest.raises(InputError, match="missing_chunks: fill"):
        assemble(tmp_path, **keys)
    assert not (tmp_path / "stack.zarr").exists()
    assert np.asarray(assemble(tmp_path, **keys, missing_chunks="fill")["image"])[2:4].max() == 0


def test_a_reconstruction_that_lost_a_shard_is_refused(tmp_path: Path) -> None:
    with creating(tmp_path / "v.zarr") as group:
        create_volume(group, (4, 6, 6), per_shard=2, pixel_size=0.5)[:] = 0
    scans = {"one": ScanVolume(volume=str(tmp_path / "v.zarr"))}
    items = list_items(ScanLabels(kind="scan"), scans)
    assert len(items) == 4 and items[0].pixel_size == 0.5
    (tmp_path / "v.zarr" / "volume" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(InputError, match=r"2 of 4 chunks of volume are not there, in slices 2 to 3"):
        list_items(ScanLabels(kind="scan"), scans)


def test_a_volume_in_hdf5_that_was_never_written_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("data", (6, 8, 8), "u1", chunks=(2, 8, 8))[2:] = 7
    keys = {"volumes": {"one": {"images": "v.h5"}}}
    with pytest.raises(InputError, match=r"v\.h5: 2 of 6 slices of /data were never written.*missing_chunks: fill"):
        volumes.list_items(dataset(tmp_path, **keys).stack_source(), {})
    assert len(volumes.list_items(dataset(tmp_path, **keys, missing_chunks="fill").stack_source(), {})) == 6


def test_checking_reads_no_whole_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for patient in "abc":
        nifti(tmp_path / patient / "t1.nii", (4, 5, 60))
        nifti(tmp_path / patient / "seg.nii", (4, 5, 60), label=True)
    planes: list[int] = []
    original = volumes._read_planes
    monkeypatch.setattr(volumes, "_read_planes", lambda *given: planes.append(1) or original(*given))
    made = dataset(tmp_path, folders="[abc]", images="t1.nii", labels="seg.nii", standardise=True)
    items = volumes.list_items(made.stack_source(), {})
    assert len(items) == 180 and not planes
    assert list(check_dataset(made, "data.yaml")) == [] and len(planes) <= 24
    assert items[70].finish is not None and items[70].finish(items[70].read()).shape == (1, 5, 4)
    assert 60 < len(planes) <= 24 + 61


def test_volumes_of_unlike_types_are_refused_unless_they_are_comparable(tmp_path: Path) -> None:
    for name, kind in (("a", np.uint8), ("b", np.uint16)):
        for part in ("images", "labels"):
            (tmp_path / part).mkdir(exist_ok=True)
            values = np.ones((3, 4, 5), kind if part == "images" else np.uint8)
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / part / f"{name}.nii")
    files = {"images": str(tmp_path / "images/*.nii"), "labels": str(tmp_path / "labels/*.nii")}

    def count(**keys) -> int:
        given = VolumeSource(kind="volume", volumes=files, label_values={"x": 0, "y": 1}, **keys)
        return len(list_items(given, {}))

    with pytest.raises(InputError, match=r"unlike types \(uint8 such as a, uint16 such as b\); set standardise"):
        count()
    assert count(standardise=True) == count(intensities="stored") == 10
