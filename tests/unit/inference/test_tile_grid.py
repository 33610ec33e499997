"""Tiles cover an image with as few pixels as the overlap allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.inference.blending import blending_weights
from scan2seg.inference.tile_grid import STRETCH, count_tiles, fit_axis
from scan2seg.windows import window_starts

LENGTHS, TILES, OVERLAPS = st.integers(1, 3000), st.integers(1, 600), st.floats(0, 0.9)
STRIDES, STRETCHES = st.sampled_from([1, 2, 8, 16, 32]), st.sampled_from([1.0, STRETCH])


def padded(length: int, stride: int) -> int:
    """Return what a network computes of so many pixels."""
    return -(-length // stride) * stride


@settings(max_examples=400, deadline=None)
@given(LENGTHS, TILES, OVERLAPS, STRIDES, STRETCHES)
def test_tiles_cover_an_axis_and_overlap_as_asked_with_no_pixel_more_than_equal_steps(
    length: int, tile: int, overlap: float, stride: int, stretch: float
) -> None:
    axis = fit_axis(length, tile, overlap, stride, stretch)
    starts = np.array(axis.starts)
    assert starts[0] == 0 and starts[-1] + axis.tile == length
    steps = np.diff(starts)
    assert (steps >= 1).all() and (steps <= max(1, round(axis.tile * (1 - overlap)))).all()
    assert not len(steps) or steps.max() - steps.min() <= 1
    computed = len(starts) * padded(axis.tile, stride)
    assert computed <= len(window_starts(length, tile, max(1, round(tile * (1 - overlap))))) * padded(tile, stride)
    assert padded(axis.tile, stride) <= max(padded(tile, stride), stretch * padded(tile, stride))
    assert len(starts) == 1 or axis.tile % stride == 0
    # no other size would compute fewer pixels, but for more tiles than those of the size that is asked for
    asked = padded(tile, stride)
    for size in range(stride, max(asked, int(stretch * asked)) + 1, stride):
        count = count_tiles(length, size, overlap)
        assert count * size >= computed or count > count_tiles(length, asked, overlap)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, TILES, OVERLAPS, STRIDES, TILES)
def test_the_network_is_given_a_patch_of_an_image_that_is_smaller_and_else_the_tiles_alone(
    length: int, tile: int, overlap: float, stride: int, patch: int
) -> None:
    axis, alone = fit_axis(length, tile, overlap, stride, least=patch), fit_axis(length, tile, overlap, stride)
    assert (axis.tile, axis.starts) == (alone.tile, alone.starts)
    assert axis.seen == (max(length, patch) if len(axis.starts) == 1 else axis.tile)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 90), OVERLAPS, STRIDES, st.sampled_from(["gaussian", "constant"]))
def test_weights_of_all_tiles_sum_to_one(length: int, tile: int, overlap: float, stride: int, blend: str) -> None:
    axis = fit_axis(length, tile, overlap, stride)
    weights = blending_weights((axis.tile,), blend).numpy()
    total = np.zeros(length)
    for start in axis.starts:
        total[start : start + axis.tile] += weights
    assert (total > 0).all()
    shares = np.zeros(length)
    for start in axis.starts:
        shares[start : start + axis.tile] += weights / total[start : start + axis.tile]
    np.testing.assert_allclose(shares, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("length", "tile", "overlap", "stride", "count", "size"),
    [
        (1024, 512, 0.25, 32, 2, 608),  # three of 512 before
        (1024, 512, 0.0, 32, 2, 512),
        (600, 512, 0.25, 32, 1, 600),  # a little larger than a tile: whole
        (700, 512, 0.25, 32, 2, 416),
        (30, 512, 0.25, 32, 1, 30),  # does not hang over the edge
        (128, 128, 0.5, 16, 1, 128),
        (992, 128, 0.25, 8, 10, 128),  # eight of 160 would compute as many
    ],
)
def test_tiles_of_known_images(length: int, tile: int, overlap: float, stride: int, count: int, size: int) -> None:
    axis = fit_axis(length, tile, overlap, stride)
    assert (len(axis.starts), axis.tile) == (count, size)
