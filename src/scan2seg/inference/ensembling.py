"""Ensembles: the mean of several models' probabilities."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.probabilities import decode
from scan2seg.provenance import record
from scan2seg.storage import create_array, creating, open_store, shards
from scan2seg.streaming import stream

ROWS = 512
"""Of an image that are averaged at a time: those of a chunk, whatever the number of classes and members."""


def ensemble_predictions(members: list[Path], output: Path) -> None:
    """Average the probabilities of several predictions of the same images, and write the labels.

    Args:
        members: prediction stores with ``probability`` (m, k, y, x).
        output: a prediction store with ``label`` and ``index``.

    Raises:
        InputError: a member without probabilities, or of other images or classes.
    """
    stores = [open_store(member) for member in members]
    for member, store in zip(members, stores, strict=True):
        if "probability" not in store:
            raise InputError(f"{member}: has no probabilities; set inference.probabilities: true for the model")
        same = store.attrs["classes"] == stores[0].attrs["classes"]
        if not same or not np.array_equal(np.asarray(store["index"]), np.asarray(stores[0]["index"])):
            raise InputError(f"{member}: predicts other images or classes than {members[0]}")
    probabilities = [store["probability"] for store in stores]
    count, _, height, width = probabilities[0].shape  # type: ignore[union-attr]
    with creating(output) as group:
        per_shard = (probabilities[0].shards or probabilities[0].chunks)[0]  # type: ignore[union-attr]
        label = create_array(
            group, "label", (count, height, width), "uint8", per_shard=per_shard, axes="myx", fill_value=IGNORE
        )

        def average(shard: slice, _: None) -> NDArray[np.uint8]:
            labels = np.empty((shard.stop - shard.start, height, width), np.uint8)
            for place in range(shard.start, shard.stop):
                for rows in (slice(start, start + ROWS) for start in range(0, height, ROWS)):
                    total = decode(np.asarray(probabilities[0][place, :, rows]))  # type: ignore[index]
                    for array in probabilities[1:]:
                        total += decode(np.asarray(array[place, :, rows]))  # type: ignore[index]
                    outside = np.asarray(stores[0]["label"][place, rows]) == IGNORE  # type: ignore[index]
                    labels[place - shard.start, rows] = np.where(outside, IGNORE, np.argmax(total, axis=0))
            return labels

        # the probabilities of a shard would fill the memory: they are read a band of rows at a time
        stream(shards(label), lambda _: None, average, label.__setitem__, [label], "averaging")
        index = group.create_array("index", shape=(count,), dtype="int64", chunks=(count,))
        index[:] = np.asarray(stores[0]["index"])
        attrs = {key: stores[0].attrs[key] for key in ("split", "classes")}
        names = [str(member.parent.parent.name) for member in members]
        group.attrs.update({**attrs, "provenance": record({"members": names}, members)})
