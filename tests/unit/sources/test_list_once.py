"""Where checks ask several times, the headers of a source are read once."""

from pathlib import Path

import pytest
from helpers import make_images

from scan2seg import sources
from scan2seg.config.dataset import Dataset
from scan2seg.sources import images as module
from scan2seg.sources import list_items, list_once


def test_headers_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images(tmp_path, count=3)
    content = {
        "name": "cells",
        "source": {"kind": "images", "images": f"{tmp_path}/images/*.png", "labels": f"{tmp_path}/labels/*.png",
                   "label_values": {"a": 0, "b": 100, "c": 200}},
        "classes": ["a", "b", "c"],
    }  # fmt: skip
    source = Dataset.model_validate(content).stack_source()
    read, asked = module.read_header, []
    monkeypatch.setattr(module, "read_header", lambda path: asked.append(path) or read(path))
    monkeypatch.setattr(sources, "_listed", None)
    assert len(list_items(source, {})) == len(list_items(source, {})) == 3
    assert len(asked) == 12
    list_once()
    assert len(list_items(source, {})) == len(list_items(source, {})) == 3
    assert len(asked) == 18
    assert len(list_items(source.model_copy(update={"unmatched": "skip"}), {})) == 3 and len(asked) == 24
