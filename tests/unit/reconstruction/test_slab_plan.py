"""With the memory that the stage asks for, its slabs keep all its threads busy."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.reconstruction.slab_plan import row_bytes, rows_at_once, slice_bytes, window_length
from scan2seg.storage import shard_length
from scan2seg.streaming import SHARE, plan_slabs

RULE = (Path(__file__).parents[3] / "workflow/rules/reconstruct.smk").read_text().split("rule denoise_scan")[0]


def make_volume(count: int, size: int) -> Any:
    length = shard_length((size, size), "float32", count)
    return SimpleNamespace(shape=(count, size, size), shards=(length, size, size), chunks=(1, size, size))


@pytest.mark.parametrize("rows_per_read", [1, 2048])
@pytest.mark.parametrize(("size", "projections"), [(1024, 1200), (2048, 1500), (2048, 3000)])
def test_reconstruction_has_a_pair_of_slices_for_each_thread(size: int, projections: int, rows_per_read: int) -> None:
    threads, megabytes = (int(re.search(rf"{key}\D*(\d+)", RULE)[1]) for key in ("threads:", "mem_mb="))
    frames = SimpleNamespace(rows_per_read=rows_per_read)
    scan: Any = SimpleNamespace(shape=(projections, 2048, size), projections=frames)
    volume, geometry, memory = make_volume(2048, size), SimpleNamespace(size=size), int(megabytes * 1e6 * SHARE)
    left = memory - 2 * rows_at_once(scan, memory) * row_bytes(scan)
    each = slice_bytes(scan, geometry, ReconstructionSettings(), 1)  # type: ignore[arg-type]
    slabs = plan_slabs(volume, each, enough=2 * threads, step=2, memory=left)
    assert threads == 16 and min(slab.stop - slab.start for slab in slabs) >= 2 * threads


@pytest.mark.parametrize(("halo", "expected"), [(0, 0), (1, 8), (8, 8), (9, 16)])
def test_windows_of_phase_retrieval_are_whole_shards_and_pairs_as_long_as_their_halo(halo: int, expected: int) -> None:
    assert window_length(halo, make_volume(100, 1024)) == expected
