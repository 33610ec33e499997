"""Settings of ``reconstruct_scan``: from projections to a volume of attenuation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scan2seg.config.base import Chosen, FilePath, Plugin, Settings, is_unset


class AngleRange(Settings):
    """Evenly spaced angles in degrees, from the first projection to the last."""

    start: float
    """Angle of the first projection, in degrees."""
    stop: float
    """Angle of the last projection, in degrees."""


Angles = AngleRange | list[float] | FilePath
"""Angles in degrees: a range, a list, or a file of them."""


class ReconstructionSettings(Settings):
    """How a scan becomes a volume."""

    backend: Annotated[Chosen, Plugin("reconstruction")] = Field("gridding", validate_default=True)
    """The reconstruction method."""
    stripes: Annotated[Chosen, Plugin("reconstruction.stripes")] = Field("filtering", validate_default=True)
    """How stripes in the sinogram, which become rings in the slice, are removed."""
    centre: Literal["auto"] | float = "auto"
    """The rotation axis in columns of the file (the middle of the first is 0), or found from the data."""
    centre_tolerance: float = Field(1.0, gt=0)
    """Two ways of finding the centre that differ by more than this many columns cause a warning."""
    angles: Angles | None = None
    """Angles in degrees instead of the file's: a range, a list, or a text, NumPy or CSV file with one a line."""
    projections: int | None = Field(None, ge=2, exclude_if=is_unset)
    """Reconstruct from so many projections, evenly spread over the angles; all of them when null. ``centre: auto`` is
    found from all, so that nothing else changes with their number."""
    rows: tuple[int, int] | None = None
    """Detector rows [first, past the last] to reconstruct; all of them when null."""
    crop: tuple[int, int, int, int] | Annotated[float, Field(gt=0, le=1)] | None = None
    """Part of the slice to keep: [first row, past the last row, first column, past the last column] in reconstructed
    pixels, or the fraction of both sides around the middle."""
    orientation: Literal[
        "none", "flip_rows", "flip_columns", "rotate_90", "rotate_180", "rotate_270", "transpose", "transpose_other"
    ] = "none"
    """How slices are turned or mirrored, before ``crop``, to lie as another program's: none is as TomoPy has them;
    rotations are anticlockwise; transpose mirrors at the diagonal from the top left, transpose_other at the other."""
    binning: int = Field(1, ge=1, le=16)
    """Detector pixels averaged into one, in both directions."""
    circular_mask: bool = True
    """Set pixels outside the circle that all projections see to 0."""
    bad_pixels: bool = True
    """Find hot and dead detector pixels in flats and darks and fill them from their neighbours."""
    zinger_threshold: float | None = Field(0.3, gt=0)
    """A transmission this far above the median of its 3 x 3 neighbours in the sinogram becomes that; null: none."""
    minimum_transmission: float = Field(1e-4, gt=0, lt=1)
    """Transmissions below this, zero and negative ones too, become this before the logarithm; they are counted."""
    maximum_bad: float = Field(0.05, ge=0, le=1)
    """The stage fails when more than this fraction of the projections' values is not finite or, as a transmission,
    below ``minimum_transmission``; fewer are filled or raised to it."""
    already_normalised: bool = False
    """The projections are transmissions: no flat and dark field are applied or asked for."""
    already_logarithm: bool = False
    """The projections are minus-log attenuations: neither flats nor a logarithm are applied."""
    delta_beta: float | None = Field(None, gt=0)
    """Ratio of phase shift to absorption for Paganin's phase retrieval; null: no phase retrieval."""
    energy: float | None = Field(None, gt=0)
    """Photon energy in keV, for phase retrieval."""
    distance: float | None = Field(None, gt=0)
    """Distance from sample to detector in millimetres, for phase retrieval."""
    half_acquisition: Literal["auto"] | bool = "auto"
    """A 0 to 360 degree scan with the axis near the detector's side becomes a 0 to 180 degree one of twice the width;
    auto: where the angles cover a full turn and the axis is nearer to a side than to the middle."""
    pixel_size: float | None = Field(None, gt=0)
    """Detector pixel size at the sample in micrometres, instead of the file's."""
    units: Literal["per_pixel", "per_millimetre"] = "per_pixel"
    """Attenuation per reconstructed pixel, or per millimetre, which needs the pixel size."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to reconstruct; auto: on a GPU where there is one and the backend can use it."""

    @model_validator(mode="after")
    def _check(self) -> "ReconstructionSettings":
        if self.delta_beta is not None and (self.energy is None or self.distance is None):
            raise ValueError("delta_beta: phase retrieval needs energy (keV) and distance (mm) too")
        if self.rows is not None and not 0 <= self.rows[0] < self.rows[1]:
            raise ValueError(f"rows: {list(self.rows)} is not a range, write [first, past the last]")
        if isinstance(self.crop, tuple):
            top, bottom, left, right = self.crop
            if not (0 <= top < bottom and 0 <= left < right):
                raise ValueError(
                    f"crop: {list(self.crop)} is empty, write [first row, end row, first column, end column]"
                )
        return self
