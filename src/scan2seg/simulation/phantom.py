"""The specimen: a cylinder of matrix with ellipsoidal and irregular particles, known at every point of space.

A particle is the set of points p with ``|A (p - c)|^2 < 1 + roughness * g(A (p - c))``, where c is its centre,
A maps it to the unit ball, and g is a sum of plane waves with random directions and phases. Without roughness
that is an ellipsoid. Being a formula, it can be evaluated at any voxel of any slab without its neighbours.

Particles are scattered independently of each other (a Boolean model), so that a volume fraction follows from
their number: of space with particles of total relative volume v, the share 1 - exp(-v) is covered.
Chiu, Stoyan, Kendall, Mecke, "Stochastic Geometry and its Applications", 2013, section 3.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scan2seg.config.simulation import Material, SimulationSettings

Floats = NDArray[np.float64]

_WAVES = 8
_ROUGHNESS = 0.6
_ELONGATION = 0.35
_STREAM = 1


@dataclass(frozen=True)
class Particles:
    """Particles as arrays, one entry a particle, in the order of the material table."""

    material: NDArray[np.uint8]
    """Row of the material table, (n,)."""
    centre: Floats
    """Centre (z, y, x) in pixels, where y and x count from the axis and z from the first slice, (n, 3)."""
    to_unit: Floats
    """Maps an offset (z, y, x) from the centre to the unit ball, (n, 3, 3)."""
    roughness: Floats
    """How much the surface leaves the ellipsoid, (n,)."""
    waves: Floats
    """Wave vectors (z, y, x) in the unit ball and a phase, (n, waves, 4)."""
    reach: Floats
    """Half the edges (z, y, x) of a box around the centre that holds the particle, (n, 3)."""

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.material)

    def touching(self, low: float, high: float) -> "Particles":
        """Keep the particles that may have points at heights from low to high."""
        keep = (self.centre[:, 0] + self.reach[:, 0] >= low) & (self.centre[:, 0] - self.reach[:, 0] <= high)
        return Particles(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def particles_between(settings: SimulationSettings, first: int, last: int) -> Particles:
    """Return the particles that may have points in the slices first <= z < last.

    The specimen is endless: it is drawn layer by layer, each with its own seed, so that a slice is the same
    whatever slab it is drawn with and however many rows the scan has.
    """
    height = layer_height(settings)
    layers = range(int(np.floor((first - height) / height)), int(np.ceil((last + height) / height)) + 1)
    drawn = [
        _draw(settings, index, layer, height)
        for index, material in enumerate(settings.materials)
        if material.is_particle
        for layer in layers
    ]
    return _join(drawn).touching(first - 1, last)


def layer_height(settings: SimulationSettings) -> float:
    """Return the height of a layer in pixels: at least the reach of the largest particle."""
    largest = max((material.radius[1] for material in settings.materials if material.is_particle), default=1.0)
    return float(np.ceil(2.5 * largest * (1 + _ELONGATION)))


def label_slice(settings: SimulationSettings, particles: Particles, row: int) -> NDArray[np.uint8]:
    """Return the row of the material table at the voxel centres of one slice, (y, x)."""
    points = np.arange(settings.size, dtype=np.float64) - (settings.size - 1) / 2
    return _materials_at(settings, particles, float(row), points)


def residual_slice(settings: SimulationSettings, particles: Particles, row: int) -> NDArray[np.float32]:
    """Return what the particles of one slice add to the matrix's attenuation, on the supersampled grid.

    Returns:
        Attenuation minus the matrix's, per pixel, zero outside the pillar, (y, x) with ``supersampling`` points
        to a pixel each way; a mean over as many points along z.
    """
    parts = settings.supersampling
    points = (np.arange(settings.size * parts) + 0.5) / parts - settings.size / 2
    extra = _table(settings) - _table(settings)[_index_of(settings, "matrix")]
    extra[_index_of(settings, "outside")] = 0
    total = np.zeros((len(points), len(points)), np.float32)
    for part in range(parts):
        height = row + (part + 0.5) / parts - 0.5
        total += extra[_materials_at(settings, particles, height, points)]
    total /= parts
    return total


def class_of_material(settings: SimulationSettings) -> NDArray[np.uint8]:
    """Return the label value of every row of the material table."""
    classes = settings.classes
    return np.array([classes.index(material.label or material.name) for material in settings.materials], np.uint8)


def _table(settings: SimulationSettings) -> NDArray[np.float32]:
    return np.array([material.attenuation for material in settings.materials], np.float32)


def _index_of(settings: SimulationSettings, shape: str) -> int:
    return next(index for index, material in enumerate(settings.materials) if material.shape == shape)


def _materials_at(
    settings: SimulationSettings, particles: Particles, height: float, points: Floats
) -> NDArray[np.uint8]:
    """Return the materials of the plane z = height at all pairs (y, x) of the points, counted from the axis."""
    near = particles.touching(height, height)
    plane = np.full((len(points), len(points)), _index_of(settings, "matrix"), np.uint8)
    for index in range(len(near)):
        _fill_particle(
            plane,
            points,
            height,
            near.material[index],
            near.centre[index],
            near.to_unit[index],
            near.roughness[index],
            near.waves[index],
            near.reach[index],
        )
    _cut_cylinder(plane, points, settings.radius, _index_of(settings, "outside"))
    return plane


@njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _fill_particle(
    plane: NDArray[np.uint8],
    points: Floats,
    height: float,
    material: int,
    centre: Floats,
    to_unit: Floats,
    roughness: float,
    waves: Floats,
    reach: Floats,
) -> None:
    first_row, last_row = np.searchsorted(points, centre[1] - reach[1]), np.searchsorted(points, centre[1] + reach[1])
    first, last = np.searchsorted(points, centre[2] - reach[2]), np.searchsorted(points, centre[2] + reach[2])
    furthest = 1 + roughness * np.sqrt(2.0 * len(waves))
    dz = height - centre[0]
    for row in range(first_row, last_row):
        dy = points[row] - centre[1]
        for column in range(first, last):
            dx = points[column] - centre[2]
            z = to_unit[0, 0] * dz + to_unit[0, 1] * dy + to_unit[0, 2] * dx
            y = to_unit[1, 0] * dz + to_unit[1, 1] * dy + to_unit[1, 2] * dx
            x = to_unit[2, 0] * dz + to_unit[2, 1] * dy + to_unit[2, 2] * dx
            distance = z * z + y * y + x * x
            if distance >= furthest:
                continue
            surface = 1.0
            if roughness > 0:
                wave_sum = 0.0
                for wave in range(len(waves)):
                    wave_sum += np.cos(waves[wave, 0] * z + waves[wave, 1] * y + waves[wave, 2] * x + waves[wave, 3])
                surface += roughness * np.sqrt(2.0 / len(waves)) * wave_sum
            if distance < surface:
                plane[row, column] = material


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _cut_cylinder(plane: NDArray[np.uint8], points: Floats, radius: float, outside: int) -> None:
    for row in range(len(points)):
        for column in range(len(points)):
            if points[row] ** 2 + points[column] ** 2 >= radius**2:
                plane[row, column] = outside


@lru_cache(maxsize=64)
def _draw(settings: SimulationSettings, index: int, layer: int, height: float) -> Particles:
    """Draw the particles of one material whose centres lie in one layer."""
    material = settings.materials[index]
    rng = np.random.default_rng([settings.seed, _STREAM, index, layer + 2**20])
    furthest = settings.radius + material.radius[1] * 2.5 * (1 + _ELONGATION)
    volume = np.pi * furthest**2 * height
    count = rng.poisson(_relative_volume(settings, index) * volume / _mean_volume(material))
    shape = (count,)
    distance, turn = furthest * np.sqrt(rng.random(shape)), 2 * np.pi * rng.random(shape)
    centre = np.stack([height * (layer + rng.random(shape)), distance * np.sin(turn), distance * np.cos(turn)], axis=1)
    radius = rng.uniform(*material.radius, shape)
    stretch = rng.uniform(-_ELONGATION, _ELONGATION, (count, 3))
    axes = radius[:, None] * np.exp(stretch - stretch.mean(axis=1, keepdims=True))
    rotation = _rotations(rng, count)
    direction = rng.standard_normal((count, _WAVES, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    waves = np.concatenate(
        [direction * rng.uniform(2.0, 6.0, (count, _WAVES, 1)), rng.uniform(0, 2 * np.pi, (count, _WAVES, 1))], axis=2
    )
    roughness = np.full(shape, _ROUGHNESS if material.shape == "irregular" else 0.0)
    furthest_unit = np.sqrt(1 + roughness * np.sqrt(2.0 * _WAVES))
    # The half-edge of a box around the ellipsoid R diag(axes) ball along e is |diag(axes) R^T e|.
    reach = np.linalg.norm(rotation * axes[:, None, :], axis=2) * furthest_unit[:, None]
    to_unit = np.swapaxes(rotation, 1, 2) / axes[:, :, None]
    return Particles(np.full(shape, index, np.uint8), centre, to_unit, roughness, waves, reach)


def _rotations(rng: np.random.Generator, count: int) -> Floats:
    """Draw rotation matrices, all equally likely, from random unit quaternions."""
    w, x, y, z = np.moveaxis(rng.standard_normal((count, 4)), 1, 0)
    norm = 2 / np.maximum(w * w + x * x + y * y + z * z, 1e-12)
    rows = [
        [1 - norm * (y * y + z * z), norm * (x * y - z * w), norm * (x * z + y * w)],
        [norm * (x * y + z * w), 1 - norm * (x * x + z * z), norm * (y * z - x * w)],
        [norm * (x * z - y * w), norm * (y * z + x * w), 1 - norm * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _relative_volume(settings: SimulationSettings, index: int) -> float:
    """Return the summed volume of one material's particles over that of space, so that its fraction is met.

    Materials further down the table hide those above, so that each fills a share of what they leave free.
    """
    hidden = sum(material.fraction for material in settings.materials[index + 1 :])
    return -float(np.log(1 - settings.materials[index].fraction / (1 - hidden)))


def _mean_volume(material: Material) -> float:
    low, high = material.radius
    mean_cube = (low**2 + high**2) * (low + high) / 4
    return 4 / 3 * np.pi * mean_cube * (_rough_volume_factor() if material.shape == "irregular" else 1.0)


@cache
def _rough_volume_factor() -> float:
    """Return the mean volume of a rough unit ball over a smooth one: the mean of max(1 + roughness g, 0)^1.5."""
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (200_000, _WAVES))
    surface = 1 + _ROUGHNESS * np.sqrt(2 / _WAVES) * np.cos(phases).sum(axis=1)
    return float((np.maximum(surface, 0) ** 1.5).mean())


def _join(parts: Sequence[Particles]) -> Particles:
    if not parts:
        empty = np.zeros((0, 3))
        return Particles(
            np.zeros(0, np.uint8), empty, np.zeros((0, 3, 3)), np.zeros(0), np.zeros((0, _WAVES, 4)), empty
        )
    return Particles(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Particles.__dataclass_fields__)
    )
