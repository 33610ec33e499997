"""The wrapper that gives every network the same promise: any height and width in, the same out, logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scan2seg.errors import InputError


def head_channels(output: str, classes: int) -> int:
    """Return how many channels the last layer has: one for a sigmoid, else one a class.

    Raises:
        InputError: a sigmoid is asked for with other than two classes.
    """
    if output == "sigmoid":
        if classes != 2:
            raise InputError(f"architecture: output: sigmoid needs two classes, there are {classes}; use softmax")
        return 1
    return classes


def mirror_pad(images: Tensor, size: Sequence[int]) -> Tensor:
    """Extend images (N, C, *spatial) at the far end of each spatial axis to ``size``, mirrored as often as needed.

    Unlike torch's reflection it takes any amount, also for axes of length 1.
    """
    for axis, (length, target) in enumerate(zip(images.shape[2:], size, strict=True), start=2):
        if target > length:
            period = max(2 * (length - 1), 1)
            index = torch.arange(target, device=images.device) % period
            images = images.index_select(axis, torch.where(index < length, index, period - index))
    return images


def least_size(network: nn.Module, channels: int, stride: int, dimensions: int = 2) -> int:
    """Return the least multiple of the stride, at most four, that the network takes as height and width.

    Volumes are one stride deep.

    Raises:
        InputError: it takes none of them: its parts do not fit each other.
    """
    training = network.training
    network.eval()
    try:
        for size in range(stride, 4 * stride + 1, stride):
            try:
                with torch.no_grad():
                    network(torch.zeros(1, channels, *[stride] * (dimensions - 2), size, size))
                return size
            except (RuntimeError, ValueError, AssertionError, IndexError) as error:
                reason = str(error).split("\n")[0]
        raise InputError(f"architecture: the encoder does not fit this architecture ({reason}); choose another")
    finally:
        network.train(training)


def accept_any_size(network: nn.Module, channels: int, stride: int, output: str, dimensions: int = 2) -> "AnySize":
    """Wrap a network for images, or volumes, of any size.

    Args:
        network: (N, C, *padded) -> logits.
        channels: C.
        stride: it takes multiples of.
        output: softmax, or sigmoid where it gives one logit for two classes.
        dimensions: 2 for images, 3 for volumes.

    Raises:
        InputError: it takes no such size: its parts do not fit each other.
    """
    minimum = least_size(network, channels, stride, dimensions)
    return AnySize(network, stride, minimum, sigmoid=output == "sigmoid", dimensions=dimensions)


class AnySize(nn.Module):
    """Pads mirrored to a multiple of the network's stride, resizes its output to the padded size, and crops.

    Args:
        network: (N, C, *padded) -> logits or a list of logits (N, k, *any).
        stride: the padded size is a multiple of it.
        minimum: the least padded height and width; default one stride, as for the depth.
        sigmoid: the network gives one logit z; it becomes (0, z).
        dimensions: 2 for images, 3 for volumes.
    """

    def __init__(
        self,
        network: nn.Module,
        stride: int,
        minimum: int | None = None,
        sigmoid: bool = False,
        dimensions: int = 2,
    ) -> None:
        """Wrap the network; its batch normalisation is made to take single values."""
        super().__init__()
        self.DIMENSIONS = dimensions
        self.network = network
        self.stride = stride
        self.minimum = stride if minimum is None else minimum
        self.sigmoid = sigmoid
        tolerate_single_values(network)

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Map images (N, C, *spatial) to logits (N, K, *spatial), or to a list of them in train mode."""
        size = images.shape[2:]
        least = [*[self.stride] * (len(size) - 2), self.minimum, self.minimum]
        strides = [-(-length // self.stride) * self.stride for length in size]
        padded = [max(pair) for pair in zip(least, strides, strict=True)]
        logits = self.network(mirror_pad(images, padded))
        if isinstance(logits, Tensor):
            return self._finish(logits, padded, size)
        return [self._finish(one, padded, size) for one in logits]

    def _finish(self, logits: Tensor, padded: Sequence[int], size: Sequence[int]) -> Tensor:
        if list(logits.shape[2:]) != list(padded):
            mode = "bilinear" if len(size) == 2 else "trilinear"
            logits = F.interpolate(logits, size=tuple(padded), mode=mode, align_corners=False)
        for axis, length in enumerate(size, start=2):
            logits = logits.narrow(axis, 0, length)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.sigmoid else logits


class _Tolerant(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation that uses its running statistics for a single value a channel instead of failing.

    Global pooling of a batch of one image gives one value a channel, whose variance does not exist.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...)."""
        if self.training and input.numel() == input.shape[1]:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0, self.eps)
        return super().forward(input)


class TolerantBatchNorm1d(_Tolerant, nn.BatchNorm1d):
    """Of dense layers, where the batch is one patch."""


class TolerantBatchNorm2d(_Tolerant, nn.BatchNorm2d):
    """Of images."""


def tolerate_single_values(network: nn.Module) -> None:
    """Turn every plain ``BatchNorm1d`` and ``BatchNorm2d`` of the network into a tolerant one, in place."""
    kinds: dict[type[nn.Module], type[_Tolerant]] = {
        nn.BatchNorm1d: TolerantBatchNorm1d,
        nn.BatchNorm2d: TolerantBatchNorm2d,
    }
    for module in network.modules():
        module.__class__ = kinds.get(type(module), type(module))
