"""Inception-v3 dilated instead of halved, which its library does not offer, as PSPNet needs it (Zhao et al. 2017)."""

import importlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Undecimated:
    """Mixed into a block that halves the size: its pooling has step 1, as its convolutions do."""

    def forward(self: Any, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to features of the same size, less what lies within the kernels' reach of the edge."""
        *branches, _ = self._forward(images)
        return torch.cat([*branches, F.max_pool2d(images, 3, 1, dilation=self.dilation)], 1)


def is_inception_v3(name: str) -> bool:
    """Tell whether an encoder, with or without the tag of its weights, is timm's Inception-v3."""
    return name.split(".")[0] == "tu-inception_v3"


def dilate_inception_v3(stages: nn.Module, output_stride: int) -> None:
    """Dilate the blocks beyond a stride of 8 or 16, in place; names and shapes of the weights stay as they are.

    The average pooling within a block keeps its 3 x 3 neighbours at every dilation.

    Args:
        stages: timm's network, whose children are its blocks in order.
        output_stride: 8 or 16, the greatest division of the size.
    """
    timm: Any = importlib.import_module("timm.models.inception_v3")
    stride, dilation = 8, 1
    for name, block in stages.named_children():
        if not name.startswith("Mixed_"):
            continue
        halves = isinstance(block, timm.InceptionB | timm.InceptionD)
        stops = halves and stride >= output_stride
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d):
                layer.dilation = (dilation, dilation)
                layer.padding = tuple(int(length) * dilation for length in layer.padding)
                layer.stride = (1, 1) if stops else layer.stride
        if stops:
            kind = type(block)
            block.dilation = dilation  # type: ignore[assignment]
            block.__class__ = type(f"Undecimated{kind.__name__}", (_Undecimated, kind), {})
            dilation *= 2
        elif halves:
            stride *= 2
