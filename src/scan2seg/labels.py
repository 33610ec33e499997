"""From the values or colours of a label file to class indices; 255 is left out of training and scores."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.labels import LabelMapping
from scan2seg.errors import InputError

IGNORE = 255


def map_labels(raw: NDArray[Any], mapping: LabelMapping, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return class indices (y, x) of a raw label (y, x) or of colours (y, x, 3).

    Raises:
        InputError: a value or colour that no class claims.
    """
    if mapping.label_colours is not None:
        return _map_colours(raw, mapping.label_colours, classes)
    if raw.ndim == 3:
        if not (raw == raw[:, :, :1]).all():
            raise InputError("the labels are colours; say which class each means with label_colours")
        raw = raw[:, :, 0]
    if mapping.label_nearest is not None:
        return _map_nearest(raw, mapping.label_nearest, classes)
    return _map_values(_as_integers(raw), mapping, classes)


def _map_colours(
    raw: NDArray[Any], colours: dict[str, tuple[int, int, int] | None], classes: Sequence[str]
) -> NDArray[np.uint8]:
    if raw.ndim == 2:
        raw = np.repeat(raw[:, :, None], 3, axis=2)
    rest = [name for name, colour in colours.items() if colour is None]
    labels = np.full(raw.shape[:2], classes.index(rest[0]) if rest else IGNORE, np.uint8)
    claimed = np.zeros(raw.shape[:2], bool)
    for name, colour in colours.items():
        if colour is not None:
            here = (raw == np.asarray(colour, raw.dtype)).all(axis=2)
            labels[here] = classes.index(name)
            claimed |= here
    if not rest and not claimed.all():
        y, x = np.argwhere(~claimed)[0]
        raise InputError(f"the colour {raw[y, x].tolist()} at row {y}, column {x} is in no class of label_colours")
    return labels


def _map_nearest(raw: NDArray[Any], levels: dict[str, float], classes: Sequence[str]) -> NDArray[np.uint8]:
    ordered = sorted(levels.items(), key=lambda item: item[1])
    borders = [(low[1] + high[1]) / 2 for low, high in pairwise(ordered)]
    indices = np.array([classes.index(name) for name, _ in ordered], np.uint8)
    labels: NDArray[np.uint8] = indices[np.digitize(raw, borders)]
    return labels


def _map_values(raw: NDArray[np.int64], mapping: LabelMapping, classes: Sequence[str]) -> NDArray[np.uint8]:
    void = np.isin(raw, mapping.void_values)
    raw = raw // (mapping.label_divisor or 1)
    values, inverse = np.unique(raw, return_inverse=True)
    table = {index: index for index in range(len(classes))}
    if mapping.label_values is not None:
        table = {}
        for name, given in mapping.label_values.items():
            for value in given if isinstance(given, list) else [given]:
                table[value] = classes.index(name)
    table.update(dict.fromkeys(mapping.ignore_values, IGNORE))
    if mapping.label_values is None:
        table.setdefault(IGNORE, IGNORE)
    claimed = np.isin(values, list(table))
    unclaimed = np.unique(raw[~void & np.isin(raw, values[~claimed])]).tolist() if not claimed.all() else []
    if unclaimed:
        shown = ", ".join(map(str, unclaimed[:8])) + (" ..." if len(unclaimed) > 8 else "")
        raise InputError(f"the label values {shown} are in no class; name them in label_values or ignore_values")
    indices = np.array([table.get(int(value), IGNORE) for value in values], np.uint8)
    return np.where(void, np.uint8(IGNORE), indices[inverse].reshape(raw.shape))


def _as_integers(raw: NDArray[Any]) -> NDArray[np.int64]:
    if np.issubdtype(raw.dtype, np.floating) and not (np.isfinite(raw).all() and (raw == np.round(raw)).all()):
        raise InputError("the labels are not whole numbers; use label_nearest for noisy grey levels")
    return raw.astype(np.int64)
