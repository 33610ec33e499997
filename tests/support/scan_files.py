"""The same small scan in every format that a reader takes, for tests of the readers."""

import struct
from itertools import pairwise

import h5py
import numpy as np
import tifffile
import zarr

COUNT, ROWS, COLUMNS = 12, 32, 64
DEGREES = np.linspace(0, 180, COUNT)


def content():
    rng = np.random.default_rng(0)
    return {
        "data": rng.integers(200, 900, (COUNT, ROWS, COLUMNS)).astype(np.uint16),
        "data_white": rng.integers(1000, 1100, (4, ROWS, COLUMNS)).astype(np.uint16),
        "data_dark": rng.integers(90, 110, (3, ROWS, COLUMNS)).astype(np.uint16),
    }


def write_data_exchange(folder):
    with h5py.File(folder / "scan.h5", "w") as file:
        for name, value in content().items():
            file.create_dataset(f"exchange/{name}", data=value, chunks=(1, ROWS, COLUMNS), compression="gzip")
        file["exchange/theta"] = DEGREES
        file["measurement/instrument/detector/pixel_size"] = 1.5
        file["measurement/instrument/detector/pixel_size"].attrs["units"] = "um"
    return {"projections": folder / "scan.h5"}


def write_nxtomo(folder):
    parts = content()
    key = np.array([2] * 3 + [1] * 2 + [0] * COUNT + [1] * 2)
    data = np.concatenate([parts["data_dark"], parts["data_white"][:2], parts["data"], parts["data_white"][2:]])
    angles = np.zeros(len(key))
    angles[key == 0] = np.deg2rad(DEGREES)
    with h5py.File(folder / "scan.nxs", "w") as file:
        file["entry/tomo/instrument/detector/data"] = data
        file["entry/tomo/instrument/detector/image_key"] = key
        file["entry/tomo/instrument/detector/x_pixel_size"] = 1.5e-6
        file["entry/tomo/instrument/detector/x_pixel_size"].attrs["units"] = "m"
        file["entry/tomo/sample/rotation_angle"] = angles
        file["entry/tomo/sample/rotation_angle"].attrs["units"] = "rad"
    return {"projections": folder / "scan.nxs"}


def write_hdf5(folder):
    parts = content()
    with h5py.File(folder / "own.h5", "w") as file:
        file["images/proj"], file["images/white"], file["images/black"] = parts.values()
        file["motor/phi"] = DEGREES
        file["size"] = 1500
        file["size"].attrs["units"] = "nm"
    names = {"data": "images/proj", "flats": "/images/white", "darks": "images/black", "angles": "motor/phi"}
    return {"projections": folder / "own.h5", "paths": {**names, "pixel_size": "size"}}


def write_tiff_stack(folder):
    parts = content()
    for index, image in enumerate(parts["data"]):
        tifffile.imwrite(folder / f"p_{index}.tif", image, compression="deflate" if index % 2 else None)
    tifffile.imwrite(folder / "flat.tiff", parts["data_white"], photometric="minisblack")
    tifffile.imwrite(folder / "dark.tiff", parts["data_dark"], photometric="minisblack")
    np.savetxt(folder / "angles.txt", DEGREES)
    return {
        "projections": str(folder / "p_*.tif"),
        "flats": folder / "flat.tiff",
        "darks": folder / "dark.tiff",
        "angles": folder / "angles.txt",
    }


def write_zarr_array(folder):
    group = zarr.open_group(str(folder / "scan.zarr"), mode="w")
    for name, value in content().items():
        group.create_array(name, data=value, chunks=(1, ROWS, COLUMNS))
    group.create_array("theta", data=DEGREES)
    group.attrs["pixel_size"] = 1.5
    return {"projections": folder / "scan.zarr"}


def write_txrm(folder):
    parts = content()
    streams = {
        "ImageInfo/ImageWidth": struct.pack("<i", COLUMNS),
        "ImageInfo/ImageHeight": struct.pack("<i", ROWS),
        "ImageInfo/NoOfImages": struct.pack("<i", COUNT),
        "ImageInfo/DataType": struct.pack("<i", 5),
        "ImageInfo/Angles": DEGREES.astype("<f4").tobytes(),
        "ImageInfo/PixelSize": struct.pack("<f", 1.5),
        "ReferenceData/Image": np.median(parts["data_white"], axis=0).astype("<f4").tobytes(),
    }
    streams |= {f"ImageData1/Image{n + 1}": parts["data"][n].astype("<u2").tobytes() for n in range(COUNT)}
    (folder / "scan.txrm").write_bytes(ole_container(streams))
    return {"projections": folder / "scan.txrm"}


def ole_container(streams):
    """A compound file of 512-byte sectors; every stream is padded to 4096 bytes, so that no mini stream is needed."""
    entries = [["Root Entry", 5, None, []]]
    for name, value in streams.items():
        folder, leaf = name.split("/")
        parent = next((i for i, e in enumerate(entries) if e[0] == folder), None)
        if parent is None:
            entries.append([folder, 1, None, []])
            parent = len(entries) - 1
            entries[0][3].append(parent)
        entries.append([leaf, 2, value.ljust(4096, b"\0"), []])
        entries[parent][3].append(len(entries) - 1)
    body, table, starts = b"", [], {}
    for index, (_, _, value, _) in enumerate(entries):
        if value is not None:
            starts[index] = len(table)
            count = -(-len(value) // 512)
            table += [*range(len(table) + 1, len(table) + count), -2]
            body += value.ljust(count * 512, b"\0")
    right, child = {}, {}
    for index, (_, _, _, below) in enumerate(entries):
        if below:
            child[index] = below[0]
            right |= dict(pairwise(below))
    directory = b""
    for index, (name, kind, value, _) in enumerate(entries):
        text = name.encode("utf-16-le") + b"\0\0"
        directory += text.ljust(64, b"\0") + struct.pack(
            "<HBBiii", len(text), kind, 1, -1, right.get(index, -1), child.get(index, -1)
        )
        directory += bytes(36) + struct.pack("<iII", starts.get(index, -2), len(value or b""), 0)
    directory = directory.ljust(-(-len(directory) // 512) * 512, b"\0")
    first_directory = len(table)
    table += [*range(first_directory + 1, first_directory + len(directory) // 512), -2]
    fat_sectors = -(-(len(table) + 8) // 128)
    first_fat = len(table)
    table += [-3] * fat_sectors
    table += [-1] * (fat_sectors * 128 - len(table))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<iiiiiiiii", 0, fat_sectors, first_directory, 0, 4096, -2, 0, -2, 0)
    header += struct.pack("<109i", *range(first_fat, first_fat + fat_sectors), *([-1] * (109 - fat_sectors)))
    return header + body + directory + struct.pack(f"<{len(table)}i", *table)


WRITERS = {name[6:]: function for name, function in list(globals().items()) if name.startswith("write_")}
"""Name of a reader to the function that writes its file to a folder and returns the source."""
