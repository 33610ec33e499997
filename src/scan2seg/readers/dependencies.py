"""Which files a scan or volume is read from, and which readers read them, without reading more than headers."""

from collections.abc import Iterable
from pathlib import Path

from scan2seg import plugins
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError

SCANS, VOLUMES = "readers.scans", "readers.volumes"


def scan_files(source: RawScan, settings: ReconstructionSettings) -> tuple[str, ...]:
    """List the raw files of a scan, and the file of angles that the settings of its reconstruction name.

    Raises:
        InputError: a pattern matches nothing.
    """
    from scan2seg.sources import find_files

    listed = ((key, pattern) for key, patterns in source.patterns().items() for pattern in patterns)
    found = [str(path) for key, pattern in listed for path in find_files(pattern, key)]
    return (*found, *([settings.angles] if isinstance(settings.angles, str) else []))


def scan_readers(source: RawScan) -> tuple[str, ...]:
    """Return the names of the readers that are asked when a scan is opened: one alone, or all.

    It is one where it is given, or recognises the projections; all where flats or darks are files of their own, for
    those of other formats are asked too, and where the projections are not there yet.
    """
    everything = plugins.names(SCANS)
    if source.flats or source.darks:
        return everything
    one = "hdf5" if source.paths else source.reader or find_reader(source)
    return (one,) if one else everything


def find_reader(source: RawScan) -> str | None:
    """Return the name of the reader that recognises the projections of a scan; None where none does."""
    from scan2seg.sources import find_files

    try:
        path = find_files(source.projections, "projections")[0]
        return next(name for name in plugins.names(SCANS) if plugins.load(SCANS, name).recognises(path))
    except (InputError, StopIteration):
        return None


def volume_readers(files: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the readers that take the suffixes of files; none takes an image's."""
    endings = {Path(file).name.lower() for file in files}
    return tuple(
        name
        for name in plugins.names(VOLUMES)
        if any(ending.endswith(plugins.constant(VOLUMES, name, "SUFFIXES")) for ending in endings)
    )


def companions(kind: str, readers: Iterable[str], files: Iterable[str]) -> list[str]:
    """List the other files that hold parts of files, as the data beside a header, which readers with a function
    ``companions`` tell."""
    modules = [plugins.load(kind, name) for name in readers]
    found = (module.companions(Path(file)) for module in modules if hasattr(module, "companions") for file in files)
    return list(dict.fromkeys(str(path) for paths in found for path in paths))
