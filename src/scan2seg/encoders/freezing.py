"""Leave parts of an encoder as they are in training."""

import torch
from torch import Tensor, nn

from scan2seg.errors import InputError

_NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def freeze_parts(encoder: nn.Module, channels: int, what: str | list[str | int]) -> None:
    """Mark parameters of an encoder as not to be trained, in place.

    Args:
        encoder: images (N, C, H, W) -> features, the image or the finest first.
        channels: of the images.
        what: ``none``, ``encoder`` (all), or stage numbers and beginnings of parameter names.

    Raises:
        InputError: a stage or a name does not exist.
    """
    if what == "none":
        return
    if isinstance(what, str) and what != "encoder":
        raise InputError(f"architecture: freeze: '{what}' is unknown; write none, encoder, or a list")
    parameters = dict(encoder.named_parameters())
    if what == "encoder":
        frozen = set(parameters)
    else:
        frozen = set()
        stages = _stages(encoder, channels) if any(isinstance(part, int) for part in what) else {}
        for part in what:
            found = {name for name in parameters if _matches(name, part, stages)}
            if not found:
                known = sorted({name.split(".")[0] for name in parameters})
                raise InputError(
                    f"architecture: freeze: no parameter of the encoder belongs to '{part}'; stages are numbers "
                    f"{sorted(set(stages.values())) or 'from 1'}, names begin with one of {', '.join(known)[:300]}"
                )
            frozen |= found
    for name in frozen:
        parameters[name].requires_grad_(False)


def _matches(name: str, part: str | int, stages: dict[str, int]) -> bool:
    return stages.get(name) == part if isinstance(part, int) else name.startswith(part)


def features_of(encoder: nn.Module, images: Tensor) -> list[Tensor]:
    """Return the features, the image or the finest first; transformers give theirs beside other tokens."""
    found = encoder(images)
    return [images, *found[0]] if isinstance(found, tuple) else list(found)


def _stages(encoder: nn.Module, channels: int) -> dict[str, int]:
    """Return the stage of every parameter: the number of the first feature that depends on it."""
    training = encoder.training
    encoder.eval()
    features: list[Tensor] = features_of(encoder, torch.zeros(1, channels, 96, 96))
    names, parameters = zip(*encoder.named_parameters(), strict=True)
    stages: dict[str, int] = {}
    for number, feature in enumerate(features):
        if not feature.requires_grad or feature.numel() == 0:
            continue
        gradients = torch.autograd.grad(feature.sum(), parameters, retain_graph=True, allow_unused=True)
        for name, gradient in zip(names, gradients, strict=True):
            if gradient is not None:
                stages.setdefault(name, max(number, 1))
    encoder.train(training)
    return stages


def hold_statistics(module: nn.Module) -> None:
    """Put every normalisation layer whose parameters are frozen into evaluation mode, in place.

    A fully frozen module goes into evaluation mode as a whole, its dropout included.
    """
    for part in module.modules():
        own = list(part.parameters())
        frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
        if frozen and (part is module or isinstance(part, _NORMALISATIONS)):
            part.eval()
