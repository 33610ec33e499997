"""The state of an unfinished run outlives a writer that is killed, a damaged file and a temporary folder that is full."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import equal, recipe_of, train

from scan2seg.errors import InputError
from scan2seg.storage import read_json
from scan2seg.training.data import choose_evenly
from scan2seg.training.state import WholeFiles, find_whole


def write_half(content: Any, file: Any) -> None:
    file.write(b"PK half of a file")
    raise SystemExit(143)


def test_a_writer_that_is_killed_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"epoch": 1}, target)
    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", write_half)
        with pytest.raises(SystemExit):
            WholeFiles().save_checkpoint({"epoch": 2}, target)
    assert torch.load(target, weights_only=True) == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_state_before_is_used_where_the_newest_is_damaged(tmp_path: Path) -> None:
    target = tmp_path / "last.ckpt"
    assert find_whole(target) == (None, None)
    for epoch in (1, 2, 3):
        WholeFiles().save_checkpoint({"epoch": epoch}, target)
    assert find_whole(target) == (target, None)
    target.write_bytes(target.read_bytes()[:200])
    found, wrong = find_whole(target)
    assert found is not None and wrong is not None and str(target) in wrong
    assert torch.load(found, weights_only=True) == {"epoch": 2}
    found.write_bytes(b"")
    assert find_whole(target)[0] is None


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=f"{tmp_path}: the disk is full"):
        WholeFiles().save_checkpoint({"epoch": 1}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_training_needs_no_temporary_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(training={"epochs": 2})
    clean = train(data, tmp_path / "clean", recipe)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    assert equal(clean, train(data, tmp_path / "without", recipe))


def test_long_epochs_say_where_they_are_and_validation_is_limited(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("scan2seg.logging.LOGGER.propagate", True)
    caplog.set_level("INFO")
    monkeypatch.setattr("scan2seg.training.history.SILENCE", 0.0)
    train(data, tmp_path / "m", recipe_of(training={"epochs": 1, "validation_patches": 3}))
    assert "epoch 1/1: step 1 of " in caplog.text and "train loss" in caplog.text
    assert "epoch 1/1: validation step 1 of 1" in caplog.text
    assert read_json(tmp_path / "m" / "training.json")["validation_patches"] == 3
    assert choose_evenly(np.arange(10), 4).tolist() == [0, 2, 5, 7]
