"""Small valid files of every format that a reader takes, and seeded ways of damaging them."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel
import numpy as np
import tifffile
import zarr
from PIL import Image
from scan_files import WRITERS

from scan2seg.config.scan_files import RawScan
from scan2seg.readers import open_scan
from scan2seg.readers.angles import read_angles
from scan2seg.readers.images import image_size, read_image, read_label
from scan2seg.readers.volumes import open_volume

MOST_READ = 100_000
"""Values of a file whose header announces more are sampled: damaged headers announce billions."""


@dataclass(frozen=True)
class Sample:
    """A valid file, or several in a folder, and how to read all of it."""

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], list[np.ndarray]]
    """Returns values; it asserts that they have the shape that the header announced."""
    verified: bool = False
    """The format holds checksums that its reader verifies: no change of a value goes unnoticed."""
    listed: bool = False
    """A list as long as the file: what is cut off or added is found where it is matched with something else."""


VOLUME = np.random.default_rng(1).integers(0, 4000, (3, 8, 10)).astype(np.int16)
GREY = np.random.default_rng(2).integers(0, 255, (9, 14)).astype(np.uint8)
COLOUR = np.random.default_rng(3).integers(0, 255, (9, 14, 3)).astype(np.uint8)
MHA = "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {packed}\nDimSize = 10 8 3\n"
MHA += "ElementType = MET_SHORT\nElementDataFile = {file}\n"


def _scan_sample(name):
    keep = {}

    def read(folder):
        source = {key: _moved(value, folder) for key, value in keep["source"].items()}
        with open_scan(RawScan(**source)) as scan:
            count, rows, columns = scan.shape
            assert len(scan.angles) == count
            if count * rows * columns <= MOST_READ:
                found = [scan.read_rows(0, rows)]
                assert found[0].shape == scan.shape
            else:
                found = [scan.read_projection(index, slice(0, 1)) for index in (0, count - 1)]
            assert all(part.shape[-1] == columns for part in found)
            for frames in (scan.flats, scan.darks):
                if frames is not None and frames.shape[0] < 1000:
                    found.append(scan.read_frames(frames, slice(0, 1)))
                    assert found[-1].shape == (frames.shape[0], 1, columns)
            return [scan.angles, *found]

    def write(folder):
        keep["source"] = WRITERS[name](folder)
        keep["folder"] = folder

    def _moved(value, folder):
        return str(value).replace(str(keep["folder"]), str(folder)) if not isinstance(value, dict) else value

    return Sample(f"scan {name}", write, read)


def _volume_sample(suffix, write, verified=False, key=None):
    def read(folder):
        volume = open_volume(folder / f"volume{suffix}", key)
        depth = volume.shape[0]
        few = np.prod(volume.shape, dtype=float) <= MOST_READ
        found = [volume.plane(0, index) for index in (range(depth) if few else (0, depth - 1))]
        assert all(plane.shape[:2] == tuple(volume.shape[1:]) for plane in found)
        last = volume.plane(2, volume.shape[2] - 1) if few else None
        assert last is None or last.shape[:2] == tuple(volume.shape[:2])
        return found

    return Sample(f"volume {suffix}", lambda folder: write(folder / f"volume{suffix}"), read, verified)


def _image_sample(suffix, pixels, verified=False, **options):
    def write(folder):
        path = folder / f"image{suffix}"
        if suffix.startswith(".tif"):
            tifffile.imwrite(path, pixels, **options)
        else:
            Image.fromarray(pixels).save(path, **options)

    def read(folder):
        path = folder / f"image{suffix}"
        size, image = image_size(path), read_image(path)
        assert image.shape[:2] == size
        label = read_label(path)
        assert label.shape[:2] == size
        return [image, label]

    return Sample(f"image {suffix} {pixels.ndim}", write, read, verified)


def _write_hdf5(path, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("volume", data=VOLUME, **options)


def _write_mha(path, packed=False, beside=None):
    values = zlib.compress(VOLUME.tobytes()) if packed else VOLUME.tobytes()
    header = MHA.format(packed=packed, file=beside or "LOCAL").encode()
    path.write_bytes(header if beside else header + values)
    if beside:
        (path.parent / beside).write_bytes(values)


def _write_nifti(path):
    image = nibabel.Nifti1Image(VOLUME.T, np.eye(4))
    content = image.to_bytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _write_zarr(path):
    group = zarr.open_group(str(path), mode="w")
    group.create_array("volume", data=VOLUME, chunks=(1, 8, 10))


def _read_angles(folder):
    found = [read_angles(folder / f"angles.{end}")[0] for end in ("txt", "npy")]
    assert all(angles.ndim == 1 for angles in found)
    return found


def _write_angles(folder):
    (folder / "angles.txt").write_text("angle (deg)\n" + "\n".join(f"{angle:.3f}" for angle in np.linspace(0, 180, 19)))
    np.save(folder / "angles.npy", np.linspace(0, 180, 19))


SAMPLES = [
    *(_scan_sample(name) for name in WRITERS),
    _volume_sample(".h5", _write_hdf5),
    _volume_sample(".hdf5", lambda path: _write_hdf5(path, chunks=(1, 8, 10), compression="gzip", fletcher32=True)),
    _volume_sample(".mha", _write_mha),
    _volume_sample("z.mha", lambda path: _write_mha(path, packed=True)),
    _volume_sample(".mhd", lambda path: _write_mha(path, beside="volume.raw")),
    _volume_sample(".nii", _write_nifti),
    _volume_sample(".nii.gz", _write_nifti, verified=True),
    _volume_sample(".tif", lambda path: tifffile.imwrite(path, VOLUME, photometric="minisblack")),
    _volume_sample("z.tif", lambda path: tifffile.imwrite(path, VOLUME, photometric="minisblack", compression="zlib")),
    _volume_sample(".zarr", _write_zarr),
    _image_sample(".png", GREY),
    _image_sample(".png", COLOUR),
    _image_sample(".jpg", COLOUR),
    _image_sample(".bmp", GREY),
    _image_sample(".tif", COLOUR, photometric="rgb"),
    _image_sample(".tif", GREY, compression="deflate"),
    Sample("angles", _write_angles, _read_angles, listed=True),
]


def damage(path: Path, generator: np.random.Generator, others: list[bytes]) -> str:
    """Damage a file in one of the ways that disks, networks and people do; return which."""
    content = bytearray(path.read_bytes())
    way = generator.choice(["cut", "flip", "zero", "fill", "swap", "extend", "exchange", "remove"], p=WEIGHTS)
    # Half of the places are in the header, where structure is.
    size = min(len(content), 512) if generator.random() < 0.5 else len(content)
    place = int(generator.integers(0, max(size, 1)))
    length = int(generator.integers(1, 65))
    if way == "cut":
        content = content[:place]
    elif way == "flip":
        for at in generator.integers(0, max(size, 1), int(generator.integers(1, 5))) if content else ():
            content[at] ^= 1 << int(generator.integers(0, 8))
    elif way in ("zero", "fill"):
        content[place : place + length] = (b"\0" if way == "zero" else b"\xff") * len(content[place : place + length])
    elif way == "swap":
        other = int(generator.integers(0, max(len(content) - length, 1)))
        first, second = content[place : place + length], content[other : other + length]
        if len(first) == len(second) and abs(place - other) >= length:
            content[place : place + length], content[other : other + length] = second, first
    elif way == "extend":
        content += generator.bytes(length)
    elif way == "exchange":
        content = bytearray(others[int(generator.integers(0, len(others)))])
    path.unlink()
    if way != "remove":
        path.write_bytes(bytes(content))
    return str(way)


WEIGHTS = [0.2, 0.3, 0.1, 0.1, 0.1, 0.08, 0.07, 0.05]
