"""The folder of all results: refused where an older version filled it."""

from pathlib import Path

from scan2seg.errors import InputError


def check_results(folder: Path | str) -> None:
    """Refuse a results folder of version 0.1, whose layout was by the names of datasets.

    Raises:
        InputError: it holds results of 0.1.
    """
    old = sorted(path.parent.name for path in Path(folder).glob("*/stack.zarr"))
    old += sorted(path.parents[2].name for path in Path(folder).glob("*/scans/*/*.zarr"))
    if old:
        raise InputError(
            f"{folder}: holds results of scan2seg 0.1 ({', '.join(dict.fromkeys(old))}), which this version does not "
            "read; move them away, or choose another folder with results:"
        )
