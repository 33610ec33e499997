"""What the pictures and verdicts of the report say, checked where it is known."""

import base64
import io

import numpy as np
from PIL import Image

from scan2seg.reporting import tables
from scan2seg.reporting.panels import class_colours, discrepancy, label_uri, to_grey


def decode(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_discrepancy_tells_the_kinds_of_error_apart():
    truth = np.array([[0, 0, 1, 1, 2, 255, 0]])
    guess = np.array([[0, 1, 0, 1, 1, 1, 2]])
    assert discrepancy(truth, guess).tolist() == [[0, 1, 2, 0, 3, 4, 1]]


def test_labels_keep_their_colours_and_equal_pixels_are_transparent():
    labels = np.array([[0, 1], [2, 255]])
    colours = class_colours(3)
    assert [decode(label_uri(labels, colours)).convert("RGB").getpixel((x, y)) for y in (0, 1) for x in (0, 1)] == [
        *colours,
        (150, 150, 150),
    ]
    overlay = decode(label_uri(labels, colours, transparent=0)).convert("RGBA")
    assert [overlay.getpixel((x, 0))[3] for x in (0, 1)] == [0, 255]
    assert len(set(class_colours(35))) == 35


def test_large_labels_shrink_without_new_values():
    picture = decode(label_uri(np.tile(np.array([0, 2], dtype=np.uint8), (700, 800)), class_colours(3)))
    assert max(picture.size) == 512
    assert set(np.unique(np.asarray(picture))) <= {0, 2}


def test_grey_survives_values_that_are_not_finite():
    pixels = np.array([[np.nan, np.inf, 0.0, 1.0]])
    assert to_grey(pixels).tolist()[0][2:] == [0, 255]
    assert to_grey(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]


def test_numbers_are_written_as_people_read_them():
    assert tables.duration(0.0124).text == "12.4 ms"
    assert tables.duration(3600 * 26).text == "26 h"
    assert tables.quantity(24_436_369).text == "24.4 M"
    assert tables.quantity(1.3e9, "B").text == "1.3 GB"
    assert tables.number(-0.0123, sign=True).text == "−0.012"
    assert tables.number(float("nan")).text == tables.UNKNOWN
    assert tables.number(None).sort_key == ""
    assert tables.p_value(1e-9).text == "< 0.001"
