"""From the values or colours of a label file to class indices; 255 is left out of training and scores."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.labels import Colour, LabelMapping
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE


def map_labels(raw: NDArray[Any], mapping: LabelMapping, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return class indices (y, x) of a raw label (y, x) or of colours (y, x, 3).

    Raises:
        InputError: a value or colour that no class claims.
    """
    if mapping.label_colours is not None:
        return _map_colours(raw, mapping, mapping.label_colours, classes)
    if raw.ndim == 3:
        if not (raw == raw[:, :, :1]).all():
            raise InputError("the labels are colours; say which class each means with label_colours")
        raw = raw[:, :, 0]
    if mapping.label_nearest is not None:
        return _map_nearest(raw, mapping, mapping.label_nearest, classes)
    return _map_values(_as_integers(raw), mapping, classes)


def holds_no_named_colour(counts: NDArray[np.int64], mapping: LabelMapping, classes: Sequence[str]) -> bool:
    """Tell whether a label is nothing but the class that takes every colour which is not named.

    ``counts``: its pixels of each of the 256 indices that ``map_labels`` returns.
    """
    rest = [name for name, colour in (mapping.label_colours or {}).items() if colour is None]
    return bool(rest) and int(counts[classes.index(rest[0])]) == int(counts.sum())


def word_unnamed(names: Sequence[str], looked_at: int, mapping: LabelMapping) -> str:
    """Say which labels hold none of the named colours."""
    rest = next(name for name, colour in (mapping.label_colours or {}).items() if colour is None)
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return (
        f"{len(names)} of {looked_at} labels hold none of the colours that label_colours names and are '{rest}' alone: "
        f"{shown}. Where that is not meant, correct the colours or the files"
    )


def _map_colours(
    raw: NDArray[Any], mapping: LabelMapping, colours: dict[str, Colour | list[Colour] | None], classes: Sequence[str]
) -> NDArray[np.uint8]:
    if raw.ndim == 2:
        raw = np.repeat(raw[:, :, None], 3, axis=2)
    raw = _to_bytes(raw)
    given = {name: colour if isinstance(colour, list) else [colour] for name, colour in colours.items() if colour}
    named = [(classes.index(name), colour) for name, listed in given.items() for colour in listed]
    named += [(IGNORE, colour) for colour in mapping.ignore_values if isinstance(colour, tuple)]
    rest = [name for name, colour in colours.items() if colour is None]
    labels = np.full(raw.shape[:2], classes.index(rest[0]) if rest else IGNORE, np.uint8)
    claimed = np.zeros(raw.shape[:2], bool)
    for index, colour in named:
        here = (raw == np.asarray(colour)).all(axis=2)
        labels[here] = index
        claimed |= here
    if not rest and not claimed.all():
        y, x = np.argwhere(~claimed)[0]
        found = [float(f"{value:.6g}") if raw.dtype.kind == "f" else int(value) for value in raw[y, x]]
        raise InputError(
            f"the colour {found} at row {y}, column {x} is in no class: add it to label_colours, or to "
            f"ignore_values: [{found}]"
        )
    return labels


def _to_bytes(raw: NDArray[Any]) -> NDArray[Any]:
    """Bring colours to 0 to 255: whole numbers to the upper eight of 8, 16 or 32 bits, real ones from 0 to 1.

    Programs store bytes in wider types too; so it is the largest value that tells, not the type.
    """
    if raw.dtype == bool:
        return raw.astype(np.uint8) * np.uint8(255)
    most = raw.max(initial=0)
    if raw.dtype.kind == "f":
        return np.asarray(np.round(raw * 255)) if most <= 1 else raw
    if most <= 255:
        return raw
    return np.asarray(raw // (2**8 if most < 2**16 else 2**24))


def _map_nearest(
    raw: NDArray[Any], mapping: LabelMapping, levels: dict[str, float], classes: Sequence[str]
) -> NDArray[np.uint8]:
    ordered = sorted(levels.items(), key=lambda item: item[1])
    borders = [(low[1] + high[1]) / 2 for low, high in pairwise(ordered)]
    indices = np.array([classes.index(name) for name, _ in ordered], np.uint8)
    # white of a file of one bit is 1 in memory
    grey = raw * ordered[-1][1] if raw.dtype == bool else raw
    labels: NDArray[np.uint8] = indices[np.digitize(grey, borders)]
    labels[np.isin(raw, [value for value in mapping.ignore_values if isinstance(value, int)])] = IGNORE
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
    table.update((value, IGNORE) for value in mapping.ignore_values if isinstance(value, int))
    if mapping.label_values is None:
        table.setdefault(IGNORE, IGNORE)
    claimed = np.isin(values, list(table))
    unclaimed = np.unique(raw[~void & np.isin(raw, values[~claimed])]).tolist() if not claimed.all() else []
    if unclaimed:
        raise InputError(_word_unclaimed(unclaimed))
    indices = np.array([table.get(int(value), IGNORE) for value in values], np.uint8)
    return np.where(void, np.uint8(IGNORE), indices[inverse].reshape(raw.shape))


def _word_unclaimed(values: list[int]) -> str:
    if len(values) > 8:
        listed = ", ".join(map(str, values[:8]))
        return (
            f"the label values {listed} ... ({len(values)} in all) are no class: add them to label_values; for noisy "
            "grey levels use label_nearest"
        )
    listed = ", ".join(map(str, values))
    subject, pronoun = ("value", "it") if len(values) == 1 else ("values", "them")
    verb = "is" if len(values) == 1 else "are"
    return (
        f"the label {subject} {listed} {verb} no class: add {pronoun} to label_values, or, where {pronoun} should be "
        f"left out, to ignore_values: [{listed}]"
    )


def _as_integers(raw: NDArray[Any]) -> NDArray[np.int64]:
    if np.issubdtype(raw.dtype, np.floating) and not (np.isfinite(raw).all() and (raw == np.round(raw)).all()):
        raise InputError("the labels are not whole numbers; use label_nearest for noisy grey levels")
    return raw.astype(np.int64)
