"""A trained model and its file: normalisation, network, and the plain data that rebuilds them.

The file is a dictionary of tensors and JSON values, saved by torch and loaded with ``weights_only=True``, so
that a model from elsewhere cannot run code.
"""

import errno
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scan2seg.architectures.any_size import AnySize
from scan2seg.config.base import Chosen, Plugin
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.normalisation import Normalisation
from scan2seg.replacement import replacing

FORMAT = 2
"""Of the file; 1 held the normalisation of each tile by itself."""


class SegmentationModel(nn.Module):
    """Images in their own grey values (N, C, *spatial) to logits (N, K, *spatial).

    With ``normalisation: per_image`` they come standardised, see ``normalisation.standardise``.
    """

    def __init__(self, architecture: Chosen, normalisation: Normalisation, channels: int, classes: int) -> None:
        """Build the network that the architecture's plugin describes, behind the normalisation."""
        super().__init__()
        self.architecture = architecture
        self.channels = channels
        self.classes = classes
        self.normalisation = normalisation
        inputs = normalisation.output_channels or channels
        self.network: nn.Module = architecture.module.build(architecture.parameters, inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits; in train mode a network may return a list of them."""
        logits: Tensor = self.network(self.normalisation(images))
        return logits

    @property
    def dimensions(self) -> int:
        """2, or 3 for networks on volumes."""
        return int(getattr(self.network, "DIMENSIONS", 2))

    @property
    def stride(self) -> int:
        """The network computes multiples of so many pixels, and pads images to them."""
        return self.network.stride if isinstance(self.network, AnySize) else 1

    @property
    def memory_format(self) -> torch.memory_format:
        """The order in memory that convolutions are fastest in."""
        return torch.channels_last_3d if self.dimensions == 3 else torch.channels_last


def save_checkpoint(path: Path, model: SegmentationModel, description: Json) -> None:
    """Write the model; ``description`` (JSON values) travels with it: classes, patching, inference, provenance."""
    content = {
        "format": FORMAT,
        "architecture": model.architecture.content(),
        "channels": model.channels,
        "class_count": model.classes,
        "normalisation": {
            "channels": model.normalisation.channels,
            "per_image": model.normalisation.per_image,
            "output_channels": model.normalisation.output_channels,
        },
        "state": {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()},
        "description": description,
    }
    with replacing(path) as partial:
        partial.write_bytes(serialise(content))


def serialise(content: Json) -> memoryview:
    """Return the bytes that ``torch.load`` reads: torch's own writer to disk gives no reason when the disk is full."""
    written = io.BytesIO()
    torch.save(content, written)
    return written.getbuffer()


def load_checkpoint(path: Path, device: str = "cpu") -> tuple[SegmentationModel, Json]:
    """Rebuild the model in eval mode on a device; return it with its description.

    Raises:
        InputError: the file is missing, truncated, not ours, of another format, does not fit its own architecture, or
            holds weights that are infinite or not a number.
    """
    content = _read(path)
    try:
        _check_content(path, content)
        normalisation = Normalisation(
            content["normalisation"]["channels"],
            per_image=content["normalisation"]["per_image"],
            output_channels=content["normalisation"]["output_channels"],
        )
        architecture = Plugin("architectures").resolve(_without_downloads(content["architecture"]))
        model = SegmentationModel(architecture, normalisation, content["channels"], content["class_count"])
        model.load_state_dict(content["state"])
    except InputError:
        raise
    except Exception as error:
        raise InputError(_cannot_read(path, error)) from None
    return model.eval().to(device), content["description"]


def _read(path: Path) -> Any:
    """Load what a file holds; torch's own words are for programmers, and advise to run whatever code is in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except Exception as error:
        if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
            reason = "it holds other things than tensors, which could run code, and is not loaded"
            raise InputError(
                f"{path}: is not a readable checkpoint: {reason}; give a checkpoint.pt of scan2seg"
            ) from None
        cut = isinstance(error, EOFError) or (isinstance(error, OSError) and error.errno == errno.EINVAL)
        if cut or "PytorchStreamReader" in str(error):
            reason = "it is empty, cut short or damaged; copy it again or train the model anew"
            raise InputError(f"{path}: is not a readable checkpoint: {reason}") from None
        raise InputError(_cannot_read(path, error)) from None


def _cannot_read(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300]
    return f"{path}: is not a readable checkpoint ({type(error).__name__}: {reason})"


def _check_content(path: Path, content: Any) -> None:
    """Refuse what is no checkpoint of this format, before anything is built from it."""
    if not isinstance(content, dict) or "format" not in content:
        raise InputError(f"{path}: is not a checkpoint of scan2seg: it does not say its format; give a checkpoint.pt")
    if content["format"] != FORMAT:
        raise InputError(
            f"{path}: has the format {content['format']}, this version reads {FORMAT}; train the model anew"
        )
    expected = {"architecture", "channels", "class_count", "normalisation", "state", "description"}
    if missing := sorted(expected - set(content)):
        raise InputError(f"{path}: lacks {', '.join(missing)}; the file is damaged: train the model anew")
    if damage := _find_damage(content["description"], content["class_count"]):
        raise InputError(f"{path}: its description {damage}; the file is damaged: train the model anew")
    tensors = {name: value for name, value in content["state"].items() if value.is_floating_point()}
    if broken := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise InputError(
            f"{path}: {len(broken)} of {len(tensors)} tensors hold infinite values or none, such as {broken[0]}; "
            "its predictions would mean nothing: train the model anew"
        )


def _find_damage(description: Any, class_count: int) -> str | None:
    """Say what of a description nobody could apply the model with; None where all is there that every user reads."""
    needed = ("classes", "patch_size", "neighbours")
    if not isinstance(description, dict):
        return "holds no keys"
    if missing := [key for key in needed if key not in description]:
        return f"lacks {', '.join(missing)}"
    classes, size, neighbours = (description[key] for key in needed)
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return f"has classes = {classes!r}, not a list of names"
    if len(classes) != class_count:
        return f"names {len(classes)} classes, the network has {class_count}"
    if not isinstance(size, list) or len(size) not in (2, 3) or not all(_is_count(length, 1) for length in size):
        return f"has patch_size = {size!r}, not two or three whole numbers above 0"
    if not _is_count(neighbours, 0):
        return f"has neighbours = {neighbours!r}, not a whole number from 0"
    return None


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _without_downloads(architecture: Json) -> Json:
    """Return the architecture without the file of its first weights: the checkpoint has the trained ones."""
    unused: Json = {key: "none" for key in ("pretrained", "freeze") if key in architecture}
    return {**architecture, **unused, **({"sha256": None} if "sha256" in architecture else {})}
