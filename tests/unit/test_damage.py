"""A shard that is cut short is named with its store; other errors are left alone."""

from pathlib import Path

import numpy as np
import pytest

from scan2seg.damage import naming_damage
from scan2seg.errors import InputError
from scan2seg.storage import create_volume, creating, open_array


def write(path: Path) -> Path:
    with creating(path) as group:
        create_volume(group, (4, 40, 40))[:] = np.random.default_rng(0).normal(size=(4, 40, 40))
    return path


@pytest.mark.parametrize("kept", [0.5, 0.01])
def test_the_damaged_one_of_several_stores_is_named(tmp_path: Path, kept: float) -> None:
    whole, damaged = write(tmp_path / "whole.zarr"), write(tmp_path / "damaged.zarr")
    (shard,) = [file for file in (damaged / "volume" / "c").rglob("*") if file.is_file()]
    content = shard.read_bytes()
    shard.write_bytes(content[: int(kept * len(content))])
    stores = [None, tmp_path / "absent.zarr", whole, damaged]
    with pytest.raises(InputError, match=r"damaged\.zarr: holds a part that cannot be read"), naming_damage(stores):
        np.asarray(open_array(damaged, "volume")[:])


def test_errors_of_other_origin_pass(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.zarr")
    with pytest.raises(ValueError, match="ours"), naming_damage([whole]):
        raise ValueError("ours")
    with pytest.raises(InputError, match="said already"), naming_damage([whole]):
        raise InputError("said already")
