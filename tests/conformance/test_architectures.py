"""Every architecture keeps the folder's promise: any size in, the same out, logits, gradients, state."""

import io
from pathlib import Path
from typing import get_args

import pytest
import torch

from scan2seg import plugins
from scan2seg.device import autocast
from scan2seg.inference.openvino_network import OpenVinoNetwork
from scan2seg.training.trust import settle_precision

torch.set_num_threads(1)

SMALL = {"encoder": "mobilenet_v2"}
TINY = {
    "random_forest": {"trees": 5, "sigmas": [1.0, 2.0]},
    "downup": {"widths": [4, 8, 8]},
    "drn_a_18": SMALL,
    "resnet50_unet": {"encoder": "resnet18", "convolutions": 1},
    "sd_unet": {"width": 4, "depth": 2},
    "spp": {**SMALL, "channels": 8},
    "spp_unet": SMALL,
    "xlearn": {"width": 4},
    "attention_unet": {"channels": [4, 8, 16]},
    "basic_unet": {"features": [4, 4, 8, 8, 16, 4]},
    "deeplabv3": {**SMALL, "decoder_channels": 16},
    "deeplabv3_plus": {**SMALL, "decoder_channels": 16},
    "fpn": {**SMALL, "pyramid_channels": 16, "segmentation_channels": 32},
    "linknet": SMALL,
    "manet": {**SMALL, "decoder_channels": [16, 16, 8, 8, 8], "attention_channels": 8},
    "pan": SMALL,
    "pspnet": {**SMALL, "decoder_channels": 16},
    "regularised_unet": {"encoder": "mobilenet_v2", "depth": 5, "decoder_channels": [16, 8, 8, 8]},
    "resunet": {"filters": [4, 8, 8]},
    "segformer": {"decoder_channels": 16},
    "swin_unetr": {"feature_size": 12, "heads": [1, 1, 2, 2], "depths": [1, 1, 1, 1], "window": 4},
    "unet": {"encoder": None, "width": 4, "depth": 3},
    "unet_3d": {"features": [4, 4, 8, 8, 16, 4]},
    "unet_plus_plus": {"encoder": None, "width": 4, "depth": 3, "decoder_channels": [8, 4, 4]},
    "upernet": {**SMALL, "decoder_channels": 16},
}
SIZES = [(61, 83), (1, 1), (32, 7)]
NAMES = plugins.names("architectures")


def make(name: str, channels: int, classes: int, **settings: object) -> torch.nn.Module:
    if name == "swin_unetr":
        pytest.importorskip("einops")
    torch.manual_seed(0)
    module = plugins.load("architectures", name)
    params = module.Params.model_validate({**TINY.get(name, {}), **settings})
    return module.build(params, channels, classes)


def batch(model: torch.nn.Module, channels: int, height: int, width: int, count: int = 2) -> torch.Tensor:
    depth = (6,) if getattr(model, "DIMENSIONS", 2) == 3 else ()
    return torch.randn(count, channels, *depth, height, width)


def fit(model: torch.nn.Module, channels: int, classes: int) -> None:
    if hasattr(model, "fit"):
        labels = torch.randint(0, classes, (3, 24, 24))
        images = labels[:, None] + 0.1 * torch.randn(3, channels, 24, 24)
        labels[0, :3] = 255
        model.fit(images, labels, seed=1)


@pytest.mark.parametrize("name", NAMES)
def test_any_size_in_the_same_size_out(name: str) -> None:
    model = make(name, 1, 3)
    fit(model, 1, 3)
    model.eval()
    for height, width in SIZES:
        images = batch(model, 1, height, width)
        assert getattr(model, "DIMENSIONS", 2) == getattr(plugins.load("architectures", name), "DIMENSIONS", 2)
        with torch.no_grad():
            logits = model(images)
        assert isinstance(logits, torch.Tensor)
        assert logits.shape == (2, 3, *images.shape[2:])
        assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_parameter_or_the_fit_its_state(name: str) -> None:
    model = make(name, 3, 2).train()
    if hasattr(model, "fit"):
        fit(model, 3, 2)
        assert not list(model.parameters())
        assert sum(buffer.numel() for buffer in model.buffers()) > 0
        return
    images = batch(model, 3, 40, 33)
    outputs = model(images)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert all(output.shape == (2, 2, *images.shape[2:]) for output in outputs)
    sum(output.square().mean() for output in outputs).backward()
    idle = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert idle == []


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_small_image_trains(name: str) -> None:
    model = make(name, 1, 2).train()
    if not hasattr(model, "fit"):
        outputs = model(batch(model, 1, 17, 20, count=1))
        assert torch.isfinite((outputs if isinstance(outputs, torch.Tensor) else outputs[0]).sum())


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_state_restores_the_predictions(name: str) -> None:
    model = make(name, 2, 2)
    fit(model, 2, 2)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    again = make(name, 2, 2)
    again.load_state_dict(torch.load(file, weights_only=True))
    images = batch(model, 2, 33, 48)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), again.eval()(images))


def outputs_of(name: str) -> tuple[str, ...]:
    field = plugins.load("architectures", name).Params.model_fields.get("output")
    return get_args(field.annotation) if field else ()


@pytest.mark.parametrize("name", [name for name in NAMES if "sigmoid" in outputs_of(name)])
def test_sigmoid_output_has_one_logit_beside_zero(name: str) -> None:
    model = make(name, 1, 2, output="sigmoid").eval()
    with torch.no_grad():
        logits = model(batch(model, 1, 20, 20))
    assert (logits[:, 0] == 0).all()
    assert (logits[:, 1] != 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_auto_trains_with_the_gradients_of_float32_layer_by_layer(name: str, tmp_path: Path) -> None:
    settings = {"filters": [16, 16, 16]} if name == "resunet" else {}
    model = make(name, 1, 3, **settings).train()
    if hasattr(model, "fit"):
        return
    three = getattr(model, "DIMENSIONS", 2) == 3
    model = model.to(memory_format=torch.channels_last_3d if three else torch.channels_last)
    # batch norm over a few numbers, the pooled and the deepest levels of fewer images, multiplies rounding until it shows in
    # the loss: of four images PAN's by 0.06 with the matrix units of one processor, and by less than 0.05 with others
    images = batch(model, 1, 32, 32) if three else batch(model, 1, 64, 64, count=12)
    images = images.contiguous(memory_format=torch.channels_last_3d if three else torch.channels_last)
    labels = torch.randint(0, 3, (len(images), *images.shape[2:]))
    before = {key: value.clone() for key, value in model.state_dict().items()}

    def measure(precision: str) -> torch.Tensor:
        with autocast("cpu", precision):
            outputs = model(images)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        return torch.stack([torch.nn.functional.cross_entropy(each.float(), labels) for each in outputs]).sum()

    decision = settle_precision("auto", model, measure, "cpu", tmp_path, "run")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    check = decision.precision_check
    if decision.precision == "float32":
        return  # no half precision here, or a network that it is wrong for
    # the healthy ones stay far below the tolerance, and the broken ones far above
    assert check.agrees
    assert check.error < 0.05
    assert check.layers > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_openvino_computes_what_torch_computes(name: str) -> None:
    model = make(name, 1, 3).eval()
    if hasattr(model, "fit"):
        return
    # mean and variance of real numbers, so that no network's logits vanish behind so many layers of batch norm
    with torch.no_grad():
        model.train()(batch(model, 1, 64, 64, count=4))
        model.eval()
        images = batch(model, 1, 32, 61)
        expected = model(images)
    found = OpenVinoNetwork(model)(images, "float32")
    assert (found - expected).norm() < 1e-2 * expected.norm()
