"""Images find their labels and come to one scale."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from scan2seg.config.images import ImageSource
from scan2seg.errors import InputError
from scan2seg.sources import list_items
from scan2seg.sources.images import input_files


def source(folder: Path, **settings: Any) -> ImageSource:
    paths = {key: str(folder / settings.pop(key)) for key in ("images", "labels") if key in settings}
    return ImageSource(kind="images", **paths, **settings)


def write(folder: Path, *names: str) -> None:
    """Write images whose grey level is the number that their whole name ends with."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        level = 10 * int("".join(letter for letter in name if letter.isdigit()))
        Image.fromarray(np.full((4, 5), level % 256, np.uint8)).save(path)


@pytest.mark.parametrize(
    ("images", "labels", "form"),
    [
        ("images/*/*.png", "labels/*/*.png", ("images/P{0}/{1}.png", "labels/P{0}/{1}_mask.png")),
        ("P*/images/*.png", "P*/labels/*.png", ("P{0}/images/{1}.png", "P{0}/labels/{1}.png")),
        ("images/**/*.png", "labels/**/*.png", ("images/a/P{0}/{1}.png", "labels/a/P{0}/{1}.png")),
        ("*_scans/*.PNG", "*_truth/*.png", ("P{0}_scans/{1}.PNG", "P{0}_truth/{1}.png")),
    ],
)
def test_equal_stems_are_told_apart_by_their_folders(
    tmp_path: Path, images: str, labels: str, form: tuple[str, str]
) -> None:
    write(tmp_path, *(name.format(patient, number) for name in form for patient in (1, 2) for number in ("01", "02")))
    items = list_items(source(tmp_path, images=images, labels=labels), {})
    assert len({item.name for item in items}) == 4
    assert [item.read()[0, 0, 0] for item in items] == [(10 * value) % 256 for value in (101, 102, 201, 202)]
    for item in items:
        assert item.read_label is not None
        assert np.array_equal(item.read()[0], item.read_label())


def test_files_of_one_name_are_refused_with_both_paths(tmp_path: Path) -> None:
    write(tmp_path, "images/1.png", "images/1.bmp", "images/2.png", "labels/1.png", "labels/2.png")
    with pytest.raises(InputError, match=r"1\.bmp and .*1\.png have the same name"):
        list_items(source(tmp_path, images="images/*", labels="labels/*"), {})


def test_suffixes_match_in_either_case(tmp_path: Path) -> None:
    write(tmp_path, "images/1.PNG", "images/2.png", "labels/1.png", "labels/2.PNG")
    assert len(list_items(source(tmp_path, images="images/*.png", labels="labels/*.png"), {})) == 2


def test_files_without_partner_are_refused_or_left_out_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, *(f"images/{number}.png" for number in range(1, 9)), "labels/8_seg.png", "labels/9_seg.png")
    settings = {"images": "images/*", "labels": "labels/*"}
    with pytest.raises(InputError, match=r"no label for 1, 2.*unmatched: skip"):
        list_items(source(tmp_path, **settings), {})
    items = list_items(source(tmp_path, unmatched="skip", **settings), {})
    assert [item.name for item in items] == ["8"]
    assert "1, 2, 3, 4, 5, 6, 7" in caplog.text and "9_seg" in caplog.text
    found = input_files(ImageSource.model_validate(source(tmp_path, unmatched="skip", **settings)))
    assert [Path(path).name for path in found] == ["8.png", "8_seg.png"]


def test_images_of_unlike_types_come_to_one_scale_or_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "images/20.png")
    tifffile.imwrite(tmp_path / "images/a.tif", np.full((4, 5), 200 * 257, np.uint16))
    tifffile.imwrite(tmp_path / "images/b.tif", np.full((4, 5), 200 / 255, np.float32))
    with pytest.raises(InputError, match=r"unlike types \(1 of float32 .*, 1 of uint16 .*, 1 of uint8 .*'type'"):
        list_items(source(tmp_path, images="images/*"), {})
    scaled = [item.read() for item in list_items(source(tmp_path, images="images/*", intensities="type"), {})]
    assert np.allclose(scaled, 200 / 255)
    stored = [item.read().max() for item in list_items(source(tmp_path, images="images/*", intensities="stored"), {})]
    assert sorted(stored) == pytest.approx([200 / 255, 200, 200 * 257])
    tifffile.imwrite(tmp_path / "images/b.tif", np.full((4, 5), 3, np.float32))
    with pytest.raises(InputError, match="real numbers from 3 to 3"):
        [item.read() for item in list_items(source(tmp_path, images="images/*", intensities="type"), {})]


def test_a_turned_photograph_lies_on_its_upright_label(tmp_path: Path) -> None:
    upright = np.zeros((6, 6), np.uint8)
    upright[:3] = 200
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    # tag 6: the stored image is turned clockwise when shown
    Image.fromarray(np.rot90(upright)).save(tmp_path / "images/a.png", exif=exif)
    Image.fromarray(upright).save(tmp_path / "labels/a.png")
    item = list_items(source(tmp_path, images="images/*", labels="labels/*"), {})[0]
    assert item.read_label is not None and np.array_equal(item.read()[0], item.read_label())
    tifffile.imwrite(tmp_path / "images/a.tif", upright, extratags=[("Orientation", "H", 1, 6, True)])
    with pytest.raises(InputError, match=r"stored turned .TIFF tag Orientation 6"):
        list_items(source(tmp_path, images="images/*.tif", labels="labels/*"), {})


def test_masks_that_are_jpeg_files_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "images/1.png", "images/2.png", "labels/1.JPG", "labels/2.png")
    settings = {"images": "images/*", "labels": "labels/*"}
    list_items(source(tmp_path, label_nearest={"a": 10, "b": 20}, **settings), {})
    assert not caplog.text
    list_items(source(tmp_path, **settings), {})
    assert "1 labels such as" in caplog.text and "1.JPG are JPEG" in caplog.text


def test_grey_levels_of_labels_are_of_one_type(tmp_path: Path) -> None:
    write(tmp_path, "images/1.png", "images/2.png", "images/3.png", "labels/1.png")
    tifffile.imwrite(tmp_path / "labels/2.tif", np.full((4, 5), 65535, np.uint16))
    Image.fromarray(np.ones((4, 5), bool)).save(tmp_path / "labels/3.png")
    settings = {"images": "images/*", "labels": "labels/*", "resize": (2, 3)}
    with pytest.raises(InputError, match=r"label_nearest: the labels have unlike types .1 of uint16 such as"):
        list_items(source(tmp_path, label_nearest={"a": 0, "b": 255}, **settings), {})
    read = [item.read_label for item in list_items(source(tmp_path, **settings), {})]
    assert [int(label().max()) for label in read if label is not None] == [10, 65535, 1]
