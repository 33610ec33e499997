"""What is given to be segmented: files and folders of images and volumes, as people have them."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from scan2seg.config.reading import Reading
from scan2seg.config.volumes import VolumeFiles
from scan2seg.errors import InputError, refuse_pipe
from scan2seg.readers.images import SUFFIXES as IMAGE_SUFFIXES
from scan2seg.readers.images import TIFF_SUFFIXES, image_size, read_image
from scan2seg.readers.volumes import Volume, open_volume, suffixes
from scan2seg.sources import Item, list_items, natural_key
from scan2seg.sources.volume import open_files
from scan2seg.sources.volume_files import find_volumes

_CHANNEL = re.compile(r"(.+)_(\d{4})")
"""nnU-Net's name of a file: case, and number of the channel."""
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


@dataclass(frozen=True)
class Input:
    """What is segmented as one: an image, or a volume with a file, or a folder of slices, for each channel."""

    paths: tuple[Path, ...]
    name: str
    """The path of its output below the folder of outputs, in the form of its own first file; unique."""
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

    def _files(self) -> VolumeFiles:
        return VolumeFiles(images=[escape(str(path)) for path in self.paths])

    def _stem(self) -> str:
        return Path(self.name).name


def find_inputs(paths: Sequence[Path], *, volumes: bool, channels: int) -> list[Input]:
    """Find what files and folders hold, in natural order of their names; folders are searched to their ends.

    Args:
        paths: images, volumes, and folders of them.
        volumes: whether the model sees slices of volumes; a folder of slice images is then a volume.
        channels: of the image; above 1, volumes named CASE_0000, CASE_0001 and so on are channels of one.

    Raises:
        InputError: there is no such path, nothing in a folder that could be segmented, or two would have one output.
    """
    found: list[Input] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder")
        refuse_pipe(path)
        inside = list(_search(path, path.parent if not path.is_dir() or _is_zarr(path) else path, volumes))
        if not inside:
            known = ", ".join(sorted({*IMAGE_SUFFIXES, *suffixes()}))
            raise InputError(f"{path}: holds no image and no volume; files end in {known}")
        found.extend(_join_channels(inside) if channels > 1 else inside)
    _check_names(found)
    return found


def _search(path: Path, root: Path, volumes: bool) -> Iterator[Input]:
    """Yield what lies at or below a path."""
    if path.is_dir() and not _is_zarr(path):
        entries = sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=natural_key)
        slices = [entry for entry in entries if volumes and _is_slice(entry)]
        if slices:
            yield Input((path,), str(path.relative_to(root)) if path != root else path.name, True)
        for entry in entries:
            if entry not in slices and (entry.is_dir() or _is_readable(entry)):
                yield from _search(entry, root, volumes)
        return
    if not _is_readable(path):
        raise InputError(f"{path}: no reader takes this suffix; files end in {', '.join(suffixes())}")
    yield Input((path,), str(path.relative_to(root)), not _ends(path, IMAGE_SUFFIXES) or _has_pages(path))


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in _ZARR_FILES)


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


def _join_channels(found: list[Input]) -> list[Input]:
    """Join volumes such as CASE_0000.nii and CASE_0001.nii to one with two channels."""
    joined: dict[str, Input] = {}
    for each in found:
        stem, dot, ending = each.name.partition(".")
        case = _CHANNEL.fullmatch(stem) if each.is_volume else None
        name = f"{case[1]}{dot}{ending}" if case else each.name
        before = joined[name].paths if case and name in joined else ()
        joined[name] = Input((*before, *each.paths), name, each.is_volume)
    return list(joined.values())


def _check_names(found: Sequence[Input]) -> None:
    """Refuse two inputs whose outputs would have one name, also beside each other's suffix."""
    seen: dict[str, Input] = {}
    for each in found:
        key = output_name(each)
        if key in seen:
            raise InputError(f"{seen[key].paths[0]} and {each.paths[0]}: would both be written to {key}; rename one")
        seen[key] = each


def output_name(found: Input) -> str:
    """Return the name of the label file: that of the input, as PNG where it is a format that loses or has no labels.

    Of volumes it is that of the OME-Zarr store.
    """
    path = Path(found.name)
    if found.is_volume:
        stem = path.name
        for ending in sorted((*suffixes(), *IMAGE_SUFFIXES), key=len, reverse=True):
            if stem.lower().endswith(ending):
                stem = stem[: -len(ending)]
                break
        return str(path.with_name(f"{stem}.zarr"))
    return str(path if _ends(path, (*TIFF_SUFFIXES, ".png")) else path.with_suffix(".png"))
