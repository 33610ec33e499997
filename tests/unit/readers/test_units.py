"""Lengths come out in micrometres whatever their unit is called, and never when it is unknown."""

import numpy as np
import pytest

from scan2seg.errors import InputError
from scan2seg.readers.units import angle_unit, micrometres


@pytest.mark.parametrize(
    ("value", "unit", "size"),
    [
        (6.9e-7, "m", 0.69),
        (6.9e-7, "Metres", 0.69),
        (0.00069, "mm", 0.69),
        (690, "nm", 0.69),
        (0.69, "um", 0.69),
        (0.69, "µm", 0.69),
        (0.69, "μm", 0.69),
        (0.69, "Microns", 0.69),
        (6900, "Angstrom", 0.69),
        (1e-3, "inch", 25.4),
        (1e-3, "inches", 25.4),
        ("2.04", "microns", 2.04),
        (np.array([0.69, 0.7]), "um", 0.69),
        (0.69, "", 0.69),  # no detector has pixels of 69 cm
        (6.9e-7, "", 0.69),  # nor of a millionth of a micrometre
    ],
)
def test_lengths(value, unit, size):
    assert micrometres(value, unit, "scan.h5") == pytest.approx(size)


@pytest.mark.parametrize(
    ("value", "unit", "message"),
    [
        (0.69, "furlong", "'furlong'"),
        (0.69, "pixel", "'pixel'"),
        (0.0, "um", "not above 0"),
        (-1.0, "um", "not above 0"),
        (np.nan, "m", "not above 0"),
        (np.inf, "m", "not above 0"),
        ("large", "um", "no number"),
        ([], "um", "no number"),
        (0.0034, "", "no unit"),
    ],
)
def test_sizes_that_are_none(value, unit, message):
    with pytest.raises(InputError, match=rf"scan\.h5: the pixel size.*{message}.*Give pixel_size"):
        micrometres(value, unit, "scan.h5")


def test_units_of_angles():
    assert [angle_unit(unit, "x") for unit in (None, "", "deg", "Degrees", "°")] == [None, None, *3 * ["degrees"]]
    assert [angle_unit(unit, "x") for unit in ("rad", "radians")] == ["radians", "radians"]
    for unit in ("mrad", "gon", "counts"):
        with pytest.raises(InputError, match=f"'{unit}'"):
            angle_unit(unit, "x")
