"""The torch path on CPU tensors gives what the numba path gives."""

import numpy as np
import pytest

from scan2seg.reconstruction import gridding_kernel

pytest.importorskip("torch")


@pytest.mark.parametrize(("columns", "rows", "edge"), [(64, 5, True), (65, 2, False), (50, 19, True)])
def test_equals_the_numba_kernel(columns, rows, edge):
    from scan2seg.reconstruction import gridding_torch

    angles = 0.2 + np.arange(70) * np.pi / 70
    sinograms = np.random.default_rng(0).normal(size=(rows, 70, columns)).astype(np.float32)
    plan = gridding_kernel.make_plan(columns, angles, 30.7, "hann", edge)
    expected = gridding_kernel.reconstruct(sinograms, plan)
    result = gridding_torch.reconstruct(sinograms, angles, 30.7, "hann", edge, device="cpu")
    assert np.abs(result - expected).max() < 2e-5 * np.abs(expected).max()
    assert np.array_equal(result, gridding_torch.reconstruct(sinograms, angles, 30.7, "hann", edge, device="cpu"))
