"""A trained model and its file: normalisation, network, and the plain data that rebuilds them.

The file is a dictionary of tensors and JSON values, saved by torch and loaded with ``weights_only=True``, so
that a model from elsewhere cannot run code.
"""

import io
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
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
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
        raise InputError(f"{path}: is not a readable checkpoint ({type(error).__name__}: {error})") from None
    return model.eval().to(device), content["description"]


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
    tensors = {name: value for name, value in content["state"].items() if value.is_floating_point()}
    if broken := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise InputError(
            f"{path}: {len(broken)} of {len(tensors)} tensors hold infinite values or none, such as {broken[0]}; "
            "its predictions would mean nothing: train the model anew"
        )


def _without_downloads(architecture: Json) -> Json:
    """Return the architecture without the file of its first weights: the checkpoint has the trained ones."""
    unused: Json = {key: "none" for key in ("pretrained", "freeze") if key in architecture}
    return {**architecture, **unused, **({"sha256": None} if "sha256" in architecture else {})}
