"""The files that a stack is made of, for the workflow to watch."""

from pathlib import Path

from scan2seg.config.images import ImageSource
from scan2seg.config.volumes import VolumeSource
from scan2seg.sources import images, volume

MANY = 4000


def stack_inputs(source: ImageSource | VolumeSource) -> list[str]:
    """List the files; of more than 4000 their folders, for the workflow looks at every one in every run.

    Raises:
        InputError: a pattern matches nothing, or images and labels do not match.
    """
    files = images.input_files(source) if isinstance(source, ImageSource) else volume.input_files(source)
    return files if len(files) <= MANY else sorted({str(Path(file).parent) for file in files})
