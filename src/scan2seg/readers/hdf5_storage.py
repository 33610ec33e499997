"""What an HDF5 file promises but does not hold: data never written, and links and virtual sources that lead nowhere.

HDF5 reads all of these as the fill value, mostly zeros, without a word. Imported only by the readers of HDF5 files.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError

Missing = NDArray[np.bool_]
_MOST_NESTED = 8
_UNLIMITED = h5py.h5s.UNLIMITED


def find(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return a dataset; None where nothing has that name, or it is no dataset.

    Raises:
        InputError: the name is a link to a file or place that is missing.
    """
    place: Any = file
    for part in name.strip("/").split("/"):
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if link is None:
            return None
        try:
            place = place[part]
        except (KeyError, OSError):
            target = (
                f"{link.filename}:{link.path}" if isinstance(link, h5py.ExternalLink) else getattr(link, "path", "")
            )
            raise InputError(
                f"{file.filename}: /{name.strip('/')} is a link to {target}, which is missing. "
                "Copy the files that belong to it too"
            ) from None
    return place if isinstance(place, h5py.Dataset) else None


def linked_files(path: Path) -> list[Path]:
    """List the other files that hold parts of a file: what external links, virtual datasets and external storage lead
    to, and what those lead to in turn. Missing ones are left out, and so are all of a file that cannot be read."""
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop()
        names: set[str] = set()
        try:
            with h5py.File(current, "r") as file:
                _collect_names(file, names)
                file.visititems(lambda _, item, names=names: _collect_names(item, names))
        except (OSError, RuntimeError, KeyError, ValueError):
            continue
        more = {current.parent / name for name in names if name not in (".", "")} - {path, *found}
        new = sorted(file for file in more if file.is_file())
        found.update(dict.fromkeys(new))
        waiting.extend(new)
    return list(found)


def _collect_names(item: h5py.Group | h5py.Dataset, names: set[str]) -> None:
    """Add the names of the files that a group links to, or that a dataset is stored in."""
    if isinstance(item, h5py.Group):
        links = [item.get(name, getlink=True) for name in item]
        names.update(link.filename for link in links if isinstance(link, h5py.ExternalLink))
    elif item.is_virtual:
        names.update(source.file_name for source in item.virtual_sources())
    elif item.external:
        names.update(name for name, *_ in item.external)


def check_written(dataset: h5py.Dataset, what: str = "images", needed: NDArray[np.intp] | None = None) -> None:
    """Refuse a dataset of which a part was never written.

    Chunks and contiguous storage that were never allocated, external storage that is too short, and virtual datasets
    that nothing is mapped to, or whose sources are missing, too small or themselves not written.

    Args:
        dataset: images (or slices) along its first axis.
        what: what these are, for the message.
        needed: those that matter; all when None.

    Raises:
        InputError: the number, and the first that are missing.
    """
    missing = np.flatnonzero(find_missing(dataset))
    if needed is not None:
        missing = np.intersect1d(missing, needed)
    if not len(missing):
        return
    first = ", ".join(map(str, missing[:3])) + (", ..." if len(missing) > 3 else "")
    count = len(dataset) if dataset.ndim else 1
    raise InputError(
        f"{dataset.file.filename}: {len(missing)} of {count} {what} of {dataset.name} were never written (counted from "
        f"0: {first}); HDF5 reads them as {dataset.fillvalue}. Copy the file, and the files that it names, again from "
        "their source"
    )


def find_missing(dataset: h5py.Dataset, depth: int = 0) -> Missing:
    """Tell for each place along the first axis whether any part of it was never written; one value for a scalar."""
    count = len(dataset) if dataset.ndim else 1
    if 0 in dataset.shape or depth > _MOST_NESTED:
        return np.zeros(count, bool)
    if dataset.is_virtual:
        return _without_source(dataset, depth)
    if dataset.chunks is not None:
        return _without_chunk(dataset)
    if dataset.external:
        return np.full(count, any(_is_short(dataset, *part) for part in dataset.external))
    return np.full(count, dataset.id.get_storage_size() == 0)


def _without_chunk(dataset: h5py.Dataset) -> Missing:
    chunks = dataset.chunks
    grid = tuple(-(-length // step) for length, step in zip(dataset.shape, chunks, strict=True))
    if dataset.id.get_num_chunks() >= int(np.prod(grid)):
        return np.zeros(len(dataset), bool)
    written = np.zeros(grid, bool)

    def mark(stored: Any) -> None:
        written[tuple(at // step for at, step in zip(stored.chunk_offset, chunks, strict=True))] = True

    dataset.id.chunk_iter(mark)
    return np.repeat(~written.reshape(grid[0], -1).all(axis=1), chunks[0])[: len(dataset)]


def _is_short(dataset: h5py.Dataset, name: str, offset: int, size: int) -> bool:
    path = next((place for place in _places(dataset, name) if place.is_file()), None)
    return path is None or (size != _UNLIMITED and path.stat().st_size < offset + size)


def _without_source(dataset: h5py.Dataset, depth: int) -> Missing:
    """Images that no source covers, or one that is missing; gaps between the modules of a detector are none."""
    covered, missing = np.zeros((2, len(dataset)), bool)
    opened: dict[tuple[str, str], Missing | None] = {}
    for source in dataset.virtual_sources():
        for number, images in enumerate(_mapped_images(source.vspace, "%b" in source.file_name, len(dataset))):
            images = images[images < len(dataset)]
            if not len(images):
                continue
            covered[images] = True
            key = (source.file_name.replace("%b", str(number)).replace("%%", "%"), source.dset_name)
            if key not in opened:
                opened[key] = _missing_in_source(dataset, *key, depth)
            missing[images] |= _carry_over(opened[key], source.src_space, len(images))
    return missing | ~covered


def _carry_over(inside: Missing | None, space: Any, count: int) -> Missing | bool:
    """Turn what is missing in a source into what is missing of the images that are mapped from it."""
    if inside is None:
        return True
    whole = space.get_select_type() == h5py.h5s.SEL_ALL
    taken = np.arange(count) if whole else _mapped_images(space, False, len(inside))[0]
    if len(taken) != count:
        return bool(inside.any()) or bool(taken.max(initial=0) >= len(inside))
    return np.append(inside, True)[np.minimum(taken, len(inside))]


def _mapped_images(space: Any, repeats: bool, count: int) -> list[NDArray[np.intp]]:
    """List the places along the first axis that a selection takes: of each of its blocks where these are files.

    ``count`` is where a selection without an end stops.
    """
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return [np.arange(count)]
    if kind != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        low, high = space.get_select_bounds()
        return [np.arange(low[0], high[0] + 1)]
    start, stride, number, block = (int(part[0]) for part in space.get_regular_hyperslab())
    if block == _UNLIMITED:
        block = max(count - start, 0)
    if number == _UNLIMITED:
        number = -(-max(count - start, 0) // stride)
    blocks = [np.arange(start + i * stride, start + i * stride + block) for i in range(number)]
    if repeats:
        return blocks
    return [np.concatenate(blocks) if blocks else np.arange(0)]


def _missing_in_source(dataset: h5py.Dataset, file_name: str, name: str, depth: int) -> Missing | None:
    """Return what is missing in a source of a virtual dataset; None where there is no such source."""
    if file_name == ".":
        source = dataset.file.get(name)
        return find_missing(source, depth + 1) if isinstance(source, h5py.Dataset) else None
    for path in _places(dataset, file_name):
        try:
            with h5py.File(path, "r") as file:
                source = file.get(name)
                return find_missing(source, depth + 1) if isinstance(source, h5py.Dataset) else None
        except OSError:
            continue
    return None


def _places(dataset: h5py.Dataset, name: str) -> list[Path]:
    """List where HDF5 looks for a file that a file names."""
    folder = Path(dataset.file.filename).parent
    return [folder / name, folder / Path(name).name, Path(name)]
