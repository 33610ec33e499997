"""A network as OpenVINO computes it on processors: converted from torch once for each size of tile.

OpenVINO joins layers, and lays tensors out anew, so that convolutions wait less for memory. Its telemetry, which would
report to its maker that it is used, is never loaded.
"""

import logging
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scan2seg.checkpoint import SegmentationModel
from scan2seg.errors import InputError
from scan2seg.logging import warn
from scan2seg.precision import PrecisionCheck, compare_runtime

MOST_SIZES = 4
"""So many sizes of tiles are kept converted; each takes about as much memory as the weights."""
_TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16"}


def has_openvino() -> bool:
    """Tell whether OpenVINO is installed, without importing it."""
    return find_spec("openvino") is not None


def computes_in(precision: str) -> bool:
    """Tell whether OpenVINO computes in float32, bfloat16 or float16 on this processor.

    Raises:
        InputError: it is not installed.
    """
    return _CAPABILITIES[precision] in _start_openvino()[1].get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class ConversionError(InputError):
    """OpenVINO cannot convert a network, not for the precision that is asked for, or computes something else."""


class OpenVinoNetwork:
    """Computes the logits of a model; tiles of a batch one after the other, so that they depend on no other.

    What is converted for a size of tiles is compared with torch in float32 on the first of them.
    """

    def __init__(self, model: SegmentationModel) -> None:
        """Take a model on the processor, in eval mode."""
        self._model = model
        self._compiled: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._sizes = 0

    def __call__(self, tiles: Tensor, precision: str) -> Tensor:
        """Return the logits (n, k, *spatial) float32 of tiles (n, c, *spatial), on as many threads as torch has.

        Args:
            tiles: float32.
            precision: float32, bfloat16 or float16.

        Raises:
            InputError: OpenVINO is not installed.
            ConversionError: it cannot convert the network, or what it converted computes something else.
        """
        request = self._request(tiles[:1], precision)
        return torch.cat([_infer(request, tile[None]) for tile in tiles])

    def _request(self, tile: Tensor, precision: str) -> Any:
        key = (tuple(tile.shape[1:]), precision, torch.get_num_threads())
        if key not in self._compiled:
            self._sizes += 1
            if self._sizes == 2 * MOST_SIZES:
                warn("images of many sizes: each is converted by OpenVINO anew; inference.runtime: torch may be faster")
            if len(self._compiled) == MOST_SIZES:
                self._compiled.popitem(last=False)
            request = _compile(self._model, *key)
            trust(self._model(tile).softmax(dim=1), _infer(request, tile).softmax(dim=1), precision)
            self._compiled[key] = request
        self._compiled.move_to_end(key)
        return self._compiled[key]


def _compile(model: SegmentationModel, size: tuple[int, ...], precision: str, threads: int) -> Any:
    """Return an inference request of the network for one tile of a size."""
    openvino, core = _start_openvino()
    if not computes_in(precision):
        raise ConversionError(
            f"inference.runtime: openvino does not compute in {precision} on this processor; set inference.precision "
            "to float32"
        )
    settings = {
        "INFERENCE_PRECISION_HINT": _TYPES[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # which cores a job may use is its queue's and its user's business
        "ENABLE_CPU_PINNING": False,
    }
    example = torch.zeros(1, *size)
    try:
        # it is traced, which tensors of inference mode do not allow, and what it warns of is a tracer's everyday
        with torch.inference_mode(False), torch.no_grad(), _quiet():
            converted = openvino.convert_model(model, example_input=example, input=[1, *size])
            return core.compile_model(converted, "CPU", settings).create_infer_request()
    except Exception as error:
        # the lines before the last say where in OpenVINO
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[-1] if lines[0].startswith("Exception from") else lines[0]
        words = f"inference.runtime: openvino cannot convert the network ({reason[:200]}); set it to torch"
        raise ConversionError(words) from None


def _infer(request: Any, tile: Tensor) -> Tensor:
    """Return the logits (1, k, *spatial) of a tile (1, c, *spatial)."""
    request.infer([tile.contiguous().numpy()], share_inputs=True)
    return torch.from_numpy(np.array(request.get_output_tensor(0).data))


def trust(exact: Tensor, found: Tensor, precision: str) -> PrecisionCheck:
    """Compare the probabilities of tiles (n, k, *spatial) with torch's in float32.

    Raises:
        ConversionError: rounding does not explain how they differ.
    """
    check = compare_runtime(exact, found, precision)
    if check.agrees:
        return check
    size = "is not finite" if check.error is None else f"has a relative error of {check.error:.2g}"
    raise ConversionError(
        f"inference.runtime: openvino is wrong for this network and tiles of {tuple(exact.shape[2:])}: the result "
        f"{size}, rounding explains up to {check.tolerance:.2g}; set it to torch"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings, and keep the root logger as it is: the converter lets nothing but errors through ever after."""
    root = logging.getLogger()
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


@cache
def _start_openvino() -> tuple[Any, Any]:
    """Import OpenVINO without its telemetry, in whose absence it goes on alone; return it and its core.

    One core serves the process until its end: each gives its thread a stack for signals, and takes it back when it
    goes. Where several go in the order in which they came, the next signal finds a stack that is no more.

    Raises:
        InputError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"inference.runtime: openvino is not installed ({error}); pip install openvino, or set it to torch"
        ) from None
    return openvino, openvino.Core()
