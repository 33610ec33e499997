"""Settings of a simulated scan: what the specimen is made of, how it is measured, what goes wrong."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scan2seg.config.base import Settings

Fraction = Annotated[float, Field(ge=0, lt=1)]


class Material(Settings):
    """One material of the specimen. Where particles overlap, the material further down the table wins."""

    name: str = Field(min_length=1)
    """Name of the material."""
    shape: Literal["outside", "matrix", "ellipsoid", "irregular"]
    """Where it is: around the pillar, the pillar itself, or particles in the pillar of one of two shapes."""
    attenuation: float = Field(ge=0, lt=10)
    """Linear attenuation coefficient per pixel, so that a path of n pixels has the line integral n x attenuation."""
    label: str | None = None
    """Class of its voxels where that is not its own name: materials of one label are one class."""
    fraction: Fraction = 0.0
    """Volume of the particles as a share of the pillar, on average over seeds; particles only."""
    radius: tuple[float, float] = (3.0, 8.0)
    """Smallest and largest mean radius of a particle, in pixels; particles only."""

    @property
    def is_particle(self) -> bool:
        """Whether the material comes in particles, not as the whole pillar or what is around it."""
        return self.shape in ("ellipsoid", "irregular")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0.5 <= self.radius[0] <= self.radius[1]:
            raise ValueError(f"radius is {list(self.radius)}: write [smallest, largest], at least 0.5 pixels")
        if self.is_particle and self.fraction == 0:
            raise ValueError(f"material '{self.name}' is of shape {self.shape}: give its fraction of the pillar")
        if not self.is_particle and self.fraction:
            raise ValueError(f"material '{self.name}' is of shape {self.shape}, which fills what is left: no fraction")
        return self


_DEMO_MATERIALS = (
    Material(name="background", shape="outside", attenuation=0.0),
    Material(name="matrix", shape="matrix", attenuation=0.0045),
    Material(name="precipitate", shape="ellipsoid", attenuation=0.0070, fraction=0.06, radius=(4.0, 11.0)),
    Material(name="inclusion", shape="irregular", attenuation=0.0022, fraction=0.05, radius=(6.0, 14.0)),
)


class SimulationSettings(Settings):
    """A cylindrical pillar with particles, scanned in a parallel beam; the defaults are the demo's pillar."""

    size: int = Field(256, ge=16, le=8192)
    """Detector columns, and the width and height of a slice, in pixels."""
    rows: int = Field(64, ge=1)
    """Detector rows, which is the number of slices."""
    projections: int = Field(361, ge=1)
    """Number of projections."""
    angle_range: float = Field(180.0, gt=0, le=3600)
    """Angle from the first to the last projection, in degrees."""
    endpoint: bool = True
    """Whether the last projection is at the full range, or one step before it."""
    pixel_size: float = Field(0.018, gt=0)
    """Edge length of a pixel and of a voxel, in micrometres."""
    pillar_radius: float | None = Field(None, gt=0)
    """Radius of the pillar in pixels; null is 0.43 of the size."""
    materials: tuple[Material, ...] = _DEMO_MATERIALS
    """What the specimen is made of: exactly one ``outside``, one ``matrix``, and any number of particles."""
    photons: float = Field(10000.0, gt=0, le=60000)
    """Counts of a pixel in the open beam where the beam is brightest."""
    readout_noise: float = Field(8.0, ge=0)
    """Standard deviation of the noise of reading a pixel, in counts."""
    dark_level: float = Field(120.0, ge=0, le=5000)
    """Mean counts of a pixel without the beam."""
    flats: int = Field(20, ge=1)
    """Number of images of the open beam."""
    darks: int = Field(10, ge=1)
    """Number of images without the beam."""
    flat_structure: float = Field(0.25, ge=0, lt=1)
    """How much the beam is darker than its brightest spot at its darkest, as a share."""
    ring_share: float = Field(0.02, ge=0, le=1)
    """Share of detector pixels whose gain under the specimen is not their gain in the open beam; they make rings."""
    ring_sigma: float = Field(0.01, ge=0, lt=1)
    """Standard deviation of the logarithm of that change of gain."""
    centre_offset: float = Field(2.3, gt=-1024, lt=1024)
    """Column of the rotation axis minus the middle of the detector (size - 1) / 2, in pixels."""
    drift: float = 0.0
    """How far the axis has moved along the columns from the first to the last projection, in pixels."""
    supersampling: int = Field(3, ge=1, le=8)
    """Points along each edge of a voxel, and parts of a detector pixel, that the projector works with."""
    seed: int = Field(0, ge=0)
    """Seed of the specimen and of all noise."""

    @property
    def radius(self) -> float:
        """Radius of the pillar in pixels."""
        return self.pillar_radius if self.pillar_radius is not None else 0.43 * self.size

    @property
    def classes(self) -> list[str]:
        """Names of the classes; a class's place is its value in the label volume."""
        return list(dict.fromkeys(material.label or material.name for material in self.materials))

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [material.name for material in self.materials]
        shapes = [material.shape for material in self.materials]
        if len(set(names)) < len(names):
            raise ValueError(f"materials: each name once, not {', '.join(names)}")
        if shapes.count("outside") != 1 or shapes.count("matrix") != 1:
            raise ValueError(f"materials: exactly one of shape outside and one of shape matrix, not {shapes}")
        if sum(material.fraction for material in self.materials) >= 0.9:
            raise ValueError("materials: the fractions add up to 0.9 or more; leave room for the matrix")
        room = (self.size - 1) / 2 - abs(self.centre_offset) - max(abs(self.drift), 0)
        if self.radius > room:
            raise ValueError(
                f"the pillar's radius of {self.radius:g} pixels does not fit: size {self.size}, centre_offset, drift "
                f"leave {room:g}. Lower pillar_radius or raise size"
            )
        return self
