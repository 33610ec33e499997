"""Denoising in the sources of images and volumes: each image as a volume of one slice, labels untouched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from scan2seg import plugins
from scan2seg.config.dataset import Dataset
from scan2seg.sources.files import stack_dependencies
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store

STEPS = [{"method": "median"}, {"method": "unsharp_mask", "radius": 1.5, "amount": 0.7}]


def dataset(tmp_path: Path, kind: str, **changes: Any) -> Dataset:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.normal(5, 1, (24, 20)).astype(np.float32))
        tifffile.imwrite(tmp_path / f"{name}_label.tif", np.eye(24, 20, dtype=np.uint8))
    if kind == "images":
        files: dict[str, Any] = {"images": str(tmp_path / "?.tif"), "labels": str(tmp_path / "?_label.tif")}
    else:
        files = {"volumes": {"v": {"images": str(tmp_path / "?.tif"), "labels": str(tmp_path / "?_label.tif")}}}
    source = {"kind": kind, **files, **changes}
    return Dataset.model_validate({"name": "d", "source": source, "classes": ["a", "b"]})


@pytest.mark.parametrize("kind", ["images", "volume"])
def test_each_image_is_denoised_by_the_steps_and_labels_are_not(tmp_path: Path, kind: str) -> None:
    from scipy.ndimage import gaussian_filter, median_filter

    found = dataset(tmp_path, kind, denoising=STEPS)
    assemble_stack(found.stack_source(), tmp_path / "stack.zarr", classes=found.classes)
    store = open_store(tmp_path / "stack.zarr")
    for place, name in enumerate(("a", "b")):
        median = median_filter(tifffile.imread(tmp_path / f"{name}.tif"), 3, mode="mirror")
        sharp = median + 0.7 * (median - gaussian_filter(median, 1.5, mode="mirror"))
        assert np.abs(np.asarray(store["image"])[place, 0] - sharp)[6:-6, 6:-6].max() < 2e-3
        assert np.array_equal(np.asarray(store["label"])[place], np.eye(24, 20, dtype=np.uint8))


def test_steps_are_declared_and_a_source_without_them_keeps_its_name(tmp_path: Path) -> None:
    assert "denoising" not in dataset(tmp_path, "images").stack_source().model_dump()
    found = dataset(tmp_path, "images", denoising=STEPS)
    assert [step.method for step in found.stack_source().denoising] == ["median", "unsharp_mask"]
    assert plugins.module_name("denoising", "median") in stack_dependencies(found.source).modules


@pytest.mark.parametrize(
    ("step", "said"),
    [({"method": "median", "dimensions": 3}, "set dimensions: 2"), ({"method": "noise2inverse"}, "only a scan has")],
)
def test_steps_that_need_more_than_an_image_are_refused(tmp_path: Path, step: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dataset(tmp_path, "images", denoising=[step])
