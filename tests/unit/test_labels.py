import numpy as np
import pytest

from scan2seg.config.labels import LabelMapping
from scan2seg.errors import InputError
from scan2seg.labels import IGNORE, map_labels

CLASSES = ["a", "b", "c"]


def test_values_colours_divisor_and_nearest_level() -> None:
    raw = np.array([[0, 7, 9], [7, 0, 5]])
    mapping = LabelMapping(label_values={"a": 0, "b": [7, 9], "c": 5})
    assert map_labels(raw, mapping, CLASSES).tolist() == [[0, 1, 1], [1, 0, 2]]

    colours = np.array([[[255, 0, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    mapping = LabelMapping(label_colours={"b": (255, 0, 0), "c": (0, 0, 255), "a": None})
    assert map_labels(colours, mapping, CLASSES).tolist() == [[1, 2, 0]]

    mapping = LabelMapping(label_divisor=1000)
    assert map_labels(np.array([[2001, 1999, 7]]), mapping, CLASSES).tolist() == [[2, 1, 0]]

    mapping = LabelMapping(label_nearest={"a": 100, "b": 8218, "c": 30000})
    assert map_labels(np.array([[90, 8000, 29000, 4100]]), mapping, CLASSES).tolist() == [[0, 1, 2, 0]]


def test_void_values_are_compared_before_the_divisor() -> None:
    mapping = LabelMapping(label_divisor=1000, void_values=[2535], label_values={"a": 0, "b": 1, "c": 2})
    assert map_labels(np.array([[2535, 2534, 1000, 9]]), mapping, CLASSES).tolist() == [[IGNORE, 2, 1, 0]]
    with pytest.raises(InputError, match="label values 3 are in no class"):
        map_labels(np.array([[3000, 2535]]), mapping, CLASSES)


def test_ignored_values() -> None:
    mapping = LabelMapping(ignore_values=[4])
    assert map_labels(np.array([[0, 4, 255]]), mapping, CLASSES).tolist() == [[0, IGNORE, IGNORE]]


@pytest.mark.parametrize(
    ("raw", "mapping", "message"),
    [
        (np.array([[3]]), LabelMapping(), "label values 3 are in no class"),
        (np.array([[0.5]]), LabelMapping(), "not whole numbers"),
        (np.array([[np.nan]]), LabelMapping(), "not whole numbers"),
        (np.array([[[1, 2, 3]]]), LabelMapping(), "label_colours"),
        (np.array([[[1, 2, 3]]], np.uint8), LabelMapping(label_colours={"a": (0, 0, 0)}), r"\[1, 2, 3\] at row 0"),
    ],
)
def test_what_no_class_claims_is_an_error(raw: np.ndarray, mapping: LabelMapping, message: str) -> None:
    with pytest.raises(InputError, match=message):
        map_labels(raw, mapping, CLASSES)
