"""What can be walked through: evenly spread, within its budget, with the right labels."""

import base64
import io

import example_report
import numpy as np
from PIL import Image

from scan2seg import storage
from scan2seg.evaluation.ranking import rank
from scan2seg.reporting.content import load_runs
from scan2seg.reporting.panels import class_colours
from scan2seg.reporting.viewer import layer_uri
from scan2seg.reporting.walks import walk_test_images, walk_volume


def decode(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_every_model_can_be_seen_on_every_test_image(example):
    content, _ = example
    runs = load_runs(content["runs"])
    rows = rank([run.scores for run in runs], None)["demo"]
    stack = content["datasets"][0]["stack"]
    whole = walk_test_images(stack, rows, runs, "viewer", 10**7)
    assert [option.name for option in whole.options] == ["raw", "truth", "deeplabv3_plus", "unet", "otsu"]
    assert [frame.name for frame in whole.frames] == [f"slice_{index:03d}" for index in range(7, 12)]
    truth = np.asarray(storage.open_array(stack, "label")[9])
    palette = np.array(class_colours(3))
    shown = np.asarray(decode(whole.frames[2].layers[0]).convert("RGB"))
    assert np.array_equal(shown, palette[truth])
    few = walk_test_images(stack, rows, runs, "viewer", 2 * whole.frames[2].size + 1)
    assert len(few.frames) == 2 and few.caption.startswith("2 of 5 images, evenly spread")


def test_slices_of_a_volume_carry_their_labels(tmp_path):
    scan = example_report.write_scan(tmp_path, "demo", depth=5)
    labels = example_report.write_segmentation(tmp_path)["labels"]
    versions = [("before", scan["reconstruction"]), ("after", scan["denoised"])]
    walk = walk_volume(versions, None, "", "a", 10**7)
    assert len(walk.frames) == 5 and walk.panes == [0, 1]
    other = walk_volume(versions, labels, "labels", "a", 10**7)  # four slices, not five
    assert [option.name for option in other.options] == ["labels"]
    alone = walk_volume([], labels, "labels", "a", 10**7)
    assert len(alone.frames) == 4 and alone.panes == [0]


def test_large_labels_shrink_without_new_values():
    picture = decode(layer_uri(np.tile(np.array([0, 2], dtype=np.uint8), (700, 401)), class_colours(3)))
    assert max(picture.size) <= 256
    assert set(np.unique(np.asarray(picture))) <= {0, 2}
