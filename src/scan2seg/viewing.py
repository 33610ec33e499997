"""What napari shows of results: image, labels and probabilities as layers, read when they are looked at."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.inference.segmentation_outputs import TABLE, facts_of
from scan2seg.probabilities import decode
from scan2seg.provenance import locate_inputs
from scan2seg.readers.volumes import open_volume, suffixes
from scan2seg.storage import open_store, read_json


@dataclass(frozen=True)
class Layer:
    """One layer of the viewer."""

    name: str
    kind: Literal["image", "labels"]
    levels: list[Any]
    """Dask arrays of the same extent, from the finest to the coarsest."""
    scale: list[float] = field(default_factory=list)
    """Lengths of a step along each axis; 1 where nothing is known."""


def view(path: Path) -> None:
    """Open napari with what a path holds, and wait until its window is closed.

    Raises:
        InputError: napari is not installed, or the path holds nothing to look at.
    """
    layers = list_layers(path)
    try:
        import napari
    except ImportError:
        raise InputError("napari is not installed; pip install 'napari[all]' into this environment") from None
    viewer = napari.Viewer(title=str(path))
    for layer in layers:
        add = viewer.add_labels if layer.kind == "labels" else viewer.add_image
        several = len(layer.levels) > 1
        data = layer.levels if several else layer.levels[0]
        add(data, name=layer.name, multiscale=several, **({"scale": layer.scale} if layer.scale else {}))
    napari.run()


def list_layers(path: Path) -> list[Layer]:
    """List the layers of a run, a segmentation, or a store.

    Args:
        path: the folder of a run (images, true and predicted labels, probabilities where they were kept), of a
            segmentation (volumes and their labels), what ``scan2seg segment`` wrote to, or a Zarr store of either, or
            of a volume.

    Raises:
        InputError: it is none of these.
    """
    if path.is_dir() and (path / "labels").is_dir():
        return _of_folder(path / "labels")
    if (path / TABLE).is_file():
        return _of_folder(path)
    found = [path / name for name in ("prediction.zarr", "labels.zarr") if (path / name).is_dir()]
    store = found[0] if found else path
    if store.suffix != ".zarr" or not store.is_dir():
        raise InputError(f"{path}: is no folder of a run or a segmentation and no Zarr store")
    group = open_store(store)
    if "index" in group:
        return _of_prediction(store, group)
    if "label" in group:
        return [*_of_input(store, group), _of_array(group, "label", "labels")]
    if "volume" in group:
        return [_of_array(group, "volume", "image")]
    raise InputError(f"{store}: holds neither a prediction, nor labels, nor a volume")


def _of_folder(labels: Path) -> list[Layer]:
    """Return the layers of all labels of volumes in a folder."""
    stores = sorted(labels.rglob("*.zarr"))
    if not stores:
        raise InputError(f"{labels}: holds no labels of volumes (*.zarr); open labels of images as images, beside them")
    return [layer for store in stores for layer in list_layers(store)]


def _of_prediction(store: Path, group: zarr.Group) -> list[Layer]:
    index = np.asarray(group["index"])
    stack = open_store(_made_from(store, group, "stack.zarr"))
    image, truth = (_lazy(stack[name])[index] for name in ("image", "label"))
    layers = [Layer(f"channel {place}", "image", [image[:, place]]) for place in range(image.shape[1])]
    layers += [Layer("true labels", "labels", [truth]), Layer("labels", "labels", [_lazy(group["label"])])]
    if "probability" in group:
        classes = list(group.attrs["classes"])  # type: ignore[arg-type]
        probability = _lazy(group["probability"]).map_blocks(decode, dtype=np.float32)
        layers += [Layer(f"probability of {name}", "image", [probability[:, k]]) for k, name in enumerate(classes)]
    return layers


def _of_input(store: Path, group: zarr.Group) -> list[Layer]:
    """Return the volume that labels are of; nothing where it is not found, or no volume that can be opened."""
    facts, key = facts_of(store), None
    if facts.is_file():
        told: Json = read_json(facts)
        source, key = Path(told.get("input", "")), told.get("provenance", {}).get("settings", {}).get("key")
    elif "provenance" in group.attrs:
        source = _made_from(store, group, "volume.zarr")
    else:
        return []
    name = key or "volume"
    if source.suffix == ".zarr" and source.is_dir() and name in (given := open_store(source)):
        return [_of_array(given, name, "image")]
    if not source.exists() or not source.name.lower().endswith(tuple(suffixes())):
        return []
    return [_of_file(source, key, _of_array(group, "label", "labels").scale)]


def _of_file(path: Path, key: str | None, scale: list[float]) -> Layer:
    """Return a volume of any form, at the scale of its labels."""
    import dask
    import dask.array as da

    volume = open_volume(path, key)
    shape = volume.shape[1:] if volume.channels == 1 else (*volume.shape[1:], volume.channels)
    planes = [
        da.from_delayed(dask.delayed(volume.plane)(0, index), shape, volume.dtype) for index in range(volume.shape[0])
    ]
    return Layer(path.name, "image", [da.stack(planes)], scale)


def _of_array(group: zarr.Group, name: str, kind: Literal["image", "labels"]) -> Layer:
    """Return an array with its coarser levels, as its OME-Zarr metadata say."""
    ome: Any = group.attrs.get("ome")
    if ome is None:
        return Layer(name, kind, [_lazy(group[name])])
    levels = ome["multiscales"][0]["datasets"]
    scale = levels[0]["coordinateTransformations"][0]["scale"]
    return Layer(name, kind, [_lazy(group[level["path"]]) for level in levels], scale)


def _made_from(store: Path, group: zarr.Group, name: str) -> Path:
    """Return the input of a store that has a name, by its provenance."""
    provenance: Any = group.attrs["provenance"]
    found = locate_inputs(store, provenance, name)
    if not found:
        raise InputError(f"{store}: does not say what it was made from; make it again")
    return found[0]


def _lazy(array: Any) -> Any:
    import dask.array as da

    return da.from_zarr(array)
