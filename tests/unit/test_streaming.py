"""Slabs are whole shards, as long as memory allows, and read, computed and written one behind the other."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scan2seg.config.base import Plugin
from scan2seg.denoising import scan as denoising
from scan2seg.storage import create_array, shard_length, shards
from scan2seg.streaming import MOST_COMPUTED, SHARE, count_computed, overlap, plan_slabs, stream, surround

resolve = Plugin("denoising").resolve
ACROSS = ["gaussian", "median", "bilateral", "non_local_means", "total_variation", "unsharp_mask"]


class Target:
    """As much of an array as the plan looks at."""

    def __init__(self, shape: tuple[int, int, int], length: int) -> None:
        self.shape, self.shards, self.chunks = shape, (length, *shape[1:]), (1, *shape[1:])


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 5000), st.integers(1, 40), st.integers(0, 100), st.integers(1, 64), st.integers(1, 3),
    st.integers(1, 10**5),
)  # fmt: skip
def test_slabs_are_whole_shards_that_cover_all_and_fit_into_memory(
    count: int, shard: int, halo: int, enough: int, step: int, memory: int
) -> None:
    target: Any = Target((count, 1, 1), min(shard, count))
    slabs = plan_slabs(target, 10, halo=halo, enough=enough, step=step, memory=memory)
    assert [slab.start for slab in slabs] == [0, *(slab.stop for slab in slabs[:-1])] and slabs[-1].stop == count
    starts = {part.start for part in shards(target)}
    assert all(slab.start in starts and slab.start % step == 0 and slab.stop > slab.start for slab in slabs)
    unit = np.lcm(min(shard, count), step)
    longest = max(slab.stop - slab.start for slab in slabs)
    assert longest <= unit or (longest + 2 * halo) * 10 <= memory
    assert longest < max(enough, 8 * halo) + unit


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ACROSS), st.integers(1000, 2048), st.integers(100, 4000), st.integers(1, 64), st.floats(8, 256))
@example("non_local_means", 2048, 4000, 16, 8.0)
@example("bilateral", 2048, 4000, 16, 8.0)
@example("unsharp_mask", 2048, 4000, 1, 8.0)
@example("total_variation", 2048, 4000, 1, 8.0)
@example("total_variation", 2048, 300, 16, 8.0)
def test_three_dimensional_denoising_computes_at_most_half_as_much_again(
    method: str, size: int, count: int, threads: int, gigabytes: float
) -> None:
    """With the 8 GB that the stage asks for, or more; total variation, which reaches 41 slices far, with 72 GB."""
    step = resolve({"method": method, "dimensions": 3})
    halo = int(step.module.depth(step.parameters)[0])
    if method == "total_variation":
        gigabytes += 64
    target: Any = Target((count, size, size), shard_length((size, size), np.float32, count))
    slabs = denoising.plan(Path("volume.zarr"), target, [step], halo, threads, int(gigabytes * 1e9 * SHARE))
    assert count_computed(slabs, halo) <= MOST_COMPUTED == 1.5


def test_what_is_computed_counts_halos_only_where_there_are_slices() -> None:
    assert count_computed([slice(0, 4), slice(4, 8)], 2) == 12 / 8
    assert count_computed([slice(0, 8)], 2) == 1
    assert surround(slice(4, 8), 3, 10) == slice(1, 10)


def test_the_next_slab_is_read_while_one_is_computed_and_the_one_before_written(tmp_path: Path) -> None:
    array = create_array(zarr.open_group(str(tmp_path / "a.zarr"), mode="w"), "a", (8, 2, 2), "float32", per_shard=2)
    slabs = shards(array)
    read, written, computed = [threading.Event() for _ in slabs], [threading.Event() for _ in slabs], []

    def read_slab(slab: slice) -> int:
        read[slab.start // 2].set()
        return slab.start

    def compute(slab: slice, start: int) -> np.ndarray[Any, Any]:
        place = start // 2
        # each would wait for ever if the others did not go on meanwhile
        assert place + 1 == len(slabs) or read[place + 1].wait(10)
        assert place == 0 or written[place - 1].wait(10)
        computed.append(place)
        return np.full((2, 2, 2), place, np.float32)

    def write(slab: slice, values: np.ndarray[Any, Any]) -> None:
        array[slab] = values
        written[slab.start // 2].set()

    stream(slabs, read_slab, compute, write, [array], "test")
    assert computed == [0, 1, 2, 3]
    np.testing.assert_array_equal(np.asarray(array)[:, 0, 0], np.repeat(np.arange(4), 2))
    with pytest.raises(AssertionError, match="whole shards"):
        stream([slice(0, 3), slice(3, 8)], read_slab, compute, write, [array], "test")


@pytest.mark.parametrize("slow", ["read", "compute", "write", ""])
def test_memory_never_holds_more_than_three_and_each_part_keeps_the_order(slow: str) -> None:
    lock = threading.Lock()
    held, most, done = 0, 0, {name: list[int]() for name in ("read", "compute", "write")}

    def act(name: str, place: int, taken: int) -> None:
        nonlocal held, most
        with lock:
            held += taken
            most = max(most, held)
        time.sleep(0.01 if name == slow else 0.001)
        with lock:
            done[name].append(place)
            held -= name == "write"

    overlap(
        12, lambda place: act("read", place, 1), lambda place, _: act("compute", place, 0),
        lambda place, _: act("write", place, 0),
    )  # fmt: skip
    assert held == 0 and most <= 3 and all(places == list(range(12)) for places in done.values())
    assert slow == "" or most > 1


@pytest.mark.parametrize("part", ["read", "compute", "write"])
def test_an_error_anywhere_ends_the_work(tmp_path: Path, part: str) -> None:
    array = create_array(zarr.open_group(str(tmp_path / "a.zarr"), mode="w"), "a", (6, 2, 2), "float32", per_shard=2)
    done: list[str] = []

    def act(name: str, slab: slice) -> None:
        done.append(f"{name} {slab.start}")
        if name == part and slab.start == 2:
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        stream(
            shards(array), lambda slab: act("read", slab), lambda slab, _: act("compute", slab),
            lambda slab, _: act("write", slab), [array], "test",
        )  # fmt: skip
    assert "write 4" not in done
