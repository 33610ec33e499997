"""What a model costs and sees: parameters, operations, output stride, receptive field, output levels."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

_SHARE = 0.95
_WIDENING = 64


def describe_model(module: nn.Module, channels: int, size: tuple[int, ...] | int) -> dict[str, Any]:
    """Describe a model of ``architectures``; it comes back in the mode it had, on the device it is on.

    Args:
        module: the model.
        channels: of its images.
        size: height and width (or depth, height and width) of the image to count for, or one number for all.

    Returns:
        JSON-ready: ``size``; ``dimensions``; ``parameters``, and of these ``trainable_parameters`` and
        ``frozen_parameters``; ``output_stride``; ``flops`` of one image, a multiplication and an addition counted as
        two, of convolutions and matrix products; ``receptive_field``: the side in pixels of the box of input that
        can change the centre's logits, and ``effective_receptive_field`` of the smallest centred box with 95 % of the
        gradient, both at most ``size``; ``output_levels`` in training.
        A model that is fitted has its state counted as parameters, and null for the rest.
    """
    dimensions = int(getattr(module, "DIMENSIONS", 2))
    sides = (size,) * dimensions if isinstance(size, int) else tuple(size)
    values = list(module.parameters())
    description: dict[str, Any] = {
        "size": list(sides),
        "dimensions": dimensions,
        "parameters": sum(value.numel() for value in values),
        "trainable_parameters": sum(value.numel() for value in values if value.requires_grad),
        "frozen_parameters": sum(value.numel() for value in values if not value.requires_grad),
        "output_stride": None,
        "flops": None,
        "receptive_field": None,
        "effective_receptive_field": None,
        "output_levels": 1,
    }
    if hasattr(module, "fit"):
        description["parameters"] = sum(value.numel() for value in module.buffers())
        return description
    training = module.training
    device = values[0].device if values else torch.device("cpu")
    images = torch.randn(1, channels, *sides, generator=torch.Generator().manual_seed(0)).to(device)
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(images)
    description["flops"] = int(counter.get_total_flops())
    description["output_stride"] = output_stride(module, images)
    full, effective = receptive_field(module, images)
    description |= {"receptive_field": full, "effective_receptive_field": effective}
    with torch.no_grad():
        # A copy, for a pass in train mode moves the normalisation's statistics.
        outputs = copy.deepcopy(module).train()(images)
    description["output_levels"] = len(outputs) if isinstance(outputs, list) else 1
    module.train(training)
    return description


def output_stride(module: nn.Module, images: Tensor) -> int | None:
    """Return by how much the encoder's deepest features are smaller than its input, to the nearest power of two.

    It is by how many pixels the input must grow for one more, since encoders without padding lose some at the edge.
    Of a network without a part of the name ``encoder`` it is the smallest output of a convolution that counts. Features
    that are enlarged afterwards, for an encoder cannot be dilated, count as the encoder gives them. None: there are no
    such features.
    """
    named = [part for name, part in module.named_modules() if name.split(".")[-1] == "encoder"]
    seen: list[tuple[Tensor, Tensor]] = []

    def look(_: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor | list[Tensor]) -> None:
        seen.append((inputs[0], outputs if isinstance(outputs, Tensor) else outputs[-1]))

    # what brings features to their promised size stands around the library's encoder, its ``model``
    encoder: nn.Module | None = getattr(named[0], "model", named[0]) if named else None
    watched = [encoder] if encoder else [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Conv3d)]
    hooks = [part.register_forward_hook(look) for part in watched]
    with torch.no_grad():
        module(images)
        for hook in hooks:
            hook.remove()
        if encoder and seen:
            inputs, features = seen[0]
            wider = encoder(nn.functional.pad(inputs[:1], (0, _WIDENING)))[-1]
            ratios = [_WIDENING / max(wider.shape[-1] - features.shape[-1], 1)]
        else:
            ratios = [images.shape[-1] / output.shape[-1] for _, output in seen]
    return int(2 ** round(math.log2(max(ratios)))) if ratios else None


def receptive_field(module: nn.Module, images: Tensor) -> tuple[list[int], list[int]]:
    """Return the sides of the box that can change the centre's logits, and of the centred one with 95 % of it.

    Measured by the gradient's absolute value, so that a layer which happens to be silent narrows it a little.
    """
    images = images.clone().requires_grad_()
    logits: Tensor = module(images)
    centre = tuple(side // 2 for side in images.shape[2:])
    at_centre = logits[0]
    for middle in centre:
        at_centre = at_centre.select(1, middle)
    weights = torch.arange(1, len(at_centre) + 1, device=images.device, dtype=logits.dtype)
    (gradient,) = torch.autograd.grad((at_centre * weights).sum(), images)
    strength = gradient[0].abs().sum(0).double()
    full, effective = [], []
    for axis, (middle, side) in enumerate(zip(centre, strength.shape, strict=True)):
        profile = strength.sum([other for other in range(strength.ndim) if other != axis])
        touched = torch.nonzero(profile).squeeze(1)
        full.append(int(touched[-1] - touched[0] + 1) if len(touched) else 0)
        reach = (torch.arange(side, device=profile.device) - middle).abs()
        share = torch.stack([profile[reach <= radius].sum() for radius in range(side)]) / profile.sum().clamp_min(1e-30)
        radius = int((share < _SHARE).sum())
        effective.append(min(2 * radius + 1, side) if len(touched) else 0)
    return full, effective
