"""What a stack is made of, for the workflow to watch: the user's files, and the code that reads them."""

from scan2seg import plugins
from scan2seg.catalogue.files import watch
from scan2seg.catalogue.thing import Dependencies
from scan2seg.config.images import ImageSource
from scan2seg.config.source import ScanSource, Source
from scan2seg.config.volumes import VolumeSource
from scan2seg.readers.dependencies import VOLUMES, companions, volume_readers


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
        *(step.module_name for step in steps),
    )
    return watch([*files, *companions(VOLUMES, readers, files)], modules)


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
