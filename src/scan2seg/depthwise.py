"""Depthwise convolutions, whose gradients take processors several times as long in bfloat16 as in float32."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)


def fast_gradients(device: str) -> AbstractContextManager[Any]:
    """Return the context in which mixed precision computes gradients of depthwise convolutions in float32.

    Only those on processors, of any network: outputs stay as they are, and gradients are more exact. oneDNN has no fast
    code for bfloat16 there where a kernel is larger than 3 or its stride is not 1: benchmarks/depthwise.py.
    """
    return _InFloat32() if device == "cpu" else nullcontext()


class _InFloat32(TorchFunctionMode):
    """Looks at each call of torch's, and computes depthwise convolutions itself."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        convolution = func in _CONVOLUTIONS and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        own = _convolve(func, *args, **kwargs) if convolution else None
        return func(*args, **kwargs) if own is None else own


def _convolve(
    function: Callable[..., Tensor],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """Return the convolution, or None where it is not depthwise; the arguments are torch's."""
    if groups == 1 or weight.shape[1] != 1 or isinstance(padding, str) or input.device.type != "cpu":
        return None
    half = torch.get_autocast_dtype("cpu")
    parts = [None if part is None else part.to(half) for part in (input, weight, bias)]
    axes = weight.ndim - 2
    numbers = [[value] * axes if isinstance(value, int) else list(value) for value in (stride, padding, dilation)]
    result: Tensor = _Depthwise.apply(function, *parts, *numbers, groups)
    return result


class _Depthwise(torch.autograd.Function):
    """A convolution in half precision whose gradients are computed in float32."""

    @staticmethod
    def forward(
        context: Any, function: Callable[..., Tensor], image: Tensor, weight: Tensor, bias: Tensor | None, *form: Any
    ) -> Tensor:
        """Convolve, and keep what the gradients need."""
        context.save_for_backward(image, weight)
        context.form, context.bias = form, bias is not None
        return function(image, weight, bias, *form)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Return the gradients of image, weight and bias, in the precision of those."""
        image, weight = context.saved_tensors
        stride, padding, dilation, groups = context.form
        found = torch.ops.aten.convolution_backward(
            gradient.float(), image.float(), weight.float(), [len(weight)] if context.bias else None,
            stride, padding, dilation, False, [0] * len(stride), groups, list(context.needs_input_grad[1:4]),
        )  # fmt: skip
        return (None, *(None if part is None else part.to(image.dtype) for part in found), None, None, None, None)
