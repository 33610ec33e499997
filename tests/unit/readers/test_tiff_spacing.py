"""The voxel size of TIFF volumes, as ImageJ and OME write it; dots an inch are none."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from scan2seg.errors import InputError
from scan2seg.readers.volumes import open_volume

VALUES = np.zeros((3, 8, 9), np.uint16)


def test_imagej_and_ome_say_the_size_of_voxels(tmp_path: Path) -> None:
    path = tmp_path / "v.tif"
    for unit, factor in (("micron", 1), ("um", 1), ("nm", 1e-3), ("\\u00B5m", 1)):
        metadata = {"unit": unit, "spacing": 3.0, "axes": "ZYX"}
        tifffile.imwrite(path, VALUES, imagej=True, resolution=(1 / 0.5, 1 / 0.25), metadata=metadata)
        assert open_volume(path).spacing == pytest.approx((3 * factor, 0.25 * factor, 0.5 * factor))
    ome = {"axes": "ZYX", "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.7, "PhysicalSizeZ": 2}
    tifffile.imwrite(path, VALUES, ome=True, metadata=ome)
    assert open_volume(path).spacing == pytest.approx((2, 0.7, 0.65))


def test_a_size_in_pixels_or_for_a_printer_is_none(tmp_path: Path) -> None:
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, VALUES, imagej=True, metadata={"unit": "pixel", "axes": "ZYX"})
    assert open_volume(path).spacing is None
    tifffile.imwrite(path, VALUES, resolution=(300, 300), resolutionunit="INCH", photometric="minisblack")
    assert open_volume(path).spacing is None


def test_a_size_that_is_no_positive_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.tif"
    ome = {"axes": "ZYX", "PhysicalSizeX": -0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2}
    tifffile.imwrite(path, VALUES, ome=True, metadata=ome)
    with pytest.raises(InputError, match=r"v\.tif: its voxel size is \(2, 0\.5, -0\.5\)"):
        open_volume(path)
