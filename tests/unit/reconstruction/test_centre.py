"""The centre, where it is known."""

import numpy as np
import pytest
from analytic import disc_sinogram, write_scan

from scan2seg import logging
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.readers import open_scan
from scan2seg.reconstruction.centre import opposite_pairs, vo
from scan2seg.reconstruction.centre_search import find_centre

TRUE = 103.4
DISCS = [(0, 0, 70, 0.01), (30, -20, 9, 0.02), (-35, 18, 6, 0.03), (5, 45, 12, -0.005), (-12, -40, 4, 0.04)]


def noisy(angles, rows=6, columns=200, seed=0, noise=0.01):
    rng = np.random.default_rng(seed)
    clean = disc_sinogram(columns, angles, TRUE, DISCS)
    return (clean[None] + rng.normal(0, noise, (rows, *clean.shape))).astype(np.float32)


@pytest.mark.parametrize(
    ("degrees", "tolerance"),
    [
        (np.linspace(0, 180, 181), 0.05),
        (np.arange(0, 180, 1.0), 0.1),
        (np.linspace(0, 179.4, 300), 0.1),
        (np.arange(0, 360, 2.0), 0.05),
        (np.arange(180, -1, -1.0), 0.05),
    ],
)
def test_phase_correlation_finds_it(tmp_path, degrees, tolerance):
    path = write_scan(tmp_path / "a.h5", noisy(np.deg2rad(degrees)), degrees)
    with open_scan(path) as scan:
        found = find_centre(scan, ReconstructionSettings(), slice(0, 6))
    assert found.method == "phase_correlation"
    assert found.value == pytest.approx(TRUE, abs=tolerance)
    assert found.second_value == pytest.approx(TRUE, abs=0.5)
    assert found.error is not None
    assert found.error < 0.2


def test_vo_finds_it_without_opposite_projections():
    angles = np.deg2rad(np.arange(0, 180, 1.0))
    assert vo(noisy(angles)[0].astype(float), angles, 99.5, 40) == pytest.approx(TRUE, abs=0.3)


def test_disagreement_is_a_warning(tmp_path, monkeypatch):
    degrees = np.linspace(0, 180, 121)
    warnings = []
    monkeypatch.setattr(logging, "warn", lambda *words: warnings.append(words[0] % words[1:]))
    monkeypatch.setattr("scan2seg.reconstruction.centre_search.vo", lambda *_: TRUE + 3)
    with open_scan(write_scan(tmp_path / "a.h5", noisy(np.deg2rad(degrees)), degrees)) as scan:
        found = find_centre(scan, ReconstructionSettings(), slice(0, 6))
    assert found.disagreement == pytest.approx(3, abs=0.1)
    assert "Vo" in warnings[0]


def test_a_given_centre_is_taken(tmp_path):
    path = write_scan(tmp_path / "a.h5", noisy(np.arange(4.0)), np.arange(4) * 45)
    with open_scan(path) as scan:
        assert find_centre(scan, ReconstructionSettings(centre=90.5), slice(0, 6)).value == 90.5


def test_pairs_are_half_a_turn_apart_whatever_the_order():
    angles = np.deg2rad(np.arange(0, 360, 3.0))
    shuffled = np.random.default_rng(0).permutation(angles)
    for first, second, miss in opposite_pairs(shuffled):
        assert shuffled[second] - shuffled[first] == pytest.approx(np.pi)
        assert abs(miss) < 1e-6
    assert opposite_pairs(np.deg2rad(np.arange(100.0))) == []
