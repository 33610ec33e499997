"""What a stack is made of, for the workflow to watch: the user's files, and the code that reads them."""

import hashlib
import os
from pathlib import Path

from scan2seg import plugins
from scan2seg.catalogue.thing import Dependencies
from scan2seg.config.images import ImageSource
from scan2seg.config.source import ScanSource, Source
from scan2seg.config.volumes import VolumeSource
from scan2seg.readers.dependencies import VOLUMES, volume_readers

MANY = 1000
"""Of more files than this the workflow gets a fingerprint: it asks the disk several times about every input."""


def stack_dependencies(source: Source) -> Dependencies:
    """Return the files of a source, beside volumes that the pipeline makes, and the modules that read them.

    Raises:
        InputError: a pattern matches nothing, or images and labels do not match.
    """
    kind = source.kind if isinstance(source, ImageSource | VolumeSource) else "scan"
    files = tuple(dict.fromkeys(_list_files(source)))
    made = [] if isinstance(source, ImageSource | VolumeSource) else ["volume.zarr"]
    readers = volume_readers([*files, *made])
    steps = source.denoising if isinstance(source, ImageSource | VolumeSource) else []
    modules = (
        f"scan2seg.sources.{kind}",
        *(plugins.module_name(VOLUMES, name) for name in readers),
        *(plugins.module_name("denoising", step["method"]) for step in steps),
    )
    if len(files) <= MANY:
        return Dependencies(files, modules)
    return Dependencies((), modules, fingerprint_files(files))


def fingerprint_files(files: tuple[str, ...]) -> str:
    """Return a hash of names, sizes and times of files; of folders, such as Zarr stores, of all that is in them."""
    digest = hashlib.sha256()
    for file in files:
        for path in sorted(_walk(Path(file))):
            state = path.stat()
            digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _list_files(source: Source) -> list[str]:
    if isinstance(source, ImageSource):
        from scan2seg.sources import images

        return images.input_files(source)
    if isinstance(source, VolumeSource):
        from scan2seg.sources import volume

        return volume.input_files(source)
    if not isinstance(source, ScanSource):
        return []
    scans = source.scans.values() if source.scans else [source]
    return [scan.labels for scan in scans if scan.labels]


def _walk(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
