"""A result is followed back to the raw files, from wherever one stands and wherever the results lie by now."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import DATASET, MODEL, make_images

from scan2seg.adapter import job
from scan2seg.catalogue import Catalogue
from scan2seg.cli import main
from scan2seg.config.experiment import load_experiment
from scan2seg.errors import InputError
from scan2seg.origin import place_of, trace
from scan2seg.provenance import find_key, fingerprint_file, record
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack
from scan2seg.storage import create_array, creating


@pytest.fixture
def split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A split that was made of a stack of images, in the working folder."""
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "cells")
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="cells"))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    (tmp_path / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\n")
    thing = next(iter(Catalogue(load_experiment(Path("try.yaml"))).splits_of.values()))
    stack, file = Path("results", thing.stack.path), Path("results", thing.path)
    assemble_stack(thing.stack.dataset.stack_source(), stack, classes=thing.stack.dataset.classes)
    split_stack(stack, file, thing.settings)
    return file


def test_a_result_is_followed_to_the_raw_files(split: Path, tmp_path: Path) -> None:
    steps = list(trace(split))
    stack = split.parents[1] / "stack.zarr"
    assert [(depth, item["path"]) for depth, item in steps[:2]] == [(0, str(split)), (1, str(stack))]
    raw = {Path(item["path"]).name for depth, item in steps if item["raw"] and depth == 2}
    assert raw == {path.name for path in (tmp_path / "cells").rglob("*.png")}
    assert steps[0][1]["settings"]["split"]["strategy"] == "random"
    for file, word in (("cells.yaml", "no record"), ("gone.csv", "no such file")):
        with pytest.raises(InputError, match=word):
            list(trace(tmp_path / file))


def test_a_table_has_the_record_that_its_job_left(split: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A CSV, a page or a picture holds no record: the job that made it says what it was made from."""
    report = Path("results/reports/try")
    outputs = [str(report / name) for name in ("scores.csv", "tables.md", "figures")]
    inputs = Inputs([str(split), "cells.yaml"], code=["cells.yaml"])
    with job(snakemake("compare_models", inputs, outputs, {"reference": "small"})) as needed:
        assert needed
        (report / "figures").mkdir(parents=True)
        for name in ("scores.csv", "tables.md", "figures/one.png"):
            (report / name).write_text("x")
    for name in ("scores.csv", "tables.md", "figures/one.png"):
        first, second, third, *_ = trace(report / name)
        assert first[1]["settings"] == {"reference": "small"}
        assert [Path(item["path"]).name for _, item in (second, third)] == [split.name, "stack.zarr"]
    assert main(["where", "--from", str(report / "scores.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"  {split}" and sum(line.endswith("(raw)") for line in lines) == 24


def test_results_are_followed_from_another_folder_and_after_they_were_moved(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "results")
    assert [item["missing"] for _, item in trace(split.relative_to("results"))] == [False] * 26
    monkeypatch.chdir(tmp_path)
    shutil.move("results", "kept")
    moved = Path("kept", place_of(split) or "")
    assert [item["path"] for _, item in trace(moved)][1] == str(
        tmp_path / "kept" / moved.parts[1] / moved.parts[2] / "stack.zarr"
    )
    shutil.rmtree(moved.parents[1] / "stack.zarr")
    ((_, gone),) = list(trace(moved))[1:]
    assert gone["missing"] and not gone["raw"]


def test_what_changed_since_it_was_read_is_told(split: Path) -> None:
    mask = Path("cells/labels/cell_03_mask.png")
    shutil.copy("cells/labels/cell_04_mask.png", mask)
    assert [Path(item["path"]).name for _, item in trace(split) if item["changed"]] == [mask.name]


def test_an_input_is_known_by_its_key_and_its_content(tmp_path: Path) -> None:
    for name, key in (("stacks/a-0123abcd/stack.zarr", "0123abcd"), ("stacks/a-0123abcd/splits/89abcdef.json", "89abcdef"),
                      ("runs/u-11112222/seed0/checkpoint.pt", "11112222"), ("data/raw_12345678.tif", None)):  # fmt: skip
        assert find_key(Path(name)) == key
    first, second = tmp_path / "a.bin", tmp_path / "b.bin"
    first.write_bytes(bytes(20_000_000))
    second.write_bytes(bytes(19_999_999) + b"x")
    assert fingerprint_file(first) != fingerprint_file(second)
    with creating(tmp_path / "s.zarr") as group:
        create_array(group, "label", (1, 4, 4), "uint8")[:] = np.zeros((1, 4, 4))
        group.attrs["provenance"] = record({"a": 1}, [first])
    (found,) = record({}, [tmp_path / "s.zarr"])["inputs"]
    assert found["path"] == str(tmp_path / "s.zarr") and found["fingerprint"]
    (many,) = record({}, [first] * 1001)["inputs"]
    assert many["files"] == 1001


class Inputs(list):
    """What Snakemake gives a job: all files, some by name."""

    def __init__(self, files: list[str], **named: list[str]) -> None:
        super().__init__(files)
        self.named = named

    def get(self, name: str) -> list[str] | None:
        return self.named.get(name)


def snakemake(rule: str, inputs: Inputs, outputs: list[str], params: dict) -> SimpleNamespace:
    return SimpleNamespace(rule=rule, log=["job.log"], resources={}, input=inputs, output=outputs, params=params)
