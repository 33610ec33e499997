"""What fails of one input of ``scan2seg segment`` is named in a sentence and costs neither the others nor good labels."""

import sys
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
from example_segmentation import contents, make_image, segment, write_images, write_model

from scan2seg.cli import main
from scan2seg.errors import InputError
from scan2seg.inference import file_segmentation


@pytest.mark.parametrize("library", ["h5py", "nibabel", "tifffile"])
def test_a_missing_library_is_named_for_its_input_and_the_others_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    checkpoint, out = write_model(tmp_path, kind="volume"), tmp_path / "out"
    write_images(tmp_path, "s0.png")
    volume = np.stack([make_image(seed)[0] for seed in range(3)])
    name = {"h5py": "v.h5", "nibabel": "v.nii", "tifffile": "v.tif"}[library]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = volume
    nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.eye(4)), tmp_path / "v.nii")
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    for module in [each for each in sys.modules if each.startswith(("scan2seg.readers.tiff", "scan2seg.readers.hdf5"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    (problem,) = segment(checkpoint, out, tmp_path / name, tmp_path / "s0.png")
    assert f"{name}: needs the library {library}, which cannot be imported" in problem and "complete" not in problem
    assert (out / "s0.png").is_file()


@pytest.mark.parametrize(
    "error", [MemoryError("Unable to allocate 9 TiB"), RuntimeError("CUDA out of memory. Tried 9 GiB\nmore")]
)
def test_too_little_memory_for_one_input_is_named_and_the_others_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    checkpoint, out = write_model(tmp_path), tmp_path / "out"
    write_images(tmp_path / "in", "a.png", "b.png")
    whole = file_segmentation.compute_labels

    def compute(found: Any, *rest: Any) -> Any:
        if found.name == "a.png":
            raise error
        return whole(found, *rest)

    monkeypatch.setattr(file_segmentation, "compute_labels", compute)
    (problem,) = segment(checkpoint, out, tmp_path / "in")
    assert "a.png: does not fit into the free memory" in problem and "9 " in problem and "\n" not in problem
    assert set(contents(out)) == {"b.png", "b.png.json", "summary.csv"}


def test_an_error_of_ours_is_not_taken_for_one_of_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path, "a.png")

    def compute(*_: Any) -> Any:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(file_segmentation, "compute_labels", compute)
    with pytest.raises(RuntimeError, match="a mistake"):
        segment(checkpoint, tmp_path / "out", tmp_path / "a.png")


def test_a_volume_that_fails_late_leaves_what_good_labels_tell(tmp_path: Path) -> None:
    checkpoint, out = write_model(tmp_path, kind="volume"), tmp_path / "out"
    volume = np.stack([make_image(seed)[0] for seed in range(12)])
    tifffile.imwrite(tmp_path / "s.tif", volume, photometric="minisblack")
    assert segment(checkpoint, out, tmp_path / "s.tif") == []
    before = contents(out)
    # not among the slices whose looks are compared before any is segmented
    volume[10] = np.nan
    for name in ("s.tif", "t.tif"):
        tifffile.imwrite(tmp_path / name, volume, photometric="minisblack")
        (problem,) = segment(checkpoint, out, tmp_path / name)
        assert "00010: holds values that are not finite" in problem
    assert contents(out) == before


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_grey_stands_for_colours_alone(tmp_path: Path, channels: int) -> None:
    checkpoint = write_model(tmp_path, channels=channels, kind="volume")
    write_images(tmp_path / "in", "a.png", "b.png")
    problems = segment(checkpoint, tmp_path / "out", tmp_path / "in")
    wanted = f"has 1 channels, the model was trained on {channels}"
    assert len(problems) == 2 and all(wanted in line for line in problems)
    colours = write_model(tmp_path / "coloured", channels=3)
    assert segment(colours, tmp_path / "coloured", tmp_path / "in") == []


def test_a_record_that_is_cut_short_costs_its_own_input_alone(tmp_path: Path) -> None:
    checkpoint, out = write_model(tmp_path), tmp_path / "out"
    write_images(tmp_path / "in", "a.png", "b.png")
    assert segment(checkpoint, out, tmp_path / "in") == []
    labels, record = (out / "a.png").read_bytes(), out / "a.png.json"
    (out / "b.png").unlink()
    for left in (0, 10, 100):
        record.write_bytes(record.read_bytes()[:left] if left < 100 else b'{\n  "identity": "0123", "wri')
        (problem,) = segment(checkpoint, out, tmp_path / "in")
        assert "a.png.json: is cut short" in problem and "move both" in problem
        assert (out / "a.png").read_bytes() == labels and (out / "b.png").is_file()
    (out / "a.png").unlink()
    assert segment(checkpoint, out, tmp_path / "in") == [] and (out / "a.png").read_bytes() == labels


def test_a_link_to_nothing_is_named_and_the_others_are_finished(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "a.png")
    for name in ("lost.png", "lost.nii"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "nowhere" / name)
    problems = segment(checkpoint, tmp_path / "out", tmp_path / "in")
    assert len(problems) == 2 and all("links to nothing; mend the link" in line for line in problems)
    assert set(contents(tmp_path / "out")) == {"a.png", "a.png.json", "summary.csv"}


def test_the_folder_of_images_is_not_that_of_labels(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "a.png")
    with pytest.raises(InputError, match=r"in: is the folder for the labels, which is not searched"):
        segment(checkpoint, tmp_path / "in", tmp_path / "in")


def test_the_table_is_named_where_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path, "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    for name, said in {"b.png": "", "a.png": f"{tmp_path / 'out/summary.csv'}\n"}.items():
        main(["segment", str(checkpoint), str(tmp_path / name), str(tmp_path / "out")])
        assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--threads", "abc"], "argument --threads: 'abc' is not a whole number above 0"),
        (["--tile", "0"], "argument --tile: '0' is not a whole number above 0"),
        (["--pixel-size", "abc"], "argument --pixel-size: 'abc' is not a number above 0"),
    ],
)
def test_a_number_that_is_none_is_named(capsys: pytest.CaptureFixture[str], option: list[str], words: str) -> None:
    with pytest.raises(SystemExit):
        main(["segment", "model", "a.png", "out", *option])
    assert words in capsys.readouterr().err
