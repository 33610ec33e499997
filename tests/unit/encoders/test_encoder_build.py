"""Encoders that break in the library give features of the promised sizes; freezing holds what it says."""

import pytest
import torch

from scan2seg import plugins
from scan2seg.encoders.build import build_encoder
from scan2seg.encoders.settings import EncoderSettings
from scan2seg.errors import InputError

torch.set_num_threads(1)


class Settings(EncoderSettings):
    encoder: str = "resnet18"


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("tu-inception_v3", 32),
        ("tu-inception_v3", 16),
        ("xception", 16),
        ("densenet121", 16),
        ("tu-swin_tiny_patch4_window7_224", 32),
        ("tv-googlenet", 32),
        ("tv-squeezenet1_0", 16),
    ],
)
def test_features_have_the_promised_sizes(name: str, stride: int) -> None:
    encoder, channels = build_encoder(Settings(encoder=name), 1, output_stride=stride)
    with torch.no_grad():
        features = encoder.eval()(torch.randn(1, 1, 96, 128))
    for level, (feature, count) in enumerate(zip(features, channels, strict=True)):
        divisor = min(2**level, stride)
        assert feature.shape == (1, count, 96 // divisor, 128 // divisor)


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [
        ("unet_plus_plus", "tu-inception_v3"),
        ("pspnet", "tu-inception_v3"),
        ("upernet", "tu-swin_tiny_patch4_window7_224"),
    ],
)
def test_architectures_take_the_encoders_that_break_in_the_library(architecture: str, encoder: str) -> None:
    module = plugins.load("architectures", architecture)
    model = module.build(module.Params(encoder=encoder), 1, 2).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 1, 61, 83)).shape == (1, 2, 61, 83)


def test_features_of_unpadded_encoders_lie_where_the_image_does() -> None:
    torch.manual_seed(0)
    encoder, _ = build_encoder(Settings(encoder="tu-inception_v3"), 1)
    images = torch.randn(1, 1, 128, 128).requires_grad_()
    feature = encoder.eval()(images)[2]
    (gradient,) = torch.autograd.grad(feature[0, :, 16, 16].square().sum() + feature[0, :, 16, 16].sum(), images)
    rows = torch.arange(128.0) @ gradient[0, 0].abs().sum(1) / gradient.abs().sum()
    assert abs(float(rows) - 66) < 3


def test_a_frozen_encoder_keeps_weights_and_statistics_through_training() -> None:
    module = plugins.load("architectures", "unet")
    model = module.build(module.Params(freeze="encoder"), 1, 2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trained = [value for value in model.parameters() if value.requires_grad]
    model.train()(torch.randn(2, 1, 64, 64)).square().mean().backward()
    torch.optim.SGD(trained, 0.1).step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert not [key for key in changed if ".encoder." in key]
    assert [key for key in changed if "running_mean" in key]


def test_stages_and_names_freeze_alone() -> None:
    encoder, _ = build_encoder(Settings(freeze=[1, 2, "layer4.0"]), 1)
    frozen = {name.removeprefix("model.") for name, value in encoder.named_parameters() if not value.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"conv1", "bn1", "layer1", "layer4"}
    assert not any(name.startswith("layer4.1") for name in frozen)
    encoder.train()
    assert not encoder.model.bn1.training
    assert encoder.model.layer2[0].bn1.training
    for wrong in ([9], ["layer9"], "half"):
        with pytest.raises(InputError, match="freeze"):
            build_encoder(Settings(freeze=wrong), 1)


def test_what_a_shallow_encoder_does_not_use_is_gone() -> None:
    encoder, _ = build_encoder(Settings(), 1, depth=3)
    assert not any("layer3" in name or "layer4" in name for name, _ in encoder.named_parameters())
