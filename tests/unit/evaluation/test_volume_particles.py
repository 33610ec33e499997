"""Particles found slice by slice are those of the whole volume at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from scan2seg.evaluation.crofton import Spacing
from scan2seg.evaluation.volume_particles import VolumeParticles


def find(
    labels: np.ndarray, classes: int, minimum_size: int = 1, spacing: Spacing = (1.0, 1.0, 1.0)
) -> VolumeParticles:
    particles = VolumeParticles(classes, spacing, minimum_size)
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
        assert found["phase_fraction"] == pytest.approx((labels == index).mean())
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
    particles = find(labels, 3, 27, (0.5, 0.5, 0.5))
    balls, wall = particles.describe(1), particles.describe(2)
    assert balls["particles"] == 3 and balls["connects"] == [] and wall["connects"] == ["z", "x"]
    assert balls["mean_diameter"] == pytest.approx(7.0, rel=0.02)  # 14 voxels of half a micrometre
    assert balls["surface"] == pytest.approx(3 * np.pi * 7**2, rel=0.03)
    assert balls["mean_sphericity"] == pytest.approx(1, abs=0.03) and wall["mean_sphericity"] is None
    # two sides of 40 by 60 voxels, of which one is a face of the volume
    assert wall["surface"] == pytest.approx(0.25 * 40 * 50, rel=0.1)
    assert balls["largest_share"] == pytest.approx(1 / 3) and wall["largest_share"] == 1


def test_specks_are_no_particles_and_unknown_voxels_count_nowhere() -> None:
    labels = np.full((3, 8, 8), 255, np.uint8)
    labels[1, 2, 2] = 0
    found = find(labels, 2, 27).describe(0)
    assert found["particles"] == 0 and found["mean_diameter"] is None and found["largest_share"] == 1
    assert find(labels, 2).describe(1)["largest_share"] is None


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.5, 1.0, 0.7)])
@pytest.mark.parametrize("radii", [(14, 14, 14), (20, 10, 10), (16, 16, 8)])
def test_surfaces_are_those_of_ellipsoids(spacing: Spacing, radii: tuple[int, int, int]) -> None:
    """Against the ellipsoid's area by numerical integration, turned so that no axis of it is one of the grid."""
    half = [int(22 / length) + 2 for length in spacing]
    places = np.stack(
        np.meshgrid(*(np.arange(-n, n + 1) * length for n, length in zip(half, spacing, strict=True)), indexing="ij")
    )
    turned = np.einsum("ij,jzyx->izyx", Rotation.from_euler("zyx", [20, 35, 50], degrees=True).as_matrix(), places)
    labels = (sum((turned[axis] / radius) ** 2 for axis, radius in enumerate(radii)) <= 1).astype(np.uint8)
    found = find(labels, 2, 1, spacing).describe(1)
    expected = ellipsoid_area(*radii)
    assert found["surface"] == pytest.approx(expected, rel=0.04)
    ball = np.cbrt(np.pi) * np.cbrt(6 * 4 / 3 * np.pi * np.prod(radii)) ** 2
    assert found["mean_sphericity"] == pytest.approx(ball / expected, rel=0.04)


def ellipsoid_area(a: float, b: float, c: float) -> float:
    u, v = np.meshgrid((np.arange(400) + 0.5) * np.pi / 400, (np.arange(800) + 0.5) * 2 * np.pi / 800, indexing="ij")
    normal = (b * c * np.sin(u) * np.cos(v), a * c * np.sin(u) * np.sin(v), a * b * np.cos(u))
    return float((np.sin(u) * np.sqrt(sum(part**2 for part in normal))).sum() * np.pi / 400 * 2 * np.pi / 800)
