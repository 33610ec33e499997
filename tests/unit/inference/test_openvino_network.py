"""What OpenVINO computes is what torch computes, or torch goes on."""

import itertools
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference import openvino_network
from scan2seg.inference.members import Ensemble
from scan2seg.inference.openvino_network import MOST_SIZES, ConversionError, OpenVinoNetwork
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation
from scan2seg.precision import Decision

UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}


def write_model(folder: Path, architecture: dict[str, Any] = UNET, patch: tuple[int, ...] = (32, 32)) -> Path:
    torch.manual_seed(0)
    normalisation = Normalisation(1)
    normalisation.fill(np.array([100.0]), np.array([40.0]))
    model = SegmentationModel(Plugin("architectures").resolve(architecture), normalisation, 1, 3)
    facts = {"classes": ["a", "b", "c"], "patch_size": list(patch), "neighbours": 0}
    save_checkpoint(folder / "checkpoint.pt", model.eval(), facts)
    return folder / "checkpoint.pt"


def load(checkpoint: Path, runtime: str = "openvino", **settings: Any) -> Predictor:
    return Predictor(checkpoint, InferenceSettings.model_validate({"runtime": runtime, **settings}), "cpu")


def draw(*size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(100, 40, (1, *size)).astype(np.float32)


def computes_in(precision: str) -> bool:
    """Tell whether OpenVINO does on this processor, or on the one that is imitated, of which it knows only when it tries."""
    try:
        OpenVinoNetwork(torch.nn.Conv2d(1, 3, 3))(torch.zeros(1, 1, 8, 8), precision)  # type: ignore[arg-type]
    except ConversionError:
        return False
    return True


@pytest.mark.parametrize(
    ("architecture", "patch", "size", "precision"),
    [
        (UNET, (32, 32), (70, 45), "float32"),
        (UNET, (32, 32), (70, 45), "bfloat16"),
        (UNET, (32, 32), (20, 21), "float32"),
        pytest.param(UNET_3D, (8, 32, 32), (19, 40, 32), "float32", marks=pytest.mark.slow),
    ],
)
def test_probabilities_are_those_of_torch(
    tmp_path: Path,
    architecture: dict[str, Any],
    patch: tuple[int, ...],
    size: tuple[int, ...],
    precision: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    checkpoint = write_model(tmp_path, architecture, patch)
    exact = load(checkpoint, "torch", precision="float32", flips=True).predict(draw(*size))
    predictor = load(checkpoint, precision=precision, flips=True)
    assert predictor.undecided
    found = predictor.predict(draw(*size))
    tolerance = 1e-4 if precision == "float32" else 0.02
    torch.testing.assert_close(found, exact, atol=tolerance, rtol=0)
    described = predictor.decision.describe()
    runtime = "openvino" if computes_in(precision) else "torch"
    assert (described["runtime"], described["precision"]) == (runtime, precision) and not predictor.undecided
    if runtime == "torch":
        assert "inference.runtime: openvino" in caplog.text and "going on with torch" in caplog.text
        return
    assert described["precision_check"]["agrees"] and described["precision_check"]["layers"] == 0
    # in another process, or with other batches, to the last bit
    other = load(checkpoint, precision=precision, flips=True, batch_size=1)
    other.recall(predictor.decisions())
    assert torch.equal(other.predict(draw(*size)), found)


def test_the_same_model_is_a_member_of_an_ensemble_by_both(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    alone = load(checkpoint, "torch", precision="float32")
    both = Ensemble([load(checkpoint, precision="float32"), alone])
    found = both.predict(draw(40, 40))
    torch.testing.assert_close(found, alone.predict(draw(40, 40)), atol=1e-4, rtol=0)
    assert [made["runtime"] for made in both.decisions()] == ["openvino", "torch"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_wrong_result_and_a_network_that_cannot_be_converted_are_told_and_torch_goes_on(
    tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not computes_in(precision):
        pytest.skip(f"no {precision} on this processor")
    checkpoint = write_model(tmp_path)
    expected = load(checkpoint, "torch", precision=precision).predict(draw(40, 40))

    def refuse(*_: Any) -> Any:
        raise ConversionError("no such operation")

    infer, compile_one = openvino_network._infer, openvino_network._compile
    for faults, told in (
        ({"_infer": lambda *words: torch.randn_like(infer(*words)).mul(9)}, "the result has a relative error"),
        ({"_infer": lambda *words: infer(*words) * np.nan}, "the result is not finite"),
        ({"_compile": refuse}, "no such operation; going on with torch"),
    ):
        for name, fault in {"_infer": infer, "_compile": compile_one, **faults}.items():
            monkeypatch.setattr(openvino_network, name, fault)
        predictor = load(checkpoint, precision=precision)
        assert torch.equal(predictor.predict(draw(40, 40)), expected)
        assert told in caplog.text and predictor.decision.runtime == "torch"
        caplog.clear()


def test_what_is_converted_for_another_size_of_tiles_is_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load(write_model(tmp_path), precision="float32")
    predictor.predict(draw(32, 32))
    infer = openvino_network._infer
    monkeypatch.setattr(openvino_network, "_infer", lambda *words: infer(*words).flip(-1).mul(9))
    with pytest.raises(ConversionError, match=r"openvino is wrong for this network and tiles of \(40, 32\): the"):
        predictor.predict(draw(40, 32))


def test_what_is_right_for_the_first_tile_and_wrong_for_another_of_the_first_batch_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_model(tmp_path)
    expected = load(checkpoint, "torch", precision="float32").predict(draw(70, 45))
    infer, calls = openvino_network._infer, itertools.count()
    monkeypatch.setattr(openvino_network, "_infer", lambda *words: infer(*words) * (9 if next(calls) > 2 else 1))
    predictor = load(checkpoint, precision="float32")
    assert torch.equal(predictor.predict(draw(70, 45)), expected) and predictor.decision.runtime == "torch"


def test_a_gpu_does_not_take_up_what_a_processor_computed_with(tmp_path: Path) -> None:
    first, again = (load(write_model(tmp_path), precision="float32") for _ in range(2))
    first.predict(draw(32, 32))
    again.device = "cuda"
    again.recall(first.decisions())
    assert first.decision.runtime == "openvino" and again.decision == Decision("float32")


def test_what_openvino_cannot_convert_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strange(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ValueError("strange\nand more")

    with pytest.raises(ConversionError, match=r"^inference.runtime: openvino cannot convert the network \(.*torch$"):
        OpenVinoNetwork(Strange())(torch.zeros(1, 1, 8, 8), "float32")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino is not installed .*; pip install openvino, or set it to torch"):
        openvino_network._start_openvino.__wrapped__()


def test_converted_networks_of_many_sizes_are_not_all_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[tuple[int, ...]] = []
    network = load(write_model(tmp_path))._openvino
    compile_one = openvino_network._compile
    monkeypatch.setattr(
        openvino_network, "_compile", lambda model, size, *rest: made.append(size) or compile_one(model, size, *rest)
    )
    level, filters = logging.getLogger().level, list(logging.getLogger().filters)
    sizes = [8 + 4 * place for place in range(2 * MOST_SIZES)]
    for size in sizes:
        assert network(torch.zeros(2, 1, size, 8), "float32").shape == (2, 3, size, 8)
        network(torch.zeros(1, 1, size, 8), "float32")
    assert len(made) == len(sizes) and len(network._compiled) == MOST_SIZES
    # the converter sets the level of all loggers; ours have to be heard afterwards
    assert (logging.getLogger().level, logging.getLogger().filters) == (level, filters)
    assert "images of many sizes" in caplog.text


def test_its_telemetry_is_never_loaded(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    script = f"""
import socket, sys
def refuse(*words):
    raise AssertionError(f"the network is asked for: {{words}}")
socket.socket.connect = socket.getaddrinfo = refuse
from pathlib import Path
import numpy as np
from scan2seg.config.training import InferenceSettings
from scan2seg.inference.tiling import Predictor
predictor = Predictor(Path({str(checkpoint)!r}), InferenceSettings(runtime="openvino", precision="float32"), "cpu")
predictor.predict(np.zeros((1, 32, 32), np.float32))
assert predictor.decision.runtime == "openvino"
loaded = [name for name, module in sys.modules.items() if "openvino_telemetry" in name and module is not None]
print("openvino" in sys.modules, loaded)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[-2] == "True []"


def test_a_precision_that_the_processor_lacks_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_network, "_CAPABILITIES", {"bfloat16": "NO_SUCH_CAPABILITY"})
    with pytest.raises(ConversionError, match=r"openvino does not compute in bfloat16 on this processor"):
        OpenVinoNetwork(torch.nn.Conv2d(1, 3, 3))(torch.zeros(1, 1, 8, 8), "bfloat16")  # type: ignore[arg-type]


def test_a_signal_is_heard_whatever_networks_have_come_and_gone(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    script = f"""
import gc, os, signal
from pathlib import Path
import torch
from scan2seg.checkpoint import load_checkpoint
from scan2seg.inference.openvino_network import OpenVinoNetwork
model = load_checkpoint(Path({str(checkpoint)!r}))[0]
networks = [OpenVinoNetwork(model) for _ in range(3)]
for network in networks:
    network(torch.zeros(1, 1, 16, 16), "float32")
del network
for place in range(3):
    networks[place] = None
    gc.collect()
heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
os.kill(os.getpid(), signal.SIGTERM)
print(heard == [signal.SIGTERM])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.split("\n")[-2:]) == (0, ["True", ""]), result.stderr[-2000:]
