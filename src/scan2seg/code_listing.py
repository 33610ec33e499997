"""The source files of a stage as one input of its jobs: a file that lists them with their hashes.

A stage depends on a hundred source files. As inputs of their own they would be most of what Snakemake has to look
after: a quarter of a million of 600 trainings. The listing is as old as the newest file in it and is written only when
a content changes, so Snakemake decides by it as it would by the files: by time first, then by content.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from scan2seg.imports import source_files
from scan2seg.replacement import replacing

FOLDER = Path(".snakemake/scan2seg_code")
"""Where listings lie, below the folder that Snakemake works in."""


def listing_path(stage: str, modules: Sequence[str]) -> str:
    """Return where the listing of a stage lies; modules are dotted names, of which some only settings name."""
    key = hashlib.sha256("\n".join(sorted(modules)).encode()).hexdigest()[:12]
    return str(FOLDER / f"{stage}-{key}.txt")


@cache
def write_listing(path: str, modules: tuple[str, ...]) -> None:
    """Write the listing of what the modules import, themselves included, unless it says the same already."""
    files = source_files(*modules)
    text = "".join(f"{_hash(file)} {file}\n" for file in files)
    listing = Path(path)
    if not listing.is_file() or listing.read_text("utf-8") != text:
        with replacing(listing) as partial:
            partial.write_text(text, "utf-8")
    newest = max(_time(file) for file in files)
    if listing.stat().st_mtime_ns != newest:
        os.utime(listing, ns=(newest, newest))


def read_listing(path: str) -> list[str]:
    """Return the source files that a listing names."""
    return [line.partition(" ")[2] for line in Path(path).read_text("utf-8").splitlines()]


def is_listing(path: str) -> bool:
    """Tell whether a path is one of a listing."""
    return Path(path).parent == FOLDER


def newest_file(path: str) -> str | None:
    """Return the newest source file of a listing, None where it cannot be read: what an edit has made old lists it."""
    try:
        return max(read_listing(path), key=_time)
    except (OSError, ValueError):
        return None


@cache
def _hash(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


@cache
def _time(file: str) -> int:
    return os.stat(file).st_mtime_ns
