import numpy as np
import pytest
from scipy import ndimage

from scan2seg import plugins


@pytest.fixture(scope="module")
def volume():
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:43, :37]
    clean = np.where(np.hypot(y - 20, x - 15) < 11, 1.0, 0.2) + np.zeros((6, 1, 1))
    return (clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32)


def run(name, volume, **settings):
    plugin = plugins.load("denoising", name)
    params = plugin.Params(**settings)
    return plugin.denoise(volume, params, {"noise": settings.get("noise")}, 2)


def test_median_equals_scipys(volume):
    flat, deep = (run("median", volume, radius=1, dimensions=dimensions) for dimensions in (2, 3))
    np.testing.assert_array_equal(flat, ndimage.median_filter(volume, (1, 3, 3), mode="mirror"))
    np.testing.assert_array_equal(deep, ndimage.median_filter(volume, 3, mode="mirror"))


def test_gaussian_equals_scipys(volume):
    flat, deep = (run("gaussian", volume, radius=1.2, dimensions=dimensions) for dimensions in (2, 3))
    np.testing.assert_allclose(flat, ndimage.gaussian_filter(volume, (0, 1.2, 1.2), mode="mirror"), atol=1e-6)
    np.testing.assert_allclose(deep, ndimage.gaussian_filter(volume, 1.2, mode="mirror"), atol=1e-6)


def test_unsharp_mask_equals_scikit_images(volume):
    from skimage.filters import unsharp_mask

    found = run("unsharp_mask", volume, radius=1.5, amount=0.7)
    theirs = np.stack([unsharp_mask(plane, 1.5, 0.7, preserve_range=True) for plane in volume])
    # The edges differ: scikit-image repeats the last row there.
    np.testing.assert_allclose(found[:, 7:-7, 7:-7], theirs[:, 7:-7, 7:-7], atol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_bilateral_equals_its_definition(volume, dimensions):
    found = run("bilateral", volume, radius=1.0, strength=2.0, noise=0.1, dimensions=dimensions)
    span, depth = np.arange(-2, 3), np.arange(-2, 3) if dimensions == 3 else np.zeros(1, int)
    padded = np.pad(volume.astype(float), ((2, 2), (2, 2), (2, 2)), "reflect")
    total, norm = 0.0, 0.0
    for z in depth:
        for y in span:
            for x in span:
                other = padded[2 + z : 8 + z, 2 + y : 45 + y, 2 + x : 39 + x]
                weight = np.exp(-(z * z + y * y + x * x) / 2 - (other - volume) ** 2 / (2 * 0.2**2))
                total, norm = total + weight * other, norm + weight
    np.testing.assert_allclose(found, total / norm, atol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_total_variation_reaches_the_minimum_scikit_image_reaches(volume, dimensions):
    from skimage.restoration import denoise_tv_chambolle

    found = run("total_variation", volume, strength=1.5, noise=0.1, iterations=150, dimensions=dimensions)
    settings = {"weight": 0.15, "eps": 0, "max_num_iter": 1200}
    if dimensions == 3:
        theirs = denoise_tv_chambolle(volume.astype(float), **settings)
    else:
        theirs = np.stack([denoise_tv_chambolle(plane.astype(float), **settings) for plane in volume])
    np.testing.assert_allclose(found, theirs, atol=5e-3)
