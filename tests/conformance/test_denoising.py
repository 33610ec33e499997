"""What every denoiser promises, with its default settings."""

import numpy as np
import pytest

from scan2seg import plugins
from scan2seg.config.base import Plugin

NAMES = [name for name in plugins.names("denoising") if not hasattr(plugins.load("denoising", name), "splits")]


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:70, :61]
    clean = np.where(np.hypot(y - 35, x - 25) < 18, 1.0, 0.3) + np.zeros((5, 1, 1))
    return (clean + rng.normal(0, 0.05, clean.shape)).astype(np.float32)


def run(name, volume, threads=1, measured=None):
    plugin = plugins.load("denoising", name)
    params = plugin.Params()
    if measured is None:
        measured = plugin.measure(volume, params) if hasattr(plugin, "measure") else {}
    return plugin.denoise(volume, params, measured, threads)


@pytest.mark.parametrize("name", NAMES)
class TestDenoiser:
    def test_settings_resolve_to_json(self, name):
        import json

        resolved = Plugin("denoising").resolve(name)
        content = json.loads(json.dumps(resolved.content()))
        assert Plugin("denoising").resolve(content) == resolved

    def test_keeps_shape_and_type_and_input(self, name, noisy):
        before = noisy.copy()
        result = run(name, noisy)
        assert result.shape == noisy.shape
        assert result.dtype == np.float32
        assert result is not noisy
        np.testing.assert_array_equal(noisy, before)

    def test_a_constant_stays_itself(self, name):
        constant = np.full((3, 20, 24), 0.7, np.float32)
        np.testing.assert_allclose(run(name, constant), constant, rtol=1e-5)

    def test_threads_change_nothing(self, name, noisy):
        np.testing.assert_array_equal(run(name, noisy, 1), run(name, noisy, 2))

    def test_nothing_beyond_its_depth_matters(self, name, noisy):
        plugin = plugins.load("denoising", name)
        measured = plugin.measure(noisy, plugin.Params()) if hasattr(plugin, "measure") else {}
        reach = plugin.depth(plugin.Params())
        different = np.zeros(noisy.shape, bool)
        for change in (0.02, -0.5, 0.5):
            changed = noisy.copy()
            changed[2, 40, 30] += change
            different |= run(name, changed, measured=measured) != run(name, noisy, measured=measured)
        for axis, (place, length) in enumerate(zip((2, 40, 30), reach, strict=True)):
            found = np.nonzero(different.any(axis=tuple({0, 1, 2} - {axis})))[0]
            assert np.abs(found - place).max() <= length

    def test_small_and_thin_volumes_work(self, name):
        rng = np.random.default_rng(1)
        for shape in ((1, 1, 9), (1, 3, 2), (2, 7, 7)):
            assert np.isfinite(run(name, rng.random(shape).astype(np.float32))).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "unsharp_mask"])
def test_noise_falls_and_the_mean_stays(name, noisy):
    result = run(name, noisy)
    assert result[:, 50:, 40:].std() < 0.75 * noisy[:, 50:, 40:].std()
    assert result.mean() == pytest.approx(noisy.mean(), abs=0.005)
