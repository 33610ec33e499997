"""Particles found slice by slice are those of the whole volume at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scan2seg.evaluation.volume_particles import VolumeParticles


def find(labels: np.ndarray, classes: int, minimum_size: int = 1) -> VolumeParticles:
    particles = VolumeParticles(classes, minimum_size)
    for plane in labels:
        particles.add(plane)
    return particles


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8)),
    st.integers(0, 10**6),
    st.floats(0.1, 0.9),
)
def test_components_are_those_of_scipy(shape: tuple[int, int, int], seed: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    labels = (generator.random(shape) < share).astype(np.uint8) + (generator.random(shape) < 0.2)
    particles = find(labels, 3)
    for index in range(3):
        components, count = ndimage.label(labels == index, np.ones((3, 3, 3)))
        expected = sorted(np.bincount(components.ravel())[1:].tolist())
        assert sorted(particles.sizes(index).tolist()) == expected
        found = particles.describe(index)
        assert found["particles"] == count
        boxes = [box for box in ndimage.find_objects(components) if box is not None]
        through = {
            axis for place, axis in enumerate("zyx") if any(box[place] == slice(0, shape[place], None) for box in boxes)
        }
        assert set(found["connects"]) == through


def test_balls_have_their_number_size_and_no_connection() -> None:
    """A phantom whose answer is known: balls of one radius, one wall."""
    z, y, x = np.mgrid[:40, :60, :50]
    labels = np.zeros(z.shape, np.uint8)
    for centre in ((10, 15, 12), (28, 15, 12), (15, 40, 30)):
        labels[sum((grid - place) ** 2 for grid, place in zip((z, y, x), centre, strict=True)) <= 7.0**2] = 1
    labels[:, 58:] = 2
    particles = find(labels, 3, 27)
    balls, wall = particles.describe(1, 0.5**3), particles.describe(2)
    assert balls["particles"] == 3 and balls["connects"] == [] and wall["connects"] == ["z", "x"]
    assert balls["mean_diameter"] == pytest.approx(7.0, rel=0.02)  # 14 voxels of half a micrometre
    assert balls["largest_share"] == pytest.approx(1 / 3) and wall["largest_share"] == 1


def test_specks_are_no_particles_and_unknown_voxels_count_nowhere() -> None:
    labels = np.full((3, 8, 8), 255, np.uint8)
    labels[1, 2, 2] = 0
    found = find(labels, 2, 27).describe(0)
    assert found["particles"] == 0 and found["mean_diameter"] is None and found["largest_share"] == 1
    assert find(labels, 2).describe(1)["largest_share"] is None
