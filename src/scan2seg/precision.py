"""Whether this machine computes a network in half precision as it does in float32, but for rounding.

Libraries have had kernels that return memory that they never wrote, for some shapes and memory formats on some
processors. So a precision that nobody asked for by name has to prove itself on the very network and batch.

Each convolution and each linear layer is compared by itself, with the input and the output gradient that it has in
float32, rounded to half precision. Products of such numbers are exact in float32, so what is left are the rounding
of the result and the order of its sums, whatever the depth of the network; a whole network can multiply rounding
until its gradients differ by more than their size, while nothing is wrong.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from scan2seg.device import autocast
from scan2seg.logging import warn

ROUNDINGS = 4
"""A layer's result may differ, in norm, by so many times the precision's step at 1 (bfloat16: 2^-7)."""
WHOLE = 0.1
"""The loss, or the probabilities of all pixels, may differ by this share, after the roundings of all layers."""
WHOLE_FLOAT32 = 0.01
"""The probabilities of another library in float32 may differ by this share: it adds in another order."""
REPEATS = 2
"""Runs of each layer: memory that was never written may hold the right numbers by chance."""


@dataclass(frozen=True)
class PrecisionCheck:
    """What a comparison of half precision with float32 found."""

    compared: str
    """The precision."""
    agrees: bool
    """Whether rounding explains all differences."""
    layer: str
    """Where the relative error is greatest; ``result`` for the loss or probabilities."""
    error: float | None
    """Its size in norm; None where it is not finite."""
    tolerance: float
    """What that layer's error may be."""
    layers: int
    """How many were compared."""


@dataclass(frozen=True)
class Decision:
    """The precision that is computed in, and what trust in it is built on."""

    precision: str
    """float32, bfloat16 or float16."""
    precision_check: PrecisionCheck | None = None
    """None where it is float32 from the start."""
    runtime: str = "torch"
    """What computes: torch or openvino."""

    @property
    def is_open(self) -> bool:
        """Whether trust in it has yet to be built."""
        return self.precision_check is None and (self.precision, self.runtime) != ("float32", "torch")

    def describe(self) -> dict[str, Any]:
        """Return both as JSON values, under these names."""
        return asdict(self)

    @classmethod
    def recall(cls, described: dict[str, Any]) -> "Decision":
        """Return what ``describe`` described."""
        check = described["precision_check"]
        return cls(described["precision"], None if check is None else PrecisionCheck(**check), described["runtime"])


FLOAT32 = Decision("float32")
"""What needs no trust."""


def compare_precision(
    network: nn.Module, measure: Callable[[str], Tensor], device: str, precision: str
) -> PrecisionCheck:
    """Compare a network's results on one batch, and its gradients if it is trained, with those in float32.

    The network is left as it was, random numbers too; dropout is off meanwhile.

    Args:
        network: on the device, in its memory format, in train or eval mode.
        measure: runs the network on the batch in the precision of the given name, by ``device.autocast``; returns the
            loss, or probabilities that need no gradient.
        device: cpu or cuda.
        precision: bfloat16 or float16.
    """
    watch = _Watch(network, device, precision)
    with _unchanged(network), watch.attached():
        exact = measure("float32")
        if exact.requires_grad:
            exact.backward()  # type: ignore[no-untyped-call]
    with _unchanged(network):
        found = measure(precision)
        if found.requires_grad:
            found.backward()  # type: ignore[no-untyped-call]
            if torch.isfinite(exact):
                watch.errors |= dict.fromkeys(_list_broken(network), math.inf)
    step = ROUNDINGS * torch.finfo(getattr(torch, precision)).eps
    shares = {name: error / step for name, error in watch.errors.items()}
    # a loss near zero has no relative error worth the name
    watch.errors["result"] = _relative_error(found.detach(), exact.detach(), least=1.0 if exact.ndim == 0 else 1e-6)
    shares["result"] = watch.errors["result"] / WHOLE
    worst = max(shares, key=lambda name: shares[name])
    error = watch.errors[worst]
    return PrecisionCheck(
        compared=precision,
        agrees=shares[worst] <= 1,
        layer=worst,
        error=error if math.isfinite(error) else None,
        tolerance=WHOLE if worst == "result" else step,
        layers=len(watch.errors) - 1,
    )


def compare_runtime(exact: Tensor, found: Tensor, precision: str) -> PrecisionCheck:
    """Compare the probabilities that another library than torch computes with those of torch in float32."""
    error = _relative_error(found, exact)
    tolerance = WHOLE_FLOAT32 if precision == "float32" else WHOLE
    size = error if math.isfinite(error) else None
    return PrecisionCheck(precision, error <= tolerance, "result", size, tolerance, layers=0)


def heed_comparison(check: PrecisionCheck, wanted: str, key: str) -> Decision:
    """Return the precision to go on in after ``compare_precision``, and say so where something is wrong.

    ``auto`` goes on in float32; a precision that the key asks for by name stays, with a warning.
    """
    precision = check.compared
    if check.agrees:
        return Decision(precision, check)
    size = "is not finite" if check.error is None else f"has a relative error of {check.error:.2g}"
    place = "the result" if check.layer == "result" else f"layer {check.layer}"
    words = f"{precision} is wrong on this machine for this network: {place} {size}, rounding explains up to "
    words += f"{check.tolerance:.2g}"
    if wanted == "auto":
        warn("%s; going on in float32", words)
        return Decision("float32", check)
    warn("%s; going on with it, for %s asks for it by name: set it to auto or float32", words, key)
    return Decision(precision, check)


class _Watch:
    """Compares every layer that half precision changes, at the moment when its input or output gradient is known."""

    def __init__(self, network: nn.Module, device: str, precision: str) -> None:
        self.layers = {name: part for name, part in network.named_modules() if isinstance(part, (_ConvNd, nn.Linear))}
        self.device, self.precision = device, precision
        self.errors: dict[str, float] = {}
        self.busy = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name, layer in self.layers.items():
                handle = layer.register_forward_hook(self._make_hook(name))
                stack.callback(handle.remove)
            yield

    def _make_hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def heed(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if self.busy:
                return
            if output.requires_grad:
                output.register_hook(lambda gradient: self._compare(name, layer, inputs[0], gradient))  # type: ignore[no-untyped-call]
            else:
                self._compare(name, layer, inputs[0], None)

        return heed

    def _compare(self, name: str, layer: nn.Module, pixels: Tensor, gradient: Tensor | None) -> None:
        half = getattr(torch, self.precision)
        if gradient is not None:
            # results are linear in it, and float16 has no room for small ones
            gradient = (gradient / gradient.abs().max().clamp_min(1e-30)).to(half)
        rounded = pixels.detach().to(half).requires_grad_(pixels.requires_grad)
        self.busy = True
        try:
            exact = self._run(layer, rounded, gradient, "float32")
            for _ in range(REPEATS):
                found = self._run(layer, rounded, gradient, self.precision)
                error = max(_relative_error(one, two) for one, two in zip(found, exact, strict=True))
                self.errors[name] = max(self.errors.get(name, 0.0), error)
        finally:
            self.busy = False

    def _run(self, layer: nn.Module, pixels: Tensor, gradient: Tensor | None, precision: str) -> list[Tensor]:
        """Return the layer's output and the gradients of its input and parameters that training computes."""
        half = getattr(torch, self.precision)
        needed = pixels.requires_grad
        pixels = pixels.detach().to(getattr(torch, precision)).requires_grad_(needed)
        parameters = {
            name: value.detach().to(half).float().requires_grad_(value.requires_grad)
            for name, value in layer.named_parameters()
        }
        with torch.enable_grad(), autocast(self.device, precision):
            output: Tensor = torch.func.functional_call(layer, parameters, (pixels,))
        wanted = [value for value in (pixels, *parameters.values()) if value.requires_grad]
        if gradient is None or not wanted:
            return [output.detach()]
        return [output.detach(), *torch.autograd.grad(output, wanted, gradient.to(output.dtype))]


def _list_broken(network: nn.Module) -> list[str]:
    """List the layers with a gradient that is not finite."""
    gradients = {name: value.grad for name, value in network.named_parameters() if value.grad is not None}
    return [name.rpartition(".")[0] for name, value in gradients.items() if not torch.isfinite(value).all()]


def _relative_error(found: Tensor, exact: Tensor, least: float = 1e-6) -> float:
    """Return the norm of the difference by that of the exact tensor; 0 where float32 itself is not finite.

    An infinite or broken result has an infinite error.
    """
    norm = float(exact.float().norm())
    if not math.isfinite(norm):
        return 0.0
    error = float((found.float() - exact.float()).norm()) / max(norm, least)
    return error if math.isfinite(error) else math.inf


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Take back what running the network in train mode changes: buffers, gradients, random numbers."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    # timm's DropPath and the like too
    silenced = [part for part in network.modules() if "Drop" in type(part).__name__ and part.training]
    for part in silenced:
        part.eval()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        for part in silenced:
            part.train()
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
        network.zero_grad(set_to_none=True)
