"""``segment:`` takes datasets of images and volumes: labels in their form, resumed, and shown in the report."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers import make_images
from PIL import Image
from pipeline import Pipeline

from scan2seg.storage import open_array

pytestmark = pytest.mark.slow

EXPERIMENT = """\
datasets: [cells]
models: [small, levels]
ensembles: {both: [small, levels]}
segment: {datasets: [more, deep], model: both}
"""
MORE = """\
source: {kind: images, images: "../../more/images/*.*"}
pixel_size: 0.5
"""
DEEP = """\
source: {kind: volume, volumes: {first: {images: "../../deep/a.tif"}, second: {images: "../../deep/b/*.png"}}}
"""


@pytest.fixture
def labelled(pipeline: Pipeline) -> Pipeline:
    """A pipeline with new images and volumes, and an experiment that segments them."""
    folder = pipeline.folder
    make_images(folder / "more", count=3, size=30, seed=5)
    (folder / "deep/b").mkdir(parents=True, exist_ok=True)
    images = [np.asarray(Image.open(path)) for path in sorted((folder / "more/images").glob("*.png"))]
    tifffile.imwrite(folder / "deep/a.tif", np.stack(images), photometric="minisblack")
    for place, image in enumerate(images):
        Image.fromarray(image).save(folder / f"deep/b/{place}.png")
    for name, text in {"experiments/more": EXPERIMENT, "datasets/more": MORE, "datasets/deep": DEEP}.items():
        (folder / "config" / f"{name}.yaml").write_text(text)
    return pipeline


def run(pipeline: Pipeline, *words: str):
    return pipeline.run("--configfile", "config/experiments/more.yaml", *words)


def test_images_and_volumes_are_labelled_by_the_winner_in_their_form(labelled: Pipeline) -> None:
    damaged = labelled.folder / "more/images/broken.png"
    damaged.write_bytes(b"no image")
    result = run(labelled)
    assert result.returncode != 0 and "broken.png" in result.stderr and "Traceback" not in result.stderr
    damaged.unlink()
    result = run(labelled)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    (labels,) = (labelled.folder / "results/segmentations").glob("more-*/labels")
    summary = json.loads((labels.parent / "summary.json").read_text())
    done = {path.name for path in (labelled.folder / "more/images").iterdir()}
    assert set(summary["files"]) == done and summary["model"] == "small/seed0 + levels/seed0"
    for name, facts in summary["files"].items():
        found = np.asarray(Image.open(labels / name))
        assert found.shape == (30, 30) and facts["unit"] == "micrometre"
        for label, kind in enumerate(("dark", "grey", "bright")):
            assert facts["classes"][kind]["phase_fraction"] == pytest.approx((found == label).mean())
    (deep,) = (labelled.folder / "results/segmentations").glob("deep-*/labels")
    flat = np.stack([np.asarray(Image.open(labels / name)) for name in sorted(done)])
    for name in ("first", "second"):
        assert (np.asarray(open_array(deep / f"{name}.zarr", "label")[:]) == flat).all()
    assert (tifffile.imread(deep / "first.tif") == flat).all()
    page = (labelled.folder / "results/reports/more/index.html").read_text()
    section = page[page.index('<section id="segmentations">') :]
    assert "<h3>more</h3>" in section and "<h3>deep</h3>" in section and "share, mean of the files" in section


def test_only_changed_files_make_it_run_again(labelled: Pipeline) -> None:
    assert run(labelled).returncode == 0
    assert "segment_files" not in run(labelled, "-n").stdout
    path = sorted(Path(labelled.folder / "more/images").glob("*.png"))[0]
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    listed = run(labelled, "-n").stdout
    assert listed.count("rule segment_files:") == 1 and "rule train_model:" not in listed
    assert "rule predict_stack:" not in listed and "rule segment_scan:" not in listed
