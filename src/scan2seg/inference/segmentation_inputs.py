"""What is given to be segmented: files and folders of images and volumes, as people have them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from scan2seg.config.image_reading import Reading
from scan2seg.config.volumes import VolumeFiles
from scan2seg.errors import InputError, refuse_pipe
from scan2seg.readers.dependencies import VOLUMES, companions, volume_readers
from scan2seg.readers.images import SUFFIXES as IMAGE_SUFFIXES
from scan2seg.readers.images import TIFF_SUFFIXES, image_size, read_image
from scan2seg.readers.volumes import Volume, open_volume, suffixes
from scan2seg.sources import Item, list_items, natural_key
from scan2seg.sources.volume import open_files
from scan2seg.sources.volume_files import case_name, find_volumes, split_channel

_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


@dataclass(frozen=True)
class Input:
    """What is segmented as one: an image, or a volume with a file, or a folder of slices, for each channel."""

    paths: tuple[Path, ...]
    name: str
    """Of its labels: its path below what was given, or the name of a dataset's volume."""
    is_volume: bool

    def read_items(self, reading: Reading, key: str | None = None) -> list[Item]:
        """List the image, or the slices of the volume, as a model sees them; only headers are read.

        Raises:
            InputError: a file is unreadable, or cannot be read as the training images were.
        """
        if not self.is_volume:
            if reading.standardise:
                raise InputError(
                    f"{self.paths[0]}: is a single image; the model was trained on volumes that were standardised as "
                    "a whole: give the volume"
                )
            return list_items(reading.image_source(escape(str(self.paths[0]))), {})
        return list_items(reading.volume_source(self._stem(), self._files(), key), {})

    def read_size(self) -> tuple[int, int]:
        """Return height and width of an image, as it is stored."""
        return image_size(self.paths[0])

    def open_volume(self, reading: Reading, key: str | None = None) -> Volume:
        """Open the first channel of a volume, as it is stored."""
        source = reading.volume_source(self._stem(), self._files(), key)
        (files,) = find_volumes(source).values()
        return open_files(files.channels[0], key, read_image)

    def count_pixels(self, reading: Reading, key: str | None = None) -> int:
        """Return how many pixels or voxels it has; 0 where it cannot be read, which is said when its turn comes."""
        try:
            shape = self.open_volume(reading, key).shape if self.is_volume else self.read_size()
        except InputError:
            return 0
        return math.prod(shape)

    def list_parts(self) -> list[Path]:
        """Return the files and stores that it is read from, also the data beside a header.

        Of a folder of slices they are the files in it, but not what lies in folders below, such as these labels.
        """
        parts = [part for path in self.paths for part in (_list_files(path) if _is_slices(path) else [path])]
        names = [str(part) for part in parts]
        return [*parts, *map(Path, companions(VOLUMES, volume_readers(names), names))]

    def _files(self) -> VolumeFiles:
        return VolumeFiles(images=[escape(str(path)) for path in self.paths])

    def _stem(self) -> str:
        return Path(self.name).name


def find_inputs(paths: Sequence[Path], *, output: Path, volumes: bool, channels: int) -> list[Input]:
    """Find what files and folders hold, in natural order of their names; folders are searched to their ends.

    Args:
        paths: images, volumes, and folders of them.
        output: the folder of labels, which is not searched where it lies below one of these.
        volumes: whether the model sees slices of volumes; a folder of slice images is then a volume.
        channels: of the image; above 1, volumes named CASE_0000, CASE_0001 and so on are channels of one.

    Raises:
        InputError: there is no such path, it cannot be listed, or holds nothing that could be segmented.
    """
    found: list[Input] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder")
        refuse_pipe(path)
        search = _Search(path.parent if not path.is_dir() or _is_zarr(path) else path, output.resolve(), volumes)
        inside = list(search.find(path))
        if not inside and path.resolve() == output.resolve():
            raise InputError(f"{path}: is the folder for the labels, which is not searched; give another for them")
        if not inside:
            known = ", ".join(sorted({*IMAGE_SUFFIXES, *suffixes()}))
            raise InputError(f"{path}: holds no image and no volume; files end in {known}")
        found.extend(inside)
    return _join_channels(found) if channels > 1 else found


class _Search:
    """Finds what lies at or below a path, each folder once, whatever links there are."""

    def __init__(self, root: Path, output: Path, volumes: bool) -> None:
        self.root, self.volumes = root, volumes
        self._visited = {output}

    def find(self, path: Path) -> Iterator[Input]:
        """Yield the images and volumes at or below a path."""
        if not path.is_dir() or _is_zarr(path):
            if not _is_readable(path):
                raise InputError(f"{path}: no reader takes this suffix; files end in {', '.join(suffixes())}")
            yield Input((path,), str(path.relative_to(self.root)), not _ends(path, IMAGE_SUFFIXES) or _has_pages(path))
            return
        if (real := path.resolve()) in self._visited:
            return
        self._visited.add(real)
        entries = _list(path)
        slices = [entry for entry in entries if self.volumes and _is_slice(entry)]
        if slices:
            yield Input((path,), str(path.relative_to(self.root)) if path != self.root else path.name, True)
        for entry in entries:
            if entry not in slices and (entry.is_dir() or _is_readable(entry)):
                yield from self.find(entry)
            elif not entry.exists() and _ends(entry, (*IMAGE_SUFFIXES, *suffixes())):
                # a link to nothing, which is named when its turn comes
                yield Input((entry,), str(entry.relative_to(self.root)), not _ends(entry, IMAGE_SUFFIXES))


def _list(folder: Path) -> list[Path]:
    try:
        return sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=natural_key)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror})") from None


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in _ZARR_FILES)


def _is_slices(path: Path) -> bool:
    return path.is_dir() and not _is_zarr(path)


def _list_files(folder: Path) -> list[Path]:
    return [entry for entry in _list(folder) if entry.is_file()]


def _is_readable(path: Path) -> bool:
    return _is_zarr(path) or (path.is_file() and _ends(path, (*IMAGE_SUFFIXES, *suffixes())))


def _is_slice(path: Path) -> bool:
    return path.is_file() and _ends(path, IMAGE_SUFFIXES) and not _has_pages(path)


def _ends(path: Path, endings: Sequence[str]) -> bool:
    return path.name.lower().endswith(tuple(endings))


def _has_pages(path: Path) -> bool:
    """Tell whether a TIFF is a volume; a damaged one is an image, and reading it says what is wrong."""
    if not _ends(path, TIFF_SUFFIXES):
        return False
    try:
        image_size(path)
    except InputError:
        try:
            return open_volume(path).shape[0] > 1
        except InputError:
            return False
    return False


def _join_channels(found: Sequence[Input]) -> list[Input]:
    """Join volumes of one folder such as CASE_0000.nii and CASE_0001.nii to one with two channels, in their order."""
    joined: dict[tuple[Path, str], list[Input]] = {}
    for each in found:
        (path,) = each.paths
        stem = case_name(path)
        case = split_channel(stem) if each.is_volume else None
        name = f"{case[0]}{path.name[len(stem) :]}" if case else path.name
        joined.setdefault((path.parent.resolve(), name), []).append(each)
    return [_join(parts, name) for (_, name), parts in joined.items()]


def _join(parts: list[Input], name: str) -> Input:
    paths = tuple(sorted((path for part in parts for path in part.paths), key=natural_key))
    return Input(paths, str(Path(parts[0].name).with_name(name)), parts[0].is_volume)
