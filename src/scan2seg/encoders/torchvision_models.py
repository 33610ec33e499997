"""Encoders of torchvision that the other libraries lack: GoogLeNet and SqueezeNet, named ``tv-...``."""

from itertools import pairwise

import torchvision
from torch import Tensor, nn

NAMES = ("tv-googlenet", "tv-squeezenet1_0", "tv-squeezenet1_1")


class TorchvisionEncoder(nn.Module):
    """Stages of a torchvision classifier; the features are those of the library's own encoders: the image first.

    Args:
        name: one of ``NAMES``.
        channels: of the images.
        depth: how many halvings, 1 to 5.
    """

    def __init__(self, name: str, channels: int, depth: int) -> None:
        """Build the encoder with random weights."""
        super().__init__()
        make = _googlenet if name == "tv-googlenet" else _squeezenet
        stages, widths = make(name.removeprefix("tv-"))
        self.out_channels = [channels, *widths[:depth]]
        self.stages = nn.ModuleList(stages[:depth])
        self.output_stride = 2**depth
        first = next(module for module in self.modules() if isinstance(module, nn.Conv2d))
        if first.in_channels != channels:
            first.in_channels = channels
            first.weight = nn.Parameter(first.weight.new_empty(first.out_channels, channels, *first.kernel_size))
            first.reset_parameters()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the image and the features, finest first."""
        features = [images]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


def _googlenet(name: str) -> tuple[list[nn.Module], list[int]]:
    model = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=True)
    groups = [
        ["conv1"],
        ["maxpool1", "conv2", "conv3"],
        ["maxpool2", "inception3a", "inception3b"],
        ["maxpool3", *(f"inception4{letter}" for letter in "abcde")],
        ["maxpool4", "inception5a", "inception5b"],
    ]
    stages: list[nn.Module] = [nn.Sequential(*(getattr(model, part) for part in group)) for group in groups]
    return stages, [64, 192, 480, 832, 1024]


def _squeezenet(name: str) -> tuple[list[nn.Module], list[int]]:
    layers = list(getattr(torchvision.models, name)(weights=None).features)
    # The library pads nothing here, and the features would not lie where the image's pixels lie.
    layers[0].padding = tuple(size // 2 for size in layers[0].kernel_size)
    pools = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    bounds = [0, *pools, len(layers)]
    stages: list[nn.Module] = [nn.Sequential(*layers[start:end]) for start, end in pairwise(bounds)]
    widths = [layers[0].out_channels]
    for end in bounds[2:]:
        fire = layers[end - 1]
        widths.append(fire.expand1x1.out_channels + fire.expand3x3.out_channels)
    # It halves four times only; a further pooling stands for the fifth.
    return [*stages, nn.MaxPool2d(2)], [*widths, widths[-1]]


def source_names(name: str, keys: list[str]) -> dict[str, str]:
    """Map torchvision's parameter names to this module's, for loading its files.

    Args:
        name: one of ``NAMES``.
        keys: names of the parameters and buffers of a ``TorchvisionEncoder``, in its order.
    """
    if name == "tv-googlenet":
        model = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False)
    else:
        model = getattr(torchvision.models, name.removeprefix("tv-"))(weights=None)
    heads = ("fc.", "classifier.")
    originals = [key for key in model.state_dict() if not key.startswith(heads)]
    return dict(zip(originals, keys, strict=False))
