import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.windows import cut_window, grid_windows

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))


@settings(max_examples=200, deadline=None)
@given(SIZES, st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0.05, 1))
def test_windows_cover_every_pixel_and_stay_inside(image: tuple[int, int], size: tuple[int, int], step: float) -> None:
    stride = tuple(max(1, round(length * step)) for length in size)
    covered = np.zeros(image, int)
    places = list(grid_windows(image, size, (stride[0], stride[1])))
    assert len(places) == len(set(places))
    for row, column in places:
        assert row + size[0] <= max(image[0], size[0]) and column + size[1] <= max(image[1], size[1])
        covered[row : row + size[0], column : column + size[1]] += 1
    assert covered.min() >= 1


@settings(max_examples=100, deadline=None)
@given(SIZES, st.tuples(st.integers(1, 80), st.integers(1, 80)))
def test_a_window_beyond_the_image_is_mirrored_or_filled(image: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = np.arange(image[0] * image[1]).reshape(image)
    mirrored = cut_window(pixels, (0, 0), size)
    filled = cut_window(pixels, (0, 0), size, fill=-1)
    assert mirrored.shape == filled.shape == size
    inside = (slice(min(image[0], size[0])), slice(min(image[1], size[1])))
    assert np.array_equal(mirrored[inside], pixels[inside]) and np.array_equal(filled[inside], pixels[inside])
    filled[inside] = -1
    assert (filled == -1).all()
    if size[0] > image[0]:
        assert np.array_equal(mirrored[image[0]], mirrored[image[0] - 1])
