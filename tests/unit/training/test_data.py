"""Batches are the same wherever patches lie, and are made ahead where somebody would wait for them."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from scan2seg.training import data as training_data
from scan2seg.training.data import BatchLoader, open_patches


@pytest.mark.parametrize(("device", "place", "pinned"), [("cpu", "disk", False), ("cuda", "memory", True)])
def test_batches_that_are_made_ahead_are_those_of_memory(
    data: Path, device: str, place: str, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (data / "patches.zarr", data / "split.json", None)
    plain = open_patches(*words, "cpu")
    monkeypatch.setattr(training_data, "_choose_place", lambda *_: place)
    patches = open_patches(*words, device)
    assert (patches.place, patches.pinned, plain.pinned) == (place, pinned, False)
    moved: list[int] = []
    # there may be no GPU to pin memory for
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: moved.append(len(tensor)) or tensor)
    expected = list(BatchLoader(plain, plain.train, 5, seed=1))
    assert not moved
    found = list(BatchLoader(patches, patches.train, 5, seed=1))
    assert len(found) == len(expected) > 2 and len(moved) == (2 * len(found) if pinned else 0)
    for batch, other in zip(found, expected, strict=True):
        assert torch.equal(batch[0], other[0]) and torch.equal(batch[1], other[1])
        np.testing.assert_array_equal(batch[2], other[2])


def test_two_batches_are_ready_before_they_are_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_data, "_choose_place", lambda *_: "memory")
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    patches = open_patches(data / "patches.zarr", data / "split.json", None, "cuda")
    made: list[int] = []
    fetch = patches.fetch
    patches.fetch = lambda group: made.append(len(group)) or fetch(group)  # type: ignore[method-assign]
    batches = iter(BatchLoader(patches, patches.train, 5, seed=1))
    next(batches)
    # the generator asked for the third before it gave the first
    for _ in range(500):
        if len(made) == 3:
            break
        time.sleep(0.01)
    assert len(made) == 3
    batches.close()
