"""Nothing is lost, half-written, or made twice by ``scan2seg segment``, whatever lies where it writes."""

import csv
import os
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import torch
from example_segmentation import SETTINGS, contents, expected, facts_of, make_image, segment, write_images, write_model
from PIL import Image

from scan2seg.cli import main
from scan2seg.errors import InputError
from scan2seg.inference import file_segmentation
from scan2seg.inference.applied_model import FileOptions
from scan2seg.inference.file_segmentation import segment_inputs
from scan2seg.inference.labelling import Labelling
from scan2seg.inference.members import Member
from scan2seg.storage import create_volume, creating, open_array


def test_one_damaged_file_is_named_and_the_others_are_finished(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path), tmp_path / "in"
    inputs.mkdir()
    for seed in range(3):
        Image.fromarray(make_image(seed)[0].astype(np.uint8)).save(inputs / f"{seed}.png")
    (inputs / "1.png").write_bytes((inputs / "1.png").read_bytes()[:90])
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(inputs / "colour.png")
    tifffile.imwrite(inputs / "nan.tif", np.full((20, 20), np.nan, np.float32))
    problems = segment(checkpoint, tmp_path / "out", inputs)
    assert len(problems) == 3
    for word in (
        "1.png",
        "colour: has 3 channels, the model was trained on 1",
        "nan: holds values that are not finite",
    ):
        assert any(word in line for line in problems), (word, problems)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "0.png", "0.png.json", "2.png", "2.png.json", "summary.csv",
    }  # fmt: skip


def test_what_is_done_is_not_done_again_and_what_changed_is(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path), tmp_path / "in"
    inputs.mkdir()
    for seed in range(2):
        Image.fromarray(make_image(seed)[0].astype(np.uint8)).save(inputs / f"{seed}.png")
    segment(checkpoint, tmp_path / "out", inputs)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    Image.fromarray(make_image(7)[0].astype(np.uint8)).save(inputs / "1.png")
    segment(checkpoint, tmp_path / "out", inputs)
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    assert again["0.png"] == times["0.png"] and again["1.png"] > times["1.png"]
    flipped = SETTINGS.model_copy(update={"flips": True})
    segment_inputs([Member(checkpoint, flipped)], [inputs], tmp_path / "out", FileOptions())
    assert (tmp_path / "out/0.png").stat().st_mtime_ns > times["0.png"]


def test_a_slice_of_the_same_size_and_an_older_time_makes_a_volume_another(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path, neighbours=1, kind="volume"), tmp_path / "in"
    out = inputs / "labels"
    inputs.mkdir()
    for seed in range(3):
        tifffile.imwrite(inputs / f"{seed}.tif", make_image(seed)[0])
    assert segment(checkpoint, out, inputs) == []
    time = (out / "in.zarr.json").stat().st_mtime_ns
    assert segment(checkpoint, out, inputs) == []
    assert (out / "in.zarr.json").stat().st_mtime_ns == time
    state = (inputs / "1.tif").stat()
    tifffile.imwrite(inputs / "1.tif", make_image(7)[0])
    os.utime(inputs / "1.tif", ns=(0, state.st_mtime_ns - 10**12))
    assert (inputs / "1.tif").stat().st_size == state.st_size
    assert segment(checkpoint, out, inputs) == []
    found = np.asarray(open_array(out / "in.zarr", "label")[1])
    shown = np.concatenate([make_image(seed) for seed in (0, 7, 2)])
    assert (found == expected(checkpoint, shown)).all()


def test_other_data_beside_the_same_header_is_another_input(tmp_path: Path) -> None:
    checkpoint, out = write_model(tmp_path, kind="volume"), tmp_path / "out"
    header = "NDims = 3\nDimSize = 33 24 2\nElementType = MET_FLOAT\nElementDataFile = v.raw\n"
    (tmp_path / "v.mhd").write_text(header)
    for seeds in ((0, 1), (2, 3)):
        (tmp_path / "v.raw").write_bytes(np.stack([make_image(seed)[0] for seed in seeds]).tobytes())
        assert segment(checkpoint, out, tmp_path / "v.mhd") == []
        found = np.asarray(open_array(out / "v.zarr", "label")[:])
        assert (found == np.stack([expected(checkpoint, make_image(seed)) for seed in seeds])).all()


@pytest.mark.parametrize("other", ["code_stamp", "versions"])
def test_labels_by_other_code_or_libraries_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    checkpoint, out = write_model(tmp_path), tmp_path / "out"
    write_images(tmp_path, "a.png")
    times = []
    for changed in (False, False, True):
        if changed:
            monkeypatch.setattr(file_segmentation, other, lambda: {"numpy": "1.0"})
        assert segment(checkpoint, out, tmp_path / "a.png") == []
        times.append((out / "a.png").stat().st_mtime_ns)
    assert times[0] == times[1] < times[2]


def test_mistakes_end_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_model(tmp_path)
    (tmp_path / "empty").mkdir()
    Image.fromarray(make_image(0)[0].astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(make_image(0)[0].astype(np.uint8)).save(tmp_path / "a.bmp")
    cases = {
        (checkpoint, "missing.png", "out"): "there is no such file",
        (checkpoint, "empty", "out"): "holds no image",
        (checkpoint, "a.png", "."): "is an input",
        (checkpoint, ".", "out"): "would both be written to a.png",
        (tmp_path / "empty", "a.png", "out"): "is no checkpoint",
        (tmp_path / "a.png", "a.png", "out"): "is not a readable checkpoint",
    }
    for (model, given, output), words in cases.items():
        assert main(["segment", str(model), str(tmp_path / given), str(tmp_path / output)]) == 2
        said = capsys.readouterr().err
        assert words in said and "Traceback" not in said, said
    assert not (tmp_path / "out").exists()
    content = torch.load(checkpoint, weights_only=True)
    del content["description"]["reading"]
    torch.save(content, checkpoint)
    with pytest.raises(InputError, match="does not say how its images were read"):
        segment(checkpoint, tmp_path / "out", tmp_path / "a.png")


@pytest.mark.parametrize("theirs", ["a.png", "a.png.json", "summary.csv", "v.zarr", "v.zarr.json", "v.tif"])
def test_nothing_is_replaced_that_the_command_did_not_write(tmp_path: Path, theirs: str) -> None:
    checkpoint, out = write_model(tmp_path), tmp_path / "out"
    write_images(tmp_path / "in", "a.png")
    volume = np.stack([make_image(seed)[0] for seed in range(3)])
    tifffile.imwrite(tmp_path / "in/v.tif", volume, photometric="minisblack")
    out.mkdir()
    (out / theirs).write_text('{"mine": 1}')
    with pytest.raises(InputError, match="is there, and not from this command"):
        segment(checkpoint, out, tmp_path / "in")
    assert contents(out) == {theirs: b'{"mine": 1}'}


def test_outputs_below_inputs_and_links_in_circles_are_not_searched(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "a.png")
    (tmp_path / "in/again").symlink_to(tmp_path / "in")
    for _ in range(2):
        assert segment(checkpoint, tmp_path / "in/labels", tmp_path / "in") == []
    assert set(contents(tmp_path / "in")) == {"a.png", "labels/a.png", "labels/a.png.json", "labels/summary.csv"}


def test_labels_without_what_they_tell_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the labels and their description: the labels of another model do not pass as this one's."""
    checkpoint, out = write_model(tmp_path), tmp_path / "out"
    write_images(tmp_path / "in", "a.png")
    segment(checkpoint, out, tmp_path / "in")
    other = SETTINGS.model_copy(update={"flips": True})

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scan2seg.inference.file_segmentation.describe", killed)
        with pytest.raises(KeyboardInterrupt):
            segment_inputs([Member(checkpoint, other)], [tmp_path / "in"], out, FileOptions())
    assert facts_of(out / "a.png") == {"identity": None, "written": {"a.png": None}}
    time = (out / "a.png").stat().st_mtime_ns
    assert segment(checkpoint, out, tmp_path / "in") == []
    assert (out / "a.png").stat().st_mtime_ns > time and "classes" in facts_of(out / "a.png")
    assert (np.asarray(Image.open(out / "a.png")) == expected(checkpoint, make_image(0))).all()


def test_the_table_has_what_earlier_calls_made(tmp_path: Path) -> None:
    checkpoint, out = write_model(tmp_path), tmp_path / "out"
    write_images(tmp_path, "a.png", "b.png")
    for name in ("a.png", "b.png"):
        segment(checkpoint, out, tmp_path / name)
    with (out / "summary.csv").open() as table:
        assert [row["file"] for row in csv.DictReader(table)] == ["a.png"] * 3 + ["b.png"] * 3


def test_some_that_fail_end_the_command_with_2_and_leave_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_model(tmp_path)
    write_images(tmp_path / "in", "a.png")
    (tmp_path / "in/b.png").write_bytes(b"no image")
    assert main(["segment", str(checkpoint), str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "b.png" in said.err and "1 of the inputs could not be segmented" in said.err
    assert (tmp_path / "out/a.png").is_file() and not (tmp_path / "out/b.png").exists()


def test_half_written_and_empty_volumes_are_named_and_the_others_are_finished(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path, kind="volume"), tmp_path / "in"
    inputs.mkdir()
    volume = np.stack([make_image(seed)[0] for seed in range(6)])
    for name in ("whole", "cut", "tiny"):
        pixels = volume if name != "tiny" else volume[:1, :3, :2]
        nibabel.save(nibabel.Nifti1Image(pixels.transpose(2, 1, 0), np.eye(4)), inputs / f"{name}.nii.gz")
    (inputs / "cut.nii.gz").write_bytes((inputs / "cut.nii.gz").read_bytes()[:2000])
    with creating(inputs / "gaps.zarr") as group:
        create_volume(group, (6, 24, 33), per_shard=2)[:] = volume
    next(path for path in (inputs / "gaps.zarr/volume/c").rglob("*") if path.is_file()).unlink()
    with h5py.File(inputs / "none.h5", "w") as file:
        file["raw"] = np.zeros((0, 5, 5), np.float32)
    (inputs / "nothing.tif").write_bytes(b"")
    problems = segment(checkpoint, tmp_path / "out", inputs)
    for name in ("cut", "gaps", "none", "nothing"):
        assert any(name in line and "\n" not in line for line in problems), (name, problems)
        assert not list((tmp_path / "out").glob(f"{name}*")), name
    assert len(problems) == 4
    for name, shape in {"whole": volume.shape, "tiny": (1, 3, 2)}.items():
        assert open_array(tmp_path / f"out/{name}.zarr", "label").shape == shape
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_labels_that_somebody_corrected_are_neither_replaced_nor_taken_for_the_model_s(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint, out = write_model(tmp_path, kind="volume"), tmp_path / "out"
    write_images(tmp_path / "in", "a.png", "b.png")
    volume = np.stack([make_image(seed)[0] for seed in range(3)])
    nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.eye(4)), tmp_path / "in/v.nii.gz")
    assert segment(checkpoint, out, tmp_path / "in") == []
    corrected = np.zeros((24, 33), np.uint8)
    Image.fromarray(corrected).save(out / "a.png")
    nibabel.save(nibabel.Nifti1Image(np.zeros((33, 24, 3), np.uint8), np.eye(4)), out / "v.nii.gz")
    kept, time = {name: (out / name).read_bytes() for name in ("a.png", "v.nii.gz")}, (out / "b.png").stat().st_mtime_ns
    assert segment(checkpoint, out, tmp_path / "in") == []
    assert caplog.text.count("was changed since it was written") == 2
    other = Member(checkpoint, SETTINGS.model_copy(update={"flips": True}))
    problems = segment_inputs([other], [tmp_path / "in"], out, FileOptions())
    assert len(problems) == 2 and all("was changed since this command wrote it; move it" in line for line in problems)
    assert {name: (out / name).read_bytes() for name in kept} == kept
    assert (out / "b.png").stat().st_mtime_ns > time
    (out / "a.png").unlink()
    assert len(segment_inputs([other], [tmp_path / "in"], out, FileOptions())) == 1


def test_a_file_beside_labels_of_another_form_is_not_the_command_s(tmp_path: Path) -> None:
    checkpoint, out = write_model(tmp_path, kind="volume"), tmp_path / "out"
    volume = np.stack([make_image(seed)[0] for seed in range(3)])
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = volume
    assert segment(checkpoint, out, tmp_path / "v.h5") == []
    (out / "v.tif").write_text("mine")
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    with pytest.raises(InputError, match=r"v\.tif: is there, and not from this command"):
        segment(checkpoint, out, tmp_path / "v.tif")
    assert (out / "v.tif").read_text() == "mine"


def test_what_a_killed_call_finished_of_a_volume_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scan2seg.storage.TARGET_SHARD_BYTES", 2 * 24 * 33)
    monkeypatch.setattr("scan2seg.inference.blocks.AHEAD_BYTES", 1)
    checkpoint, out, seen = write_model(tmp_path, kind="volume"), tmp_path / "out", list[int]()
    volume = np.stack([make_image(seed)[0] for seed in range(8)]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    segment(checkpoint, tmp_path / "whole", tmp_path / "v.tif")
    compute = Labelling.compute

    def watched(labelling: Labelling, part: slice, read: Any) -> Any:
        if not seen and part.start >= 4:
            raise KeyboardInterrupt
        return compute(labelling, part, read)

    with monkeypatch.context() as patch:
        patch.setattr(Labelling, "compute", watched)
        with pytest.raises(KeyboardInterrupt):
            segment(checkpoint, out, tmp_path / "v.tif")
    assert not (out / "v.zarr").exists()

    def counted(labelling: Labelling, part: slice, read: Any) -> Any:
        seen.append(part.start)
        return compute(labelling, part, read)

    monkeypatch.setattr(Labelling, "compute", counted)
    assert segment(checkpoint, out, tmp_path / "v.tif") == []
    assert seen and min(seen) >= 2, "nothing was finished, or it was made again"
    made, whole = (open_array(tmp_path / name / "v.zarr", "label") for name in ("out", "whole"))
    assert np.array_equal(np.asarray(made), np.asarray(whole))
    assert facts_of(out / "v.zarr")["classes"] == facts_of(tmp_path / "whole/v.zarr")["classes"]
    assert not [path for path in out.rglob(".*") if path.name.endswith((".partial", ".unfinished"))]
