"""Every kind of source becomes the same stack."""

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from helpers import make_images
from PIL import Image

from scan2seg.config.dataset import Dataset
from scan2seg.errors import InputError
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store
from scan2seg.validation import check_dataset


def assemble(content: dict, folder: Path, name: str = "stack.zarr") -> zarr.Group:
    dataset = Dataset.model_validate({"name": "data", **content}, context={"folder": str(folder)})
    assemble_stack(
        dataset.stack_source(), folder / name, classes=dataset.classes, pixel_size=dataset.pixel_size, threads=2
    )
    return open_store(folder / name)


def images_of(folder: Path, **source) -> dict:
    source = {"kind": "images", "images": "images/*", "labels": "labels/*", **source}
    return {"source": source, "classes": ["dark", "grey", "bright"]}


def test_images_and_masks(tmp_path: Path) -> None:
    make_images(tmp_path, count=5)
    values = {"dark": 0, "grey": 100, "bright": 200}
    store = assemble(images_of(tmp_path, label_values=values), tmp_path)
    assert store["image"].shape == (5, 1, 40, 40) and store["image"].dtype == np.uint8
    for index, name in enumerate(store.attrs["names"]):
        raw = np.asarray(Image.open(tmp_path / "images" / f"{name}.png"))
        mask = np.asarray(Image.open(tmp_path / "labels" / f"{name}_mask.png"))
        assert np.array_equal(store["image"][index, 0], raw)
        assert np.array_equal(store["label"][index], mask // 100)
    assert store.attrs["labelled"] and store.attrs["provenance"]["settings"]["classes"] == ["dark", "grey", "bright"]


def test_a_single_image_and_label_need_no_like_names(tmp_path: Path) -> None:
    for name, value in (("train_input", 9), ("train_output", 1), ("test_input", 8), ("test_truth", 2)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((6, 5), value, np.uint8))
    parts = {part: {"images": f"{part}_input.tif"} for part in ("train", "test")}
    parts["train"]["labels"], parts["test"]["labels"] = "train_output.tif", "test_truth.tif"
    source = {"source": {"kind": "images", **parts}, "classes": ["a", "b", "c"], "split": {"strategy": "given"}}
    store = assemble(source, tmp_path)
    assert np.asarray(store["image"])[:, 0, 0, 0].tolist() == [9, 8]
    assert np.asarray(store["label"])[:, 0, 0].tolist() == [1, 2]


def test_sizes_depths_and_channels_may_differ(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    generator = np.random.default_rng(0)
    files = {
        "a.png": generator.integers(0, 255, (20, 30), np.uint8),
        "b.png": generator.integers(0, 255, (25, 10, 3), np.uint8),
        "c.tif": generator.integers(0, 60000, (12, 14), np.uint16),
        "d.tif": generator.normal(size=(9, 9)).astype(np.float32),
        "e.png": generator.integers(0, 255, (8, 8, 4), np.uint8),
    }
    for name, pixels in files.items():
        path = tmp_path / "images" / name
        tifffile.imwrite(path, pixels) if path.suffix == ".tif" else Image.fromarray(pixels).save(path)
        Image.fromarray(np.full(pixels.shape[:2], 2, np.uint8)).save(tmp_path / "labels" / f"{path.stem}.png")
    store = assemble(images_of(tmp_path, intensities="stored"), tmp_path)
    assert store["image"].shape == (5, 3, 25, 30) and store["image"].dtype == np.float32
    for index, (name, pixels) in enumerate(files.items()):
        height, width = store["size"][index]
        assert (height, width) == pixels.shape[:2], name
        expected = pixels[None].repeat(3, 0) if pixels.ndim == 2 else np.moveaxis(pixels[:, :, :3], 2, 0)
        np.testing.assert_array_equal(store["image"][index][:, :height, :width], expected.astype(np.float32))
        label = store["label"][index]
        assert (label[:height, :width] == 2).all() and (label == 2).sum() == height * width


@pytest.mark.parametrize("form", ["tiff", "slices", "hdf5", "zarr", "nifti"])
def test_volumes_of_every_format_give_the_same_slices(tmp_path: Path, form: str) -> None:
    generator = np.random.default_rng(1)
    volume = generator.normal(size=(6, 11, 13)).astype(np.float32)
    labels = generator.integers(0, 3, volume.shape).astype(np.uint8)
    names = {}
    for kind, data in (("images", volume), ("labels", labels)):
        if form == "tiff":
            tifffile.imwrite(tmp_path / f"{kind}.tif", data, photometric="minisblack")
            names[kind] = f"{kind}.tif"
        elif form == "slices":
            (tmp_path / kind).mkdir()
            for index, plane in enumerate(data):
                tifffile.imwrite(tmp_path / kind / f"slice_{index}.tif", plane)
            names[kind] = f"{kind}/*.tif"
        elif form == "hdf5":
            with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
                file["group/data"] = data
            names[kind] = f"{kind}.h5"
        elif form == "zarr":
            zarr.open_group(tmp_path / f"{kind}.zarr", mode="w").create_array("data", data=data)
            names[kind] = f"{kind}.zarr"
        else:
            nibabel.save(nibabel.Nifti1Image(data.transpose(2, 1, 0), np.eye(4)), tmp_path / f"{kind}.nii.gz")
            names[kind] = f"{kind}.nii.gz"
    source = {"kind": "volume", "volumes": {"one": names}}
    store = assemble({"source": source, "classes": ["a", "b", "c"]}, tmp_path)
    np.testing.assert_array_equal(store["image"][:, 0], volume)
    np.testing.assert_array_equal(store["label"][:], labels)
    assert list(store.attrs["groups"]) == ["one"] * 6


def test_patients_with_several_channels_are_groups(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        for name in ("t1", "flair"):
            data = 50 + 9 * generator.normal(size=(8, 9, 4)).astype(np.float32)
            nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / patient / f"{patient}_{name}.nii.gz")
        seg = generator.integers(0, 2, (8, 9, 4)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(seg, np.eye(4)), tmp_path / patient / f"{patient}_seg.nii.gz")
    source = {"kind": "volume", "folders": "p*", "images": ["*_t1.nii.gz", "*_flair.nii.gz"], "labels": "*_seg.nii.gz"}
    store = assemble({"source": {**source, "standardise": True}, "classes": ["tissue", "tumour"]}, tmp_path)
    assert store["image"].shape == (8, 2, 9, 8)
    assert list(store.attrs["groups"]) == ["p1"] * 4 + ["p2"] * 4
    image = store["image"][:4]
    np.testing.assert_allclose(image.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(image.std(axis=(0, 2, 3)), 1, atol=1e-3)


def test_a_label_that_no_class_claims_leaves_nothing_behind(tmp_path: Path) -> None:
    make_images(tmp_path, count=4)
    with pytest.raises(InputError, match=r"labels of cell_00.*200"):
        assemble(images_of(tmp_path, label_values={"dark": 0, "grey": 100}), tmp_path)
    assert not [path for path in tmp_path.iterdir() if "zarr" in path.name]


def test_a_volume_with_labels_of_another_shape_is_an_error(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((4, 5, 6), np.float32), photometric="minisblack")
    tifffile.imwrite(tmp_path / "l.tif", np.zeros((4, 5, 5), np.uint8), photometric="minisblack")
    source = {"kind": "volume", "volumes": {"one": {"images": "v.tif", "labels": "l.tif"}}}
    with pytest.raises(InputError, match=r"shape \(4, 5, 6\), a channel or label \(4, 5, 5\)"):
        assemble({"source": source, "classes": ["a", "b"]}, tmp_path)


def test_labels_without_any_named_colour_are_told_and_never_all_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generator = np.random.default_rng(3)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for index, red in enumerate((65535, 65535, 65535, 65535, 65535, 254)):
        tifffile.imwrite(tmp_path / f"images/{index}.tif", generator.integers(0, 255, (6, 5), np.uint8))
        mask = np.zeros((6, 5, 3), np.uint16)
        mask[:3, :, 0] = red
        tifffile.imwrite(tmp_path / f"labels/{index}.tif", mask, photometric="rgb")
    colours = {"dark": None, "grey": [0, 255, 0], "bright": [255, 0, 0]}
    store = assemble(images_of(tmp_path, label_colours=colours), tmp_path)
    assert np.unique(store["label"][0]).tolist() == [0, 2] and store["label"][0][:3].min() == 2
    assert "1 of 6 labels hold none of the colours that label_colours names and are 'dark' alone: 5." in caplog.text
    dataset = Dataset.model_validate(
        {"name": "data", "allow_absent_classes": True, **images_of(tmp_path, label_colours=colours)},
        context={"folder": str(tmp_path)},
    )
    caplog.clear()
    assert not list(check_dataset(dataset, "data.yaml"))
    assert "data.yaml: 1 of 6 labels hold none" in caplog.text
    colours["bright"] = [255, 0, 255]
    with pytest.raises(InputError, match=r"source.label_colours: 6 of 6 labels hold none"):
        assemble(images_of(tmp_path, label_colours=colours), tmp_path, "other.zarr")
    assert not (tmp_path / "other.zarr").exists()
