"""The comparison of half precision with float32 finds the broken layer, and the run goes on in float32."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scan2seg import device
from scan2seg.device import autocast
from scan2seg.precision import compare_precision
from scan2seg.training import trust


class _Broken(torch.autograd.Function):
    """What a faulty kernel does: the output is right, the weight's gradient is memory that was never written."""

    @staticmethod
    def forward(context: Any, weight: Tensor, value: float) -> Tensor:
        context.value = value
        return weight.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.full_like(gradient, context.value), None


class BrokenConvolution(nn.Conv2d):
    value = 0.0

    def forward(self, pixels: Tensor) -> Tensor:
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            weight = _Broken.apply(weight, self.value)
        return self._conv_forward(pixels, weight, self.bias)


class DarkConvolution(nn.Conv2d):
    def forward(self, pixels: Tensor) -> Tensor:
        found = super().forward(pixels)
        return found * 0.8 if torch.is_autocast_enabled("cpu") else found


def network(layer: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5), layer, nn.ReLU()
    ).to(memory_format=torch.channels_last)


def measure_on(model: nn.Module) -> Any:
    images = torch.randn(4, 1, 16, 16).contiguous(memory_format=torch.channels_last)

    def measure(precision: str) -> Tensor:
        with autocast("cpu", precision):
            return model(images).float().square().mean()

    return measure


@pytest.mark.parametrize("value", [0.0, float("nan"), 1e30])
def test_a_gradient_that_was_never_written_is_found_named_and_float32_used(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device, "_cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr("scan2seg.logging.LOGGER.propagate", True)
    layer = BrokenConvolution(4, 3, 3, padding=1)
    layer.value = value
    model = network(layer).train()
    decision = trust.settle_precision("auto", model, measure_on(model), "cpu", tmp_path, "run")
    assert decision.precision == "float32"
    assert decision.precision_check.layer == "4"
    assert "layer 4" in caplog.text
    assert "going on in float32" in caplog.text
    # the decision goes with the state, and not to another run
    monkeypatch.setattr(trust, "compare_precision", lambda *_: pytest.fail("compared again"))
    assert trust.settle_precision("auto", model, measure_on(model), "cpu", tmp_path, "run") == decision
    with pytest.raises(pytest.fail.Exception):
        trust.settle_precision("auto", model, measure_on(model), "cpu", tmp_path, "another run")


def test_a_precision_asked_for_by_name_stays_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("scan2seg.logging.LOGGER.propagate", True)
    model = network(BrokenConvolution(4, 3, 3, padding=1)).train()
    decision = trust.settle_precision("bfloat16", model, measure_on(model), "cpu", tmp_path, "run")
    assert decision.precision == "bfloat16"
    assert not decision.precision_check.agrees
    assert "training.precision asks for it by name" in caplog.text


def test_a_healthy_network_agrees_and_is_left_as_it_was() -> None:
    model = network(nn.Conv2d(4, 3, 3, padding=1)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure, state = measure_on(model), torch.get_rng_state()
    check = compare_precision(model, measure, "cpu", "bfloat16")
    assert check.agrees
    assert check.layers == 2
    assert check.error < 0.01
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert model[3].training


def test_wrong_predictions_are_found_without_gradients() -> None:
    model = network(DarkConvolution(4, 3, 3, padding=1)).eval()
    measure = measure_on(model)
    with torch.inference_mode():
        check = compare_precision(model, lambda name: measure(name)[None], "cpu", "bfloat16")
    assert not check.agrees
    assert check.layer == "4"
    assert check.error == pytest.approx(0.2, abs=0.01)
