"""What is in a file or store: scans, volumes, stacks, patches, predictions, checkpoints and JSON results."""

from pathlib import Path
from typing import Any

from scan2seg.errors import InputError, refuse_pipe


def inspect_path(path: Path) -> dict[str, Any]:
    """Describe a file or store without reading its data.

    Raises:
        InputError: there is nothing, or nothing that can be read.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    refuse_pipe(path)
    if path.suffix == ".pt":
        return _describe_checkpoint(path)
    if path.suffix == ".json":
        from scan2seg.storage import read_json

        return {"file": str(path), "kind": "JSON", "content": read_json(path)}
    if path.suffix == ".zarr" and not _is_raw_scan(path):
        return _describe_store(path)
    return _describe_scan_or_volume(path)


def word_description(found: dict[str, Any], indent: int = 0) -> str:
    """Word a description as indented lines."""
    lines: list[str] = []
    for key, value in found.items():
        pad = "  " * indent
        if isinstance(value, dict):
            lines.append(f"{pad}{key}:")
            lines.append(word_description(value, indent + 1))
        else:
            text = str(value)
            lines.append(f"{pad}{key}: {text if len(text) <= 400 else text[:397] + '...'}")
    return "\n".join(line for line in lines if line)


def _is_raw_scan(path: Path) -> bool:
    from scan2seg.storage import open_store

    try:
        return "provenance" not in open_store(path).attrs
    except InputError:
        return True


def _describe_store(path: Path) -> dict[str, Any]:
    import zarr

    from scan2seg.storage import open_store

    store = open_store(path)
    arrays = {
        name: f"{item.shape} {item.dtype}, shards {item.shards}, {item.nbytes_stored() / 1e6:.1f} MB stored"
        for name, item in store.members()
        if isinstance(item, zarr.Array)
    }
    attrs: dict[str, Any] = {}
    for key, value in store.attrs.items():
        if isinstance(value, list) and len(value) > 12:
            attrs[key] = f"{len(value)} values, {value[0]} ... {value[-1]}"
        else:
            attrs[key] = value
    return {"store": str(path), "arrays": arrays, "attributes": attrs}


def _describe_checkpoint(path: Path) -> dict[str, Any]:
    from scan2seg.checkpoint import load_checkpoint

    model, description = load_checkpoint(path)
    return {
        "checkpoint": str(path),
        "architecture": model.architecture.content(),
        "channels": model.channels,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **description,
    }


def _describe_scan_or_volume(path: Path) -> dict[str, Any]:
    from scan2seg.readers import describe, open_scan
    from scan2seg.readers.volumes import open_volume
    from scan2seg.reconstruction.opening import check_scan

    try:
        with open_scan(path) as scan:
            found: dict[str, Any] = {"scan": str(path), **describe(scan)}
        found["problems"] = check_scan(path) or "none"
        return found
    except InputError as scan_error:
        try:
            volume = open_volume(path)
        except InputError as volume_error:
            raise InputError(f"neither a scan ({scan_error}) nor a volume ({volume_error})") from None
        found = {"volume": str(path), "shape": volume.shape, "type": str(volume.dtype), "channels": volume.channels}
        return {**found, "voxel size (z, y, x) in micrometres": volume.spacing, "missing": volume.find_gaps() or "none"}
