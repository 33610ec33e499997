import numpy as np
import pytest

from scan2seg.denoising.nlm_numba import non_local_means
from scan2seg.denoising.noise import estimate_noise


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:90, :77]
    clean = np.where(np.hypot(y - 40, x - 33) < 20, 1.0, 0.2) + 0.1 * np.sin(x / 9)
    return (clean + rng.normal(0, 0.06, clean.shape)).astype(np.float32)


def weigh(distance, quirk):
    if not quirk:
        return np.exp(-distance)
    # scikit-image's exponential: linear between powers of two.
    power = -distance / np.log(2) - 60801 / 2**20
    return (1 + power - np.floor(power)) * 2.0 ** np.floor(power)


def by_definition(volume, h, noise, patch_size, distance, across, quirk=False):
    """Every weight on its own, in float64."""
    half, span = patch_size // 2, range(-distance, distance + 1)
    first = 1 - half if quirk else -half
    margin = half + distance
    padded = np.pad(volume.astype(float), ((margin * across,) * 2, (margin,) * 2, (margin,) * 2), "reflect")
    offset = (margin * across, margin, margin)
    inside = range(first, half + 1)

    def shifted(*by):
        return padded[tuple(slice(o + b, o + b + n) for o, b, n in zip(offset, by, volume.shape, strict=True))]

    total, norm = np.zeros(volume.shape), np.zeros(volume.shape)
    for dz in span if across else (0,):
        for dy in span:
            for dx in span:
                patch = sum(
                    (shifted(z, y, x) - shifted(z + dz, y + dy, x + dx)) ** 2 - 2 * noise**2
                    for z in (inside if across else (0,))
                    for y in inside
                    for x in inside
                )
                d = np.maximum(patch, 0) / (h * h * patch_size ** (3 if across else 2))
                weight = np.where(d <= 5, weigh(d, quirk), 0)
                total, norm = total + weight * shifted(dz, dy, dx), norm + weight
    return total / norm


@pytest.mark.parametrize("window", ["full", "scikit-image"])
@pytest.mark.parametrize(("patch_size", "distance"), [(5, 6), (3, 4), (7, 2)])
def test_equals_its_definition_in_slices(image, window, patch_size, distance):
    found = non_local_means(image[None], 0.07, 0.05, patch_size, distance, window=window)
    expected = by_definition(image[None], 0.07, 0.05, patch_size, distance, False, window == "scikit-image")
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("window", ["full", "scikit-image"])
def test_equals_its_definition_in_volumes(image, window):
    volume = np.stack([image[:20, :23], image[20:40, 20:43], image[40:60, 40:63], image[3:23, 1:24]])
    found = non_local_means(volume, 0.09, 0.05, 3, 2, dimensions=3, window=window, threads=2)
    np.testing.assert_allclose(
        found, by_definition(volume, 0.09, 0.05, 3, 2, True, window == "scikit-image"), atol=2e-5
    )


def test_blocks_leave_no_trace():
    rng = np.random.default_rng(0)
    wide = rng.normal(0, 1, (1, 70, 530)).astype(np.float32)
    whole = non_local_means(wide, 1.0, 1.0, 3, 2)
    np.testing.assert_allclose(whole, by_definition(wide, 1.0, 1.0, 3, 2, False), atol=1e-4)


@pytest.mark.parametrize(("patch_size", "noise"), [(5, 0.0), (5, 0.06), (7, 0.06)])
def test_gives_what_scikit_image_gives(image, patch_size, noise):
    from skimage.restoration import denoise_nl_means

    settings = {"patch_size": patch_size, "patch_distance": 6}
    theirs = denoise_nl_means(image, **settings, h=0.08, sigma=noise, fast_mode=True)
    ours = non_local_means(image[None], 0.08, noise, **settings, window="scikit-image")[0]
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("window", ["full", "scikit-image"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_torch_gives_what_numba_gives(image, window, dimensions):
    from scan2seg.denoising import nlm_torch

    volume = np.stack([image[:40, :33], image[20:60, 20:53], image[40:80, 40:73]])
    arguments = (volume, 0.08, 0.05, 5, 3, dimensions, window)
    np.testing.assert_allclose(
        nlm_torch.non_local_means(*arguments, device="cpu"), non_local_means(*arguments), atol=2e-5
    )


@pytest.mark.parametrize("blur", [0, 0.8])
def test_noise_is_estimated_whether_white_or_not(blur):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    noise = gaussian_filter(rng.normal(0, 1, (4, 200, 200)), (0, blur, blur))
    y, x = np.mgrid[:200, :200]
    clean = np.where(np.hypot(y - 90, x - 100) < 70, 20.0, 0.0) + 0.05 * x
    clean[:, 190:] = np.nan
    volume = np.where(np.isnan(clean), 3.0, clean + noise).astype(np.float32)
    assert estimate_noise(volume) == pytest.approx(noise.std(), rel=0.12)
    assert estimate_noise(np.full((2, 30, 30), 4, np.float32)) == 0
