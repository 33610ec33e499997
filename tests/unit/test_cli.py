import argparse
import json
import os
import re
from pathlib import Path

import pytest
from helpers import DATASET, make_images

from scan2seg.cli import main, make_parser
from scan2seg.storage import create_volume, creating


def test_validate_ends_with_status_2_and_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_images(tmp_path, count=5)
    file = tmp_path / "cells.yaml"
    file.write_text(DATASET.format(folder="."))
    assert main(["validate", str(file)]) == 0
    assert "is valid" in capsys.readouterr().out
    file.write_text(
        DATASET.format(folder=".").replace("split:", "spilt:").replace("kind: images", "kind: images\n  resize: 3")
    )
    assert main(["validate", str(file)]) == 2
    error = capsys.readouterr().err
    assert "2 problems" in error and "did you mean 'split'" in error and "resize" in error
    assert main(["validate", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "ExperimentSettings" in json.loads(capsys.readouterr().out)["$defs"]


def test_inspect_shows_stores_and_refuses_nonsense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with creating(tmp_path / "v.zarr") as group:
        create_volume(group, (3, 4, 5), pixel_size=0.5)
        group.attrs["provenance"] = {"commit": "abc"}
    assert main(["inspect", str(tmp_path / "v.zarr"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["attributes"]["pixel_size"] == 0.5 and "(3, 4, 5)" in shown["arrays"]["volume"]
    (tmp_path / "x.h5").write_bytes(b"no HDF5")
    os.mkfifo(tmp_path / "pipe.tif")
    for name in ("x.h5", "nothing.zarr", "pipe.tif"):
        assert main(["inspect", str(tmp_path / name)]) == 2
        assert name in capsys.readouterr().err
    assert main(["centres", str(tmp_path / "pipe.tif")]) == 2


def test_describe_and_ranking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["describe", "otsu"]) == 0
    # no weights are here, and none are needed to say what a model costs
    monkeypatch.setenv("SCAN2SEG_WEIGHTS", str(tmp_path))
    capsys.readouterr()
    assert main(["describe", "vgg16_unet", "--size", "32"]) == 0
    told = capsys.readouterr().out
    for line in (
        "parameters: 25860417",
        "frozen_parameters: 14714688",
        "output_stride: 16",
        "flops: ",
        "receptive_field",
    ):
        assert line in told
    assert main(["describe", "unnett"]) == 2
    assert "there is no such file in models" in capsys.readouterr().err
    assert main(["ranking", str(tmp_path)]) == 2
    (tmp_path / "tables.md").write_text("# Comparison\n\n## pillar\n\n### Ranking\n\n| model |\n\n### IoU a class\n")
    assert main(["ranking", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "index.html" in out


def test_the_readme_lists_every_command_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    listed = text[text.index("`scan2seg --help` lists the commands") : text.index("`snakemake -n` says")]
    (commands,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert sorted(re.findall(r"`([a-z-]+)`", listed)) == sorted(commands.choices)
    for command in re.findall(r"\bscan2seg ([a-z][a-z-]+)\b", text):
        assert command in commands.choices
