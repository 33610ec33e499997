"""The images of a dataset are labelled all or none, and what was done before a failure is not done again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_segmentation import SETTINGS, expected, make_image, write_images, write_model
from PIL import Image

from scan2seg.config.images import ImageSource
from scan2seg.config.volumes import VolumeSource
from scan2seg.errors import InputError
from scan2seg.inference.dataset_segmentation import list_inputs, segment_dataset
from scan2seg.inference.members import Member


def segment(checkpoint: Path, folder: Path, **changes: Any) -> None:
    source = ImageSource.model_validate({"kind": "images", "images": str(folder / "in/*.png"), **changes})
    members = [Member(checkpoint, SETTINGS)]
    segment_dataset(source, members, folder / "labels", folder / "summary.json", model="m/seed0")


def test_a_file_that_cannot_be_read_costs_no_other_and_what_is_done_stays_done(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/old").write_text("of before")
    (tmp_path / "in/broken.png").write_bytes((tmp_path / "in/a.png").read_bytes()[:100])
    with pytest.raises(InputError, match=r"broken\.png.*\n1 of the inputs could not be segmented"):
        segment(checkpoint, tmp_path)
    assert (tmp_path / "labels/old").read_text() == "of before" and not (tmp_path / "summary.json").exists()
    done = (tmp_path / "unfinished/a.png").stat().st_mtime_ns
    (tmp_path / "in/broken.png").unlink()
    segment(checkpoint, tmp_path)
    names = {path.name for path in (tmp_path / "labels").iterdir()}
    assert names == {"a.png", "a.png.json", "b.png", "b.png.json", "summary.csv"}
    assert (tmp_path / "labels/a.png").stat().st_mtime_ns == done and not (tmp_path / "unfinished").exists()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["model"] == "m/seed0" and set(summary["files"]) == {"a.png", "b.png"}
    for seed, name in enumerate(("a.png", "b.png")):
        assert (np.asarray(Image.open(tmp_path / "labels" / name)) == expected(checkpoint, make_image(seed))).all()


def test_what_is_left_of_another_set_of_files_is_not_taken_over(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "a.png", "gone.png", "broken.png")
    (tmp_path / "in/broken.png").write_bytes(b"no image")
    with pytest.raises(InputError):
        segment(checkpoint, tmp_path)
    for name in ("gone.png", "broken.png"):
        (tmp_path / "in" / name).unlink()
    segment(checkpoint, tmp_path)
    assert {path.name for path in (tmp_path / "labels").iterdir()} == {"a.png", "a.png.json", "summary.csv"}
    assert set(json.loads((tmp_path / "summary.json").read_text())["files"]) == {"a.png"}


def test_labels_of_a_dataset_are_no_inputs(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_images(tmp_path / part, "a.png", "b.png")
        write_images(tmp_path / f"{part}_masks", "a.png", "b.png")
    parts = {
        part: {"images": str(tmp_path / part / "*"), "labels": str(tmp_path / f"{part}_masks/*")}
        for part in ("train", "test")
    }
    found = list_inputs(ImageSource.model_validate({"kind": "images", **parts}))
    assert [each.name for each in found] == ["train/a.png", "train/b.png", "test/a.png", "test/b.png"]


def test_slices_beside_other_images_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "v", "s_0.png", "s_1.png", "other.png")
    source = {"kind": "volume", "volumes": {"v": {"images": str(tmp_path / "v/s_*.png")}}}
    with pytest.raises(InputError, match="holds other images beside the slices"):
        list_inputs(VolumeSource.model_validate(source))


def test_labels_that_fit_no_image_do_not_matter(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png", "b.png")
    write_images(tmp_path / "masks", "other.png")
    patterns = {"images": str(tmp_path / "in/*.png"), "labels": str(tmp_path / "masks/*.png")}
    assert len(list_inputs(ImageSource.model_validate({"kind": "images", **patterns}))) == 2
    source = {"kind": "volume", "volumes": {"v": {"images": str(tmp_path / "in"), "labels": str(tmp_path / "masks")}}}
    (found,) = list_inputs(VolumeSource.model_validate(source))
    assert found.paths == (tmp_path / "in",)
