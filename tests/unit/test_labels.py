import numpy as np
import pytest

from scan2seg.config.labels import LabelMapping
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.labels import map_labels

CLASSES = ["a", "b", "c"]


def test_values_colours_divisor_and_nearest_level() -> None:
    raw = np.array([[0, 7, 9], [7, 0, 5]])
    mapping = LabelMapping(label_values={"a": 0, "b": [7, 9], "c": 5})
    assert map_labels(raw, mapping, CLASSES).tolist() == [[0, 1, 1], [1, 0, 2]]

    colours = np.array([[[255, 0, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    mapping = LabelMapping(label_colours={"b": (255, 0, 0), "c": (0, 0, 255), "a": None})
    assert map_labels(colours, mapping, CLASSES).tolist() == [[1, 2, 0]]

    mapping = LabelMapping.model_validate({"label_colours": {"b": [[255, 0, 0], [0, 0, 255]], "a": None}})
    assert map_labels(colours, mapping, CLASSES).tolist() == [[1, 1, 0]]

    mapping = LabelMapping(label_divisor=1000)
    assert map_labels(np.array([[2001, 1999, 7]]), mapping, CLASSES).tolist() == [[2, 1, 0]]

    mapping = LabelMapping(label_nearest={"a": 100, "b": 8218, "c": 30000})
    assert map_labels(np.array([[90, 8000, 29000, 4100]]), mapping, CLASSES).tolist() == [[0, 1, 2, 0]]


@pytest.mark.parametrize(
    ("dtype", "most"), [(np.uint8, 255), (np.uint16, 65535), (np.uint32, 2**32 - 1), (np.float32, 1), (np.float64, 1)]
)
def test_colours_scale_with_the_type_of_the_mask(dtype: type, most: int) -> None:
    eight_bits = np.array([[[255, 0, 0], [0, 128, 64], [9, 9, 9], [0, 0, 0]]], np.uint8)
    mapping = LabelMapping(label_colours={"b": (255, 0, 0), "c": (0, 128, 64), "a": None})
    raw = (eight_bits / 255 * most).round(7).astype(dtype) if most > 1 else (eight_bits / 255).astype(dtype)
    assert map_labels(raw, mapping, CLASSES).tolist() == [[1, 2, 0, 0]]
    assert map_labels(eight_bits.astype(dtype), mapping, CLASSES).tolist() == [[1, 2, 0, 0]]


def test_white_of_one_bit_is_white() -> None:
    raw = np.array([[True, False]])
    white = LabelMapping(label_colours={"b": (255, 255, 255), "a": None})
    assert map_labels(raw, white, CLASSES).tolist() == [[1, 0]]
    assert map_labels(raw, LabelMapping(label_nearest={"a": 0, "b": 255}), CLASSES).tolist() == [[1, 0]]
    assert map_labels(raw, LabelMapping(), CLASSES).tolist() == [[1, 0]]


def test_void_values_are_compared_before_the_divisor() -> None:
    mapping = LabelMapping(label_divisor=1000, void_values=[2535], label_values={"a": 0, "b": 1, "c": 2})
    assert map_labels(np.array([[2535, 2534, 1000, 9]]), mapping, CLASSES).tolist() == [[IGNORE, 2, 1, 0]]
    with pytest.raises(InputError, match="label value 3 is no class"):
        map_labels(np.array([[3000, 2535]]), mapping, CLASSES)


def test_ignored_values_of_every_kind_of_label() -> None:
    mapping = LabelMapping(ignore_values=[4])
    assert map_labels(np.array([[0, 4, 255]]), mapping, CLASSES).tolist() == [[0, IGNORE, IGNORE]]
    mapping = LabelMapping(label_divisor=1000, ignore_values=[65])
    assert map_labels(np.array([[65535, 2001]]), mapping, CLASSES).tolist() == [[IGNORE, 2]]
    mapping = LabelMapping(label_nearest={"a": 0, "b": 100}, ignore_values=[60])
    assert map_labels(np.array([[61, 60, 0]]), mapping, CLASSES).tolist() == [[1, IGNORE, 0]]
    mapping = LabelMapping(label_colours={"b": (255, 0, 0), "a": None}, ignore_values=[(224, 224, 192)])
    mapping = LabelMapping.model_validate(mapping.model_dump(mode="json"))
    raw = np.array([[[224, 224, 192], [255, 0, 0], [1, 2, 3]]], np.uint8)
    assert map_labels(raw, mapping, CLASSES).tolist() == [[IGNORE, 1, 0]]
    with pytest.raises(ValueError, match=r"ignore_values: 4 does not fit the labels; list colours"):
        LabelMapping(label_colours={"b": (255, 0, 0), "a": None}, ignore_values=[4])
    with pytest.raises(ValueError, match="list whole numbers"):
        LabelMapping(ignore_values=[(1, 2, 3)])


@pytest.mark.parametrize(
    ("raw", "mapping", "message"),
    [
        (
            np.array([[3]]),
            LabelMapping(),
            r"label value 3 is no class: add it to label_values, or.*ignore_values: \[3\]",
        ),
        (np.array([[0.5]]), LabelMapping(), "not whole numbers"),
        (np.array([[np.nan]]), LabelMapping(), "not whole numbers"),
        (np.array([[[1, 2, 3]]]), LabelMapping(), "label_colours"),
        (
            np.array([[[1, 2, 3]]], np.uint8),
            LabelMapping(label_colours={"a": (0, 0, 0)}),
            r"ignore_values: \[\[1, 2, 3\]\]",
        ),
    ],
)
def test_what_no_class_claims_is_an_error(raw: np.ndarray, mapping: LabelMapping, message: str) -> None:
    with pytest.raises(InputError, match=message):
        map_labels(raw, mapping, CLASSES)
