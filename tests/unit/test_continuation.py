"""A killed stage goes on behind the last part that it had finished, with the same result; another content starts anew."""

import json
import os
import random
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import make_images
from PIL import Image
from stages import DYING, SETTINGS, SIZE, assert_equal, content, finished, run

from scan2seg import provenance, stack, storage
from scan2seg.config.images import ImageSource
from scan2seg.config.training import InferenceSettings
from scan2seg.continuation import WORKERS_FOLDER, Unfinished, continuing
from scan2seg.inference import loaded_model
from scan2seg.inference.prediction import predict_stack
from scan2seg.ownership import owning
from scan2seg.sources import Item
from scan2seg.stack import assemble_stack


@pytest.mark.parametrize(
    "stage", [pytest.param("denoise", marks=pytest.mark.slow), "reconstruct", "predict", "segment"]
)
def test_a_killed_stage_computes_the_rest_alone_and_the_result_is_the_same(
    stage: str, stage_inputs: Path, tmp_path: Path
) -> None:
    settings, others = SETTINGS[stage]
    parts = finished(run(stage, stage_inputs, tmp_path / "whole.zarr", settings))
    assert len(parts) >= 3
    number = random.Random().randrange(1, len(parts))
    killed = run(stage, stage_inputs, tmp_path / "killed.zarr", settings, DYING.format(parts=number))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (partial,) = tmp_path.glob(".killed.zarr.*.partial")
    recorded = [tuple(json.loads(line)[:2]) for line in (partial / ".unfinished").read_text().splitlines()[1:]]
    # the other thread may have finished one more
    assert not (tmp_path / "killed.zarr").exists() and number <= len(recorded) < len(parts)
    shutil.copytree(partial, tmp_path / partial.name.replace("killed", "other"))
    assert finished(run(stage, stage_inputs, tmp_path / "killed.zarr", settings)) == sorted(set(parts) - set(recorded))
    assert_equal(content(tmp_path / "killed.zarr"), content(tmp_path / "whole.zarr"))
    assert finished(run(stage, stage_inputs, tmp_path / "other.zarr", others)) == parts
    assert not list(tmp_path.glob(".*"))


def test_the_precision_that_the_first_try_has_chosen_holds(
    stage_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", SIZE**2 * 2)
    words = [stage_inputs / name for name in ("stack.zarr", "split.json", "checkpoint.pt")]
    finish = Unfinished.finish

    def finish_and_end(unfinished: Unfinished, part: slice, note: Any = None) -> None:
        finish(unfinished, part, note)
        raise SystemExit(143)

    monkeypatch.setattr(Unfinished, "finish", finish_and_end)
    inference = InferenceSettings(precision="bfloat16")
    with pytest.raises(SystemExit):
        predict_stack(*words, tmp_path / "p.zarr", inference)
    (partial,) = tmp_path.glob(".p.zarr.*.partial")
    (note,) = json.loads((partial / ".unfinished").read_text().splitlines()[1])[2]
    assert note["precision"] == "bfloat16" and note["precision_check"]["agrees"]
    monkeypatch.setattr(Unfinished, "finish", finish)
    monkeypatch.setattr(loaded_model, "compare_precision", lambda *_: pytest.fail("compared again"))
    predict_stack(*words, tmp_path / "p.zarr", inference)
    assert storage.open_store(tmp_path / "p.zarr").attrs["precision_check"] == note["precision_check"]


def begin(target: Path, settings: object = 1, inputs: tuple[Path, ...] = (), stop: int = 4) -> list[tuple[int, int]]:
    """Write a store of six slices, two by two, until a slice; return what was written."""
    written = []
    with continuing(target, settings, inputs) as unfinished:
        array = unfinished.array("a", lambda: storage.create_array(unfinished.group, "a", (6, 3), "int64", per_shard=2))
        for part in storage.shards(array):
            if part.start >= stop:
                raise SystemExit(143)
            if not unfinished.find(part, [array]):
                array[part] = np.arange(part.start, part.stop)[:, None]
                unfinished.finish(part, {"from": part.start})
                written.append((part.start, part.stop))
    return written


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A store of which two thirds are finished, made from a file."""
    (tmp_path / "input").write_text("1")
    with pytest.raises(SystemExit):
        begin(tmp_path / "a.zarr", inputs=(tmp_path / "input",))
    return tmp_path / "a.zarr"


def go_on(left: Path, settings: object = 1) -> list[tuple[int, int]]:
    written = begin(left, settings, (left.with_name("input"),), 6)
    assert np.asarray(storage.open_array(left, "a"))[:, 0].tolist() == list(range(6))
    assert sorted(path.name for path in left.parent.iterdir()) == ["a.zarr", "input"]
    assert sorted(path.name for path in left.iterdir()) == ["a", "zarr.json"]
    return written


def test_the_rest_is_made_and_nothing_of_the_record_stays(left: Path) -> None:
    assert go_on(left) == [(4, 6)]


def test_other_settings_another_input_and_another_code_start_anew(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(go_on(left, settings=2)) == 3
    left.with_name("input").write_text("22")
    with pytest.raises(SystemExit):
        begin(left, inputs=(left.with_name("input"),))
    assert go_on(left) == [(4, 6)]
    with pytest.raises(SystemExit):
        begin(left, inputs=(left.with_name("input"),))
    monkeypatch.setattr("scan2seg.provenance.code_stamp", lambda: "another")
    assert len(go_on(left)) == 3


def test_a_changed_input_starts_anew(left: Path) -> None:
    left.with_name("input").write_text("22")
    assert len(go_on(left)) == 3


def test_another_version_of_a_library_starts_anew(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {**provenance.versions(), "numpy": "1.0"}
    monkeypatch.setattr(provenance, "versions", lambda: others)
    assert len(go_on(left)) == 3


@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "a file is another, and older"])
def test_a_folder_in_which_an_older_file_takes_the_place_of_one_starts_anew(left: Path, changed: bool) -> None:
    folder = left.with_name("input")
    folder.unlink()
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name)
    shutil.rmtree(next(left.parent.glob(".a.zarr.*.partial")))
    with pytest.raises(SystemExit):
        begin(left, inputs=(folder,))
    if changed:
        state = (folder / "b").stat()
        (folder / "new").write_text("B")
        os.utime(folder / "new", ns=(state.st_atime_ns, state.st_mtime_ns - 10**9))
        (folder / "new").replace(folder / "b")
        os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert len(go_on(left)) == (3 if changed else 1)


@pytest.mark.parametrize("damage", ["lost", "empty", "zeros", "cut record"])
def test_a_part_that_a_failed_node_lost_is_made_again(left: Path, damage: str) -> None:
    (partial,) = left.parent.glob(".a.zarr.*.partial")
    shard, record = partial / "a" / "c" / "1" / "0", partial / ".unfinished"
    size = shard.stat().st_size
    if damage == "lost":
        shard.unlink()
    elif damage == "cut record":
        record.write_text(record.read_text()[:-5])
    else:
        shard.write_bytes(bytes(size if damage == "zeros" else 0))
    assert go_on(left) == [(2, 4), (4, 6)]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with continuing(tmp_path / "a.zarr", 1, []) as unfinished:
            unfinished.finish(slice(0, 1))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert not list(tmp_path.iterdir())


def test_what_another_host_left_is_gone_on_with_only_by_the_owner_of_the_output(left: Path) -> None:
    (partial,) = left.parent.glob(".a.zarr.*.partial")
    foreign = partial.rename(left.parent / ".a.zarr.elsewhere.17-1700000000.partial")
    assert len(begin(left, inputs=(left.with_name("input"),), stop=6)) == 3
    assert foreign.exists()
    shutil.rmtree(left)
    with owning([left], "stage", "content", 0.0) as needed:
        assert needed
        assert begin(left, inputs=(left.with_name("input"),), stop=6) == [(4, 6)]
    assert not foreign.exists()


def test_who_has_lost_the_store_to_another_process_does_not_put_it_in_place(left: Path) -> None:
    other = left.parent / ".a.zarr.elsewhere.17-1700000000.partial"
    with (  # noqa: PT012
        pytest.raises(FileNotFoundError),
        continuing(left, 1, [left.with_name("input")]) as unfinished,
    ):
        (partial,) = left.parent.glob(".a.zarr.*.partial")
        partial.rename(other)
        unfinished.finish(slice(4, 6))
    assert not left.exists() and other.exists()


def test_what_all_parts_depend_on_is_what_the_first_try_made(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    first = Unfinished(folder, "content")
    made = {"x": np.array([1.5]), "y/z": np.array(2)}
    assert first.remember("measured", lambda: made)["x"] == 1.5
    first.finish(slice(0, 1))
    found = Unfinished(folder, "content").remember("measured", lambda: pytest.fail("made again"))
    assert {key: value.tolist() for key, value in found.items()} == {"x": [1.5], "y/z": 2}


@pytest.mark.parametrize("wider", [False, True], ids=["one type", "a later image is of a wider type"])
def test_a_killed_assembling_reads_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wider: bool
) -> None:
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 2 * 40 * 40 * (2 if wider else 1))
    make_images(tmp_path, count=9)
    if wider:
        path = tmp_path / "images/cell_01.png"
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 200).save(path)
    values = {"label_values": {"a": 0, "b": 100, "c": 200}, "intensities": "stored"}
    given = {"kind": "images", "images": str(tmp_path / "images/*"), "labels": str(tmp_path / "labels/*"), **values}
    source, read, seen = ImageSource.model_validate(given), stack.read_item, list[str]()
    assemble_stack(source, tmp_path / "whole.zarr", classes=["a", "b", "c"])

    def killed(item: Item, *rest: Any) -> Any:
        if item.name == "cell_06":
            raise KeyboardInterrupt
        return read(item, *rest)

    def watched(item: Item, *rest: Any) -> Any:
        seen.append(item.name)
        return read(item, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(stack, "read_item", killed)
        with pytest.raises(KeyboardInterrupt):
            assemble_stack(source, tmp_path / "stack.zarr", classes=["a", "b", "c"])
    assert not (tmp_path / "stack.zarr").exists()
    monkeypatch.setattr(stack, "read_item", watched)
    assemble_stack(source, tmp_path / "stack.zarr", classes=["a", "b", "c"])
    # the first image tells the type, and those from the shard of the seventh on were not finished
    assert seen == ["cell_00", "cell_06", "cell_07", "cell_08"]
    made, whole = (storage.open_store(tmp_path / name) for name in ("stack.zarr", "whole.zarr"))
    for name in ("image", "label", "size"):
        assert made[name].dtype == whole[name].dtype and np.array_equal(made[name], whole[name]), name
    attributes = [{**group.attrs.asdict(), "provenance": None} for group in (made, whole)]
    assert attributes[0] == attributes[1]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_of_parts_that_overlap_the_last_counts_and_the_others_are_not_deleted(tmp_path: Path) -> None:
    def open_again() -> tuple[Unfinished, Any]:
        unfinished = Unfinished(tmp_path / "a", "content")
        create = partial(storage.create_array, unfinished.group, "a", (8,), "int64", per_shard=1)
        return unfinished, unfinished.array("a", create)

    def finish(unfinished: Unfinished, array: Any, start: int, stop: int) -> None:
        array[start:stop] = np.arange(start, stop) + 1
        unfinished.finish(slice(start, stop), f"{start} to {stop}")

    first, array = open_again()
    finish(first, array, 0, 4)
    finish(first, array, 4, 8)
    # lost with a node; a try with more memory or fewer workers made a half of it again
    (tmp_path / "a/a/c/5").unlink()
    second, array = open_again()
    assert second.collect([array]) == (["0 to 4"], [slice(4, 8)])
    finish(second, array, 4, 6)
    third, array = open_again()
    assert third.collect([array]) == (["0 to 4", "4 to 6"], [slice(6, 8)])
    finish(third, array, 6, 8)
    last, array = open_again()
    assert last.collect([array]) == (["0 to 4", "4 to 6", "6 to 8"], [])
    assert np.asarray(array).tolist() == list(range(1, 9))


def test_what_killed_writers_left_in_the_store_goes_with_its_end(tmp_path: Path) -> None:
    with continuing(tmp_path / "a.zarr", 1, []) as unfinished:
        storage.create_array(unfinished.group, "a", (2,), "int64", per_shard=1)[:] = 1
        left = [unfinished.folder / "a/c/0.3f.partial", unfinished.folder / f"{WORKERS_FOLDER}x/key.pem"]
        for file in left:
            file.parent.mkdir(exist_ok=True)
            file.touch()
    assert {path.name for path in (tmp_path / "a.zarr").rglob("*")} == {"zarr.json", "a", "c", "0", "1"}
