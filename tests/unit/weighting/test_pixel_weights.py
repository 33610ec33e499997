"""Pixel weights against the formulas, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from scan2seg.weighting import bounding_box, unet_border


def test_border_weights_are_the_papers_formula() -> None:
    labels = torch.zeros(1, 20, 24, dtype=torch.int64)
    labels[0, 3:9, 2:8] = 1
    labels[0, 4:12, 11:15] = 1
    labels[0, 14:18, 5:12] = 2
    found = unet_border.weigh(unet_border.Params(w0=10, sigma=3), labels)[0]
    objects, count = label(labels[0].numpy() > 0, np.ones((3, 3)))
    for y in range(20):
        for x in range(24):
            if objects[y, x]:
                expected = 1.0
            else:
                near = sorted(
                    min(math.dist((y, x), place) for place in zip(*np.nonzero(objects == k), strict=True))
                    for k in range(1, count + 1)
                )
                expected = 1 + 10 * math.exp(-((near[0] + near[1]) ** 2) / (2 * 3**2))
            assert float(found[y, x]) == pytest.approx(expected, abs=1e-3)


def test_bounding_box_weights() -> None:
    labels = torch.zeros(2, 6, 7, dtype=torch.uint8)
    labels[0, 1, 2] = 1
    labels[0, 3, 4] = 2
    labels[0, 5, 6] = 255
    expected = torch.full((6, 7), 0.2)
    expected[1:4, 2:5] = 1
    found = bounding_box.weigh(bounding_box.Params(beta_bg=0.2), labels)
    assert torch.equal(found[0], expected)
    assert (found[1] == 1).all()


def test_weights_of_volumes_are_measured_in_space() -> None:
    labels = torch.zeros(1, 9, 8, 8, dtype=torch.int64)
    labels[0, 1:3, 2:5, 2:5] = 1
    labels[0, 6, 4, 4] = 1
    box = bounding_box.weigh(bounding_box.Params(beta_bg=0.2), labels)[0]
    expected = torch.full((9, 8, 8), 0.2)
    expected[1:7, 2:5, 2:5] = 1
    assert torch.equal(box, expected)
    border = unet_border.weigh(unet_border.Params(w0=10, sigma=3), labels)[0]
    # two objects above each other, 2 and 2 slices away; in its own slice there is none
    assert float(border[4, 4, 4]) == pytest.approx(1 + 10 * math.exp(-((2 + 2) ** 2) / (2 * 3**2)), abs=1e-3)
