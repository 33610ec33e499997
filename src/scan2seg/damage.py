"""Zarr stores of which a shard is cut short: what their codecs raise, nearly anything, becomes one error."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scan2seg.errors import InputError
from scan2seg.storage import open_store, shards

_CODECS = {"zarr", "numcodecs"}


@contextmanager
def naming_damage(stores: Sequence[Path | None]) -> Iterator[None]:
    """Name the store that cannot be read in the block; errors of other origin pass.

    Args:
        stores: that the block reads; None and those that are not there are passed over.

    Raises:
        InputError: a shard of one is cut short, or so damaged that it cannot be read.
    """
    try:
        yield
    except Exception as error:
        innermost = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        damaged = _find_damaged(stores) if _CODECS.intersection(innermost.parts) else None
        if damaged is None:
            raise
        advice = "remove it and run again, or mend it from a copy"
        raise InputError(f"{damaged}: holds a part that cannot be read ({error}); {advice}") from None


def _find_damaged(stores: Sequence[Path | None]) -> Path | None:
    """Return the first store of which a shard cannot be read; they are read whole."""
    for path in stores:
        for _, array in open_store(path).arrays() if path is not None and path.exists() else ():
            if not all(_is_readable(array, part) for part in shards(array)):
                return path
    return None


def _is_readable(array: zarr.Array[Any], part: slice) -> bool:
    try:
        np.asarray(array[part])
    except Exception:  # the codecs raise nearly anything
        return False
    return True
