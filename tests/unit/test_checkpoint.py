"""A file that is no checkpoint of ours is refused in one line that says what to do, and runs no code."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from example_segmentation import write_model

from scan2seg.checkpoint import load_checkpoint
from scan2seg.errors import InputError


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": None, "patch_size": None, "neighbours": None}, "lacks classes, patch_size, neighbours"),
        ({"patch_size": None}, "lacks patch_size"),
        ({"classes": ["a", "b"]}, "names 2 classes, the network has 3"),
        ({"classes": "abc"}, "classes = 'abc', not a list of names"),
        ({"classes": [0, 1, 2]}, "not a list of names"),
        ({"patch_size": [16]}, r"patch_size = \[16\], not two or three whole numbers"),
        ({"patch_size": [16, 0.5]}, "not two or three whole numbers"),
        ({"neighbours": -1}, "neighbours = -1, not a whole number from 0"),
    ],
)
def test_a_description_that_nobody_could_use_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write_model(tmp_path)
    content = torch.load(path, weights_only=True)
    for key, value in changes.items():
        content["description"][key] = value
        if value is None:
            del content["description"][key]
    torch.save(content, path)
    with pytest.raises(InputError, match=f"{path}: its description .*{words}.*; the file is damaged: train"):
        load_checkpoint(path)


class Foreign:
    """Runs on loading what it is told to."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.touched,))


@pytest.mark.parametrize("form", ["pickle", "torch", "text", "png"])
def test_what_could_run_code_is_refused_without_the_advice_to_run_it(tmp_path: Path, form: str) -> None:
    path, touched = tmp_path / "m.pt", tmp_path / "touched"
    if form == "torch":
        torch.save({"model": Foreign(touched)}, path)
    else:
        forms = {
            "pickle": pickle.dumps(Foreign(touched)),
            "text": b"hello, this is a text",
            "png": b"\x89PNG\r\n\x1a\n",
        }
        path.write_bytes(forms[form])
    with pytest.raises(InputError, match="is not a readable checkpoint") as caught:
        load_checkpoint(path)
    said = str(caught.value)
    assert "\n" not in said and "weights_only" not in said and "\x1b" not in said and not touched.exists()
    assert form == "text" or said.endswith("could run code, and is not loaded; give a checkpoint.pt of scan2seg")


@pytest.mark.parametrize("left", [0, 90, 2000, -10])
def test_an_empty_or_cut_file_is_named_so(tmp_path: Path, left: int) -> None:
    path = write_model(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    reason = "it is empty, cut short or damaged; copy it again or train the model anew"
    assert str(caught.value) == f"{path}: is not a readable checkpoint: {reason}"


def test_a_missing_file_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"m\.pt: there is no such file"):
        load_checkpoint(tmp_path / "m.pt")
