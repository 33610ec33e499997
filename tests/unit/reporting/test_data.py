"""The split's table says which class no training image holds."""

import json
from pathlib import Path

import numpy as np
from helpers import make_images
from PIL import Image
from zarr import open_group

from scan2seg.config.dataset import Dataset
from scan2seg.reporting.data import summarise
from scan2seg.stack import assemble_stack


def test_a_class_that_training_never_sees_is_named(tmp_path: Path) -> None:
    make_images(tmp_path, count=6)
    for number in range(4):
        path = tmp_path / "labels" / f"cell_{number:02d}_mask.png"
        label = np.array(Image.open(path))
        Image.fromarray(np.where(label == 200, 0, label)).save(path)
    source = {"kind": "images", "images": "images/*", "labels": "labels/*"}
    source |= {"label_values": {"dark": 0, "grey": 100, "bright": 200}}
    content = {"name": "cells", "source": source, "classes": ["dark", "grey", "bright"]}
    dataset = Dataset.model_validate(content, context={"folder": str(tmp_path)})
    assemble_stack(dataset.stack_source(), tmp_path / "stack.zarr", classes=dataset.classes)
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": [0, 1, 2, 3], "validation": [], "test": [4, 5]}))
    lost = summarise(tmp_path / "stack.zarr", split).split
    assert lost is not None and "No training image counted here holds bright" in lost.caption
    split.write_text(json.dumps({"train": [3, 4], "validation": [], "test": [0, 5]}))
    whole = summarise(tmp_path / "stack.zarr", split).split
    assert whole is not None and "No training image" not in whole.caption
    assert dict(summarise(tmp_path / "stack.zarr", split).facts)["pixel size"] == "not given"
    open_group(tmp_path / "stack.zarr", mode="r+").attrs["pixel_sizes"] = [0.5, 0.5, 2.0, 1.0, None, None]
    facts = dict(summarise(tmp_path / "stack.zarr", split).facts)
    assert facts["pixel size"] == "0.5 to 2 µm, not given for 2 images"
