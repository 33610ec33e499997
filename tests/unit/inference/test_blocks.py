"""Parts of shards: read ahead up to a bound, and written when the shard is whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.inference import blocks
from scan2seg.inference.blocks import ShardWriter, SlicesAhead, cut_shards
from scan2seg.storage import create_array, shards


class Target:
    """As much of an array as the parts look at."""

    def __init__(self, count: int, length: int) -> None:
        self.shape, self.shards, self.chunks = (count, 1, 1), (length, 1, 1), (1, 1, 1)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 2 * blocks.AHEAD_BYTES), st.integers(1, 2), st.data())
def test_parts_cover_what_is_left_and_none_is_of_two_shards(
    count: int, length: int, item_bytes: int, depth: int, data: st.DataObject
) -> None:
    target: Any = Target(count, min(length, count))
    left = [shard for shard in shards(target) if data.draw(st.booleans())]
    parts = cut_shards(target, left, item_bytes, depth)
    covered = [place for part in parts for place in range(part.start, part.stop)]
    assert covered == [place for shard in left for place in range(shard.start, shard.stop)]
    for part in parts:
        (shard,) = (shard for shard in left if shard.start <= part.start < shard.stop)
        assert part.stop <= shard.stop
        assert part == shard if depth > 1 else (part.stop - part.start - 1) * item_bytes < blocks.AHEAD_BYTES


def test_slices_are_read_ahead_once_up_to_a_bound_and_others_when_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "AHEAD_BYTES", 48)
    asked: list[int] = []

    def read(place: int) -> np.ndarray[Any, Any]:
        asked.append(place)
        return np.full((1, 2, 3), place, np.float32)

    ahead = SlicesAhead(read, range(4, 9))
    assert asked == [4, 5]
    assert [int(ahead(place)[0, 0, 0]) for place in (5, 4, 8, 1)] == [5, 4, 8, 1]
    assert asked == [4, 5, 8, 1]


def test_a_shard_is_written_when_it_is_whole(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    targets = [create_array(group, name, (7, 2), "uint8", per_shard=4) for name in "ab"]
    finished: list[tuple[slice, int]] = []
    writer = ShardWriter(targets, lambda shard, values: finished.append((shard, int(values[0].sum()))) or len(finished))
    whole = np.arange(14, dtype=np.uint8).reshape(7, 2)

    def add(start: int, stop: int) -> None:
        writer.add(slice(start, stop), [whole[start:stop], whole[start:stop] + 100])

    add(0, 1)
    add(1, 3)
    assert not finished and not np.asarray(targets[0]).any()
    with pytest.raises(AssertionError, match="whole shard"):
        add(2, 3)
    add(3, 4)
    assert finished == [(slice(0, 4), int(whole[:4].sum()))]
    with pytest.raises(AssertionError, match="whole shard"):
        add(5, 7)
    add(4, 7)
    assert finished[1:] == [(slice(4, 7), int(whole[4:].sum()))] and writer.notes == [1, 2]
    assert np.array_equal(targets[0], whole) and np.array_equal(targets[1], whole + 100)
