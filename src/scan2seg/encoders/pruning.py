"""Drop layers of an encoder that its features do not need, such as the last stages of a shallow one.

They would count as parameters, and several GPUs would wait for gradients that never come.
"""

import torch
from torch import nn

from scan2seg.encoders.freezing import features_of


def prune_unused(encoder: nn.Module, channels: int) -> None:
    """Replace every part that is never called and has no influence on the features by ``Identity``, in place.

    Both are asked for, because some layers lend their parameters without being called.
    """
    training = encoder.training
    encoder.eval()
    called: set[nn.Module] = set()
    hooks = [part.register_forward_hook(lambda module, *_: called.add(module)) for part in encoder.modules()]
    features = features_of(encoder, torch.zeros(1, channels, 96, 96))
    for hook in hooks:
        hook.remove()
    parameters = list(encoder.parameters())
    total = torch.stack([feature.sum() for feature in features]).sum()
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    used = {id(value) for value, gradient in zip(parameters, gradients, strict=True) if gradient is not None}
    _prune(encoder, called, used)
    for value in encoder.parameters():
        # Called for nothing: some encoders compute a stage that they then drop.
        value.requires_grad_(id(value) in used)
    encoder.train(training)


def _prune(module: nn.Module, called: set[nn.Module], used: set[int]) -> None:
    for name, child in list(module.named_children()):
        parameters = list(child.parameters())
        if parameters and not any(id(value) in used for value in parameters) and called.isdisjoint(child.modules()):
            setattr(module, name, nn.Identity())
        else:
            _prune(child, called, used)
