"""Files of every form come back as labels in the same form, read as the training images were."""

import csv
import threading
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
from example_segmentation import contents, expected, facts_of, make_image, segment, write_images, write_model
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.ndimage import label as find_components

from scan2seg.config.images import ImageSource
from scan2seg.config.volumes import VolumeSource
from scan2seg.errors import InputError
from scan2seg.inference import file_segmentation
from scan2seg.sources import list_items
from scan2seg.storage import open_array, open_store


def test_images_come_back_in_their_form_and_name(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path), tmp_path / "in"
    pixels = [make_image(seed, 24 + seed, 33) for seed in range(3)]
    (inputs / "deeper").mkdir(parents=True)
    Image.fromarray(pixels[0][0].astype(np.uint8)).save(inputs / "one.PNG")
    tifffile.imwrite(inputs / "two.tif", pixels[1][0].astype(np.uint16))
    Image.fromarray(pixels[2][0].astype(np.uint8)).save(inputs / "deeper" / "three.bmp")
    assert segment(checkpoint, tmp_path / "out", inputs) == []
    names = ["one.PNG", "two.tif", "deeper/three.png"]
    for name, image in zip(names, pixels, strict=True):
        file = tmp_path / "out" / name
        labels = tifffile.imread(file) if name.endswith("tif") else np.asarray(Image.open(file))
        wanted = expected(checkpoint, image)
        assert labels.dtype == np.uint8 and labels.shape == image.shape[1:]
        assert (labels == wanted).all()
        classes = facts_of(file)["classes"]
        assert classes["b"]["phase_fraction"] == pytest.approx((wanted == 1).mean())
    with (tmp_path / "out/summary.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert sorted({row["file"] for row in rows}) == sorted(names) and len(rows) == 9


def test_volumes_come_back_as_zarr_and_in_their_form(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, neighbours=1, kind="volume")
    volume = np.stack([make_image(seed)[0] for seed in range(5)]).astype(np.uint8)
    affine = np.diag([0.002, 0.002, 0.004, 1])
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"mine"
    nibabel.save(image, tmp_path / "scan.nii.gz")
    tifffile.imwrite(tmp_path / "pages.tif", volume, photometric="minisblack")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["raw"], file["other"] = volume, volume[::-1]
    (tmp_path / "slices").mkdir()
    for index, plane in enumerate(volume):
        Image.fromarray(plane).save(tmp_path / "slices" / f"s{index}.png")
    given = [tmp_path / name for name in ("scan.nii.gz", "pages.tif", "data.h5", "slices")]
    assert segment(checkpoint, tmp_path / "out", *given, key="raw") == []
    places = [np.array([0, 0, 1]), *(np.arange(index - 1, index + 2) for index in range(1, 4)), np.array([3, 4, 4])]
    wanted = np.stack([expected(checkpoint, volume[chosen].astype(np.float32)) for chosen in places])
    for name in ("scan", "pages", "data", "slices"):
        found = np.asarray(open_array(tmp_path / "out" / f"{name}.zarr", "label")[:])
        assert found.shape == wanted.shape and (found == wanted).all(), name
    back: Any = nibabel.load(tmp_path / "out/scan.nii.gz")
    assert (np.asarray(back.dataobj) == wanted.transpose(2, 1, 0)).all() and back.get_data_dtype() == np.uint8
    assert np.allclose(back.affine, affine) and back.header["descrip"].tobytes().startswith(b"mine")
    assert back.header.get_xyzt_units()[0] == "mm"
    pages = tifffile.imread(tmp_path / "out/pages.tif")
    assert pages.shape == wanted.shape and (pages == wanted).all()
    facts = facts_of(tmp_path / "out/scan.zarr")
    assert facts["unlike_training"] == []
    assert facts["spacing"] == pytest.approx([4, 2, 2]) and facts["unit"] == "micrometre"
    assert facts["classes"]["a"]["phase_fraction"] == pytest.approx((wanted == 0).mean())


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_of_another_axis_come_back_on_the_file_s_own_grid(tmp_path: Path, axis: int) -> None:
    checkpoint = write_model(tmp_path, neighbours=1, kind="volume", axis=axis)
    volume = np.stack([make_image(seed, 20, 18)[0] for seed in range(17)])
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    assert segment(checkpoint, tmp_path / "out", tmp_path / "v.tif") == []
    found = np.asarray(open_array(tmp_path / "out/v.zarr", "label")[:])
    turned = np.moveaxis(volume, axis, 0)
    assert found.shape == volume.shape
    assert (np.moveaxis(found, axis, 0)[5] == expected(checkpoint, turned[4:7])).all()


def test_what_a_source_did_to_its_images_is_done_to_new_ones(tmp_path: Path) -> None:
    done = {"resize": [16, 16], "denoising": [{"method": "median"}], "intensities": "type"}
    checkpoint = write_model(tmp_path, **done)
    image = np.kron(make_image(0, 16, 16)[0], np.ones((2, 3))).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "large.png")
    assert segment(checkpoint, tmp_path / "out", tmp_path / "large.png") == []
    source = {"kind": "images", "images": str(tmp_path / "large.png"), **done}
    (item,) = list_items(ImageSource.model_validate(source), {})
    small = expected(checkpoint, item.read())
    assert (np.asarray(Image.open(tmp_path / "out/large.png")) == np.kron(small, np.ones((2, 3)))).all()


def test_channels_of_a_patient_lie_in_files_of_their_own(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, channels=2, kind="volume")
    (tmp_path / "in").mkdir()
    volume = np.stack([make_image(seed, channels=2) for seed in range(3)], axis=1)
    for channel in range(2):
        nibabel.save(
            nibabel.Nifti1Image(volume[channel].transpose(2, 1, 0), np.eye(4)),
            tmp_path / "in" / f"p01_000{channel}.nii",
        )
    assert segment(checkpoint, tmp_path / "out", tmp_path / "in") == []
    found = np.asarray(open_array(tmp_path / "out/p01.zarr", "label")[:])
    assert (found[1] == expected(checkpoint, volume[:, 1])).all() and (tmp_path / "out/p01.nii").is_file()


def test_an_image_unlike_the_training_images_gets_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint = write_model(tmp_path)
    Image.fromarray(make_image(0)[0].astype(np.uint8)).save(tmp_path / "same.png")
    tifffile.imwrite(tmp_path / "other.tif", (make_image(0)[0] * 200).astype(np.uint16))
    segment(checkpoint, tmp_path / "out", tmp_path / "same.png", tmp_path / "other.tif")
    assert facts_of(tmp_path / "out/same.png")["unlike_training"] == []
    assert any("the range of grey values" in line for line in facts_of(tmp_path / "out/other.tif")["unlike_training"])
    nibabel.save(nibabel.Nifti1Image(make_image(0, 9, 9).T, np.diag([3, 3, 3, 1])), tmp_path / "coarse.nii")
    segment(checkpoint, tmp_path / "out", tmp_path / "coarse.nii")
    (line,) = facts_of(tmp_path / "out/coarse.zarr")["unlike_training"]
    assert line == "the edge of a pixel is 3000 micrometres, in training 2"
    assert "other.tif" in caplog.text and "same.png" not in caplog.text


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path, "a.png", "b.png")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"b\.png: is a file; the last path given is the folder"):
        segment(checkpoint, tmp_path / "b.png", tmp_path / "a.png")
    assert contents(tmp_path) == before


def test_channels_given_one_by_one_are_joined_by_folder_and_case_in_their_order(tmp_path: Path) -> None:
    checkpoint, out = write_model(tmp_path, channels=2, kind="volume"), tmp_path / "out"
    volume = np.stack([make_image(seed, channels=2) for seed in range(3)], axis=1)
    files = [tmp_path / f"p_000{channel}.tif" for channel in range(2)]
    for file, channel in zip(files, volume, strict=True):
        tifffile.imwrite(file, channel, photometric="minisblack")
    assert segment(checkpoint, out, *files[::-1]) == []
    found = np.asarray(open_array(out / "p.zarr", "label")[:])
    assert (found[1] == expected(checkpoint, volume[:, 1])).all()
    tifffile.imwrite(tmp_path / "alone.tif", volume[0], photometric="minisblack")
    problems = segment(checkpoint, out, tmp_path / "alone.tif", files[0])
    assert ["the model was trained on 2" in line for line in problems] == [True, True]
    assert not (out / "alone.zarr").exists()


def test_volumes_that_were_resampled_and_standardised_come_back_on_their_own_grid(tmp_path: Path) -> None:
    reading = {"kind": "volume", "spacing": "isotropic", "standardise": True}
    checkpoint = write_model(tmp_path, **reading)
    volume = np.stack([make_image(seed, 20, 18)[0] for seed in range(7)])
    nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.diag([2, 2, 5, 1])), tmp_path / "v.nii")
    assert segment(checkpoint, tmp_path / "out", tmp_path / "v.nii") == []
    found = np.asarray(open_array(tmp_path / "out/v.zarr", "label")[:])
    source = {"volumes": {"v": {"images": str(tmp_path / "v.nii")}}, **reading}
    items = list_items(VolumeSource.model_validate(source), {})
    assert len(items) == 18 and found.shape == volume.shape
    for index in range(7):
        # the middle of slice i of the file, in slices of the resampled volume, which are 2 thick in place of 5
        item = items[int((index + 0.5) * 5 / 2)]
        assert item.finish is not None
        assert (found[index] == expected(checkpoint, item.finish(item.read()))).all()
    ome = dict(open_store(tmp_path / "out/v.zarr").attrs)["ome"]
    (scale,) = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == pytest.approx([5000, 2000, 2000])


def test_sizes_are_in_micrometres_where_the_pixel_is_known(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path, "a.png")
    values = {}
    for edge in (None, 2.0, 3.0):
        assert segment(checkpoint, tmp_path / f"out{edge}", tmp_path / "a.png", pixel_size=edge) == []
        facts = facts_of(tmp_path / f"out{edge}/a.png")
        values[edge] = facts["classes"]["b"]["mean_diameter"]
        assert facts["unit"] == ("pixel" if edge is None else "micrometre")
        assert facts["unlike_training"] == (
            ["the edge of a pixel is 3 micrometres, in training 2"] if edge == 3.0 else []
        )
    assert values[3.0] == pytest.approx(3 * values[None]) and values[2.0] == pytest.approx(2 * values[None])


def test_particles_of_a_volume_are_those_of_scipy(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, kind="volume")
    volume = gaussian_filter(np.random.default_rng(3).normal(100, 400, (9, 24, 33)), 1.5).astype(np.float32)
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    segment(checkpoint, tmp_path / "out", tmp_path / "v.tif")
    found = np.asarray(open_array(tmp_path / "out/v.zarr", "label")[:])
    facts = facts_of(tmp_path / "out/v.zarr")["classes"]
    assert len(np.unique(found)) > 1
    for index, name in enumerate("abc"):
        components, _ = find_components(found == index, np.ones((3, 3, 3)))
        sizes = np.bincount(components.ravel())[1:]
        assert facts[name]["particles"] == (sizes >= 27).sum()
        assert facts[name]["phase_fraction"] == pytest.approx((found == index).mean())


def test_a_given_pixel_size_takes_the_place_of_the_file_s_as_in_a_stack(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, kind="volume")
    volume = np.stack([make_image(seed)[0] for seed in range(3)])
    nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.diag([1, 1, 3, 1])), tmp_path / "v.nii")
    assert segment(checkpoint, tmp_path / "out", tmp_path / "v.nii", pixel_size=2.0) == []
    facts = facts_of(tmp_path / "out/v.zarr")
    assert facts["pixel_size"] == 2 and facts["spacing"] == [6, 2, 2] and facts["unlike_training"] == []


def test_the_next_file_is_read_while_one_is_segmented_and_the_one_before_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "0.png", "1.png", "2.png")
    read, written = [threading.Event() for _ in range(4)], [threading.Event() for _ in range(3)]
    acts = {name: getattr(file_segmentation, name) for name in ("read_image", "compute_labels", "write_labels")}

    def read_image(found: Any, *rest: Any) -> Any:
        read[int(found.paths[0].stem)].set()
        return acts["read_image"](found, *rest)

    def compute_labels(found: Any, *rest: Any) -> Any:
        place = int(found.paths[0].stem)
        # each would wait for ever if the others did not go on meanwhile
        assert place == 2 or read[place + 1].wait(20)
        assert place == 0 or written[place - 1].wait(20)
        return acts["compute_labels"](found, *rest)

    def write_labels(found: Any, *rest: Any) -> Any:
        facts = acts["write_labels"](found, *rest)
        written[int(found.paths[0].stem)].set()
        return facts

    for act in (read_image, compute_labels, write_labels):
        monkeypatch.setattr(file_segmentation, act.__name__, act)
    assert segment(checkpoint, tmp_path / "out", tmp_path / "in") == []
    assert all(event.is_set() for event in written) and sorted(contents(tmp_path / "out")) == sorted(
        ["0.png", "0.png.json", "1.png", "1.png.json", "2.png", "2.png.json", "summary.csv"]
    )
