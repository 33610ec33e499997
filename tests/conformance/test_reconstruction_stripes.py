"""Every stripe removal method: fewer stripes, and nearly nothing else changed."""

import numpy as np
import pytest

from scan2seg import plugins
from scan2seg.device import limit_libraries

KIND = "reconstruction.stripes"


def remove(name, sinograms, threads=1):
    module = plugins.load(KIND, name)
    return module.remove(sinograms.copy(), module.Params(), threads)


@pytest.fixture(scope="module")
def clean():
    angles = np.arange(180) * np.pi / 180
    distance = np.arange(160) - 79.5 - (20 * np.cos(angles) - 11 * np.sin(angles))[:, None]
    body = 2 * np.sqrt(np.maximum(60**2 - (np.arange(160) - 79.5) ** 2, 0))
    shadow = 0.01 * np.stack([body + 4 * np.sqrt(np.maximum(9**2 - distance**2, 0))] * 3)
    return (shadow + np.random.default_rng(1).normal(0, 0.01, shadow.shape)).astype(np.float32)


@pytest.mark.parametrize("name", plugins.names(KIND))
def test_stripes_go_and_the_specimen_stays(name, clean):
    rng = np.random.default_rng(0)
    stripes = np.where(rng.random(160) < 0.1, rng.normal(0, 0.1, 160), 0)
    stripes[100:103] += 0.08
    striped = clean + stripes.astype(np.float32)
    result = remove(name, striped)
    assert result.shape == clean.shape
    assert result.dtype == np.float32
    if name == "none":
        assert np.array_equal(result, striped)
        return
    before, after = np.std(striped - clean), np.std(result - clean)
    assert after < 0.6 * before
    assert np.std(remove(name, clean) - clean) < 0.5 * before


@pytest.mark.parametrize("name", plugins.names(KIND))
def test_threads_and_odd_shapes(name, clean):
    assert np.array_equal(remove(name, clean), remove(name, clean, threads=2))
    for shape in [(1, 2, 3), (2, 7, 31), (1, 40, 5)]:
        noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        result = remove(name, noise)
        assert result.shape == shape
        assert np.isfinite(result).all()


@pytest.mark.parametrize("name", plugins.names(KIND))
def test_the_result_does_not_depend_on_the_threads_of_libraries(name):
    sinograms = np.random.default_rng(0).normal(size=(4, 720, 512)).astype(np.float32)
    results = []
    for threads, libraries in ((1, 1), (1, 2), (3, 2)):
        with limit_libraries(libraries):
            results.append(remove(name, sinograms, threads))
    assert all(np.array_equal(results[0], result) for result in results[1:])
