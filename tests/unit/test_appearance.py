"""New images are told from the training images where, and only where, they look otherwise."""

import numpy as np
import pytest
from scipy import ndimage

from scan2seg.appearance import compare_appearance, cut_windows, describe_appearance, measure_window


def make_images(seed: int, count: int = 12, size: int = 96, width: float = 4.0, noise: float = 3.0) -> list[np.ndarray]:
    """Return grey images (1, y, x) of two phases of structures of one width, with noise."""
    generator = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(generator.normal(size=(size, size)), width) > 0 for _ in range(count)]
    return [(80 + 60 * field + generator.normal(0, noise, field.shape))[None].astype(np.float32) for field in fields]


TRAINED = describe_appearance(make_images(0))


def test_images_of_the_same_kind_are_alike() -> None:
    assert compare_appearance(make_images(1, 3, 200), TRAINED, (96, 96)) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (lambda image: image * 256, "the range of grey values"),
        (lambda image: image + 400, "the median grey value is 4"),
        (lambda image: image + np.random.default_rng(3).normal(0, 20, image.shape).astype(np.float32), "the noise"),
        (lambda image: image.repeat(4, axis=1).repeat(4, axis=2), "the size of structures"),
    ],
)
def test_what_differs_is_named_with_its_numbers(changed, word: str) -> None:
    found = compare_appearance([changed(image) for image in make_images(1, 3, 200)], TRAINED, (96, 96))
    assert any(word in line and "in training" in line for line in found), found


def test_the_noise_is_that_which_was_added() -> None:
    for sigma in (1.0, 5.0, 20.0):
        measured = measure_window(make_images(2, 1, 400, width=12, noise=sigma)[0])[0, 2]
        assert measured == pytest.approx(sigma, rel=0.15)


def test_channels_are_compared_one_by_one() -> None:
    colours = [np.concatenate([image, 2 * image]) for image in make_images(0)]
    trained = describe_appearance(colours)
    new = [np.concatenate([image, 60 * image]) for image in make_images(1, 2)]
    found = compare_appearance(new, trained, (96, 96))
    assert found and all("channel 1" in line for line in found)


def test_an_image_smaller_than_a_patch_is_compared_as_the_mirrored_patch_that_training_saw() -> None:
    small = make_images(1, 3, 20)
    mirrored = [np.pad(image, ((0, 0), (0, 76), (0, 76)), mode="symmetric") for image in small]
    for image, patch in zip(small, mirrored, strict=True):
        (window,) = cut_windows(image, (96, 96))
        assert np.array_equal(window, patch)
    # patches of such images were measured in training, mirrored; the same images are like them
    trained = describe_appearance([*mirrored, *make_images(2, 3, 96)])
    assert compare_appearance(small, trained, (96, 96)) == []
