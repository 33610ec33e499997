"""Labels in the form of what was segmented: PNG, TIFF, NIfTI with its header, and OME-Zarr."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.replacement import replacing
from scan2seg.storage import open_array

_LARGE = 2**31


def write_image(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write the classes (y, x) of an image as PNG or TIFF, by the suffix, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        if path.suffix.lower() == ".png":
            from PIL import Image

            Image.fromarray(labels).save(partial, format="PNG")
            return
        import tifffile

        tifffile.imwrite(partial, labels, compression="zlib", photometric="minisblack")


def write_volume_beside(store: Path, original: Path) -> Path | None:
    """Write the labels of a store in the form of the volume that was segmented; return the file.

    A TIFF becomes one series of pages, NIfTI keeps the header of the original: affine, units and description. Of other
    forms, and of folders of slices, the store is all there is, and None is returned.

    Args:
        store: with ``label`` (z, y, x) uint8.
        original: the file of the volume, or of its first channel.
    """
    target = file_beside(store, original)
    if target is not None:
        ending = target.name[len(store.stem) :]
        with replacing(target) as partial:
            _WRITERS[ending](partial, store, original)
    return target


def file_beside(labels: Path, original: Path) -> Path | None:
    """Return the file that holds the labels of a volume in its own form; None where the store, or an image, is all."""
    if labels.suffix != ".zarr" or original.is_dir():
        return None
    endings = (ending for ending in _WRITERS if original.name.lower().endswith(ending))
    return next((labels.with_name(labels.stem + ending) for ending in endings), None)


def write_volume_tiff(path: Path, store: Path) -> None:
    """Write the labels of a store as one series of pages, whole or not at all; other programs open it as one volume."""
    with replacing(path) as partial:
        _write_tiff(partial, store, path)


def _write_tiff(path: Path, store: Path, _: Path) -> None:
    import tifffile

    array: Any = open_array(store, "label")
    slices = (np.asarray(array[index]) for index in range(array.shape[0]))
    form: dict[str, Any] = {"shape": array.shape, "dtype": array.dtype, "metadata": {"axes": "ZYX"}}
    large = array.nbytes > _LARGE
    tifffile.imwrite(path, slices, **form, bigtiff=large, compression="zlib", photometric="minisblack")


def _write_nifti(path: Path, store: Path, original: Path) -> None:
    """Write (x, y, z) with the affine and the header of the original, as whole numbers of one byte."""
    import nibabel

    image: Any = nibabel.load(original)
    header = image.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    labels = np.ascontiguousarray(np.asarray(open_array(store, "label")[:]).transpose(2, 1, 0))
    written: Any = type(image)(labels, image.affine, header)
    written.header["cal_min"] = written.header["cal_max"] = 0
    # the name of the unfinished file says nothing of its form
    content = written.to_bytes()
    if original.name.lower().endswith(".gz"):
        import gzip

        content = gzip.compress(content, mtime=0)
    path.write_bytes(content)


_WRITERS = {".nii.gz": _write_nifti, ".nii": _write_nifti, ".tiff": _write_tiff, ".tif": _write_tiff}
