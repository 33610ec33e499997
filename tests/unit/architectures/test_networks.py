"""Our own networks against counts made by hand and against the library's."""

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
import yaml
from pydantic import ValidationError

from scan2seg import plugins
from scan2seg.architectures.any_size import AnySize, mirror_pad
from scan2seg.errors import InputError

CONFIG = Path(__file__).parents[3] / "config"
torch.set_num_threads(1)


def make(name: str, channels: int = 3, classes: int = 2, **settings: object) -> torch.nn.Module:
    module = plugins.load("architectures", name)
    return module.build(module.Params.model_validate(settings), channels, classes)


def parameters(module: torch.nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def convolution(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def test_resunet_has_the_published_parameters() -> None:
    def block(inputs: int, outputs: int, stem: bool = False) -> int:
        convolutions = convolution(inputs, outputs, 3) + convolution(outputs, outputs, 3)
        norms = 2 * outputs + (0 if stem else 2 * inputs)
        return convolutions + norms + convolution(inputs, outputs, 1) + 2 * outputs

    encoder = block(3, 16, stem=True) + block(16, 32) + block(32, 64) + block(64, 128) + block(128, 256)
    bridge = 2 * (convolution(256, 256, 3) + 2 * 256)
    decoder = block(256 + 128, 256) + block(256 + 64, 128) + block(128 + 32, 64) + block(64 + 16, 32)
    head = convolution(32, 1, 1)
    recipe = yaml.safe_load((CONFIG / "models" / "resunet.yaml").read_text())["architecture"]
    assert recipe.pop("method") == "resunet"
    assert parameters(make("resunet", **recipe)) == encoder + bridge + decoder + head


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2"])
def test_unet_over_an_encoder_is_the_librarys(encoder: str) -> None:
    torch.manual_seed(0)
    ours = make("unet", encoder=encoder).eval()
    library = smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=2).eval()
    pairs = zip(ours.state_dict().values(), library.state_dict().values(), strict=True)
    with torch.no_grad():
        for mine, theirs in pairs:
            theirs.copy_(mine)
        images = torch.randn(1, 3, 64, 96)
        assert torch.allclose(ours(images), library(images), atol=1e-5)


def test_plain_unet_options_are_used() -> None:
    settings = {"encoder": None, "width": 4, "depth": 2}
    assert make("unet", **settings, normalisation="none", initialisation="normal").network.head.weight.std() < 0.02
    transposed = make("unet", **settings, upsampling="transposed", dropout=0.4, padding="reflect", activation="elu")
    kinds = {type(module) for module in transposed.modules()}
    assert {torch.nn.ConvTranspose2d, torch.nn.Dropout2d, torch.nn.ELU} <= kinds
    with torch.no_grad():
        assert transposed.eval()(torch.randn(1, 3, 1, 3)).shape == (1, 2, 1, 3)


@pytest.mark.parametrize("name", ["unet", "unet_plus_plus"])
def test_mirrored_padding_makes_no_edge_where_the_image_has_none(name: str) -> None:
    """A constant image has no edge for a network whose every convolution mirrors, the last one too."""
    spread = {}
    for padding in ("zeros", "reflect"):
        torch.manual_seed(0)
        model = make(name, encoder=None, width=4, depth=2, padding=padding, initialisation="he").eval()
        with torch.no_grad():
            found = model(torch.full((1, 3, 16, 16), 0.7))
        spread[padding] = float((found.amax(dim=(2, 3)) - found.amin(dim=(2, 3))).max())
    assert spread["reflect"] < 1e-5 < 1e-2 < spread["zeros"]


def test_deep_supervision_gives_a_list_in_training_only() -> None:
    model = make("unet", encoder=None, width=4, depth=3, supervised_levels=3)
    outputs = model.train()(torch.randn(2, 3, 20, 24))
    assert [tuple(output.shape) for output in outputs] == [(2, 2, 20, 24)] * 3
    assert isinstance(model.eval()(torch.randn(2, 3, 20, 24)), torch.Tensor)


def test_mirror_padding_continues_any_length() -> None:
    assert mirror_pad(torch.arange(3.0).reshape(1, 1, 1, 3), (2, 8))[0, 0].tolist() == [[0, 1, 2, 1, 0, 1, 2, 1]] * 2


def test_the_image_inside_is_not_touched_by_the_padding() -> None:
    class Echo(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert images.shape[2:] == (8, 16)
            return images

    images = torch.randn(1, 2, 5, 9)
    assert torch.equal(AnySize(Echo(), 8)(images), images)


def test_what_a_user_gets_wrong_is_named() -> None:
    with pytest.raises(InputError, match="two classes, there are 3"):
        make("resunet", classes=3, output="sigmoid")
    with pytest.raises(ValidationError, match="did you mean one of resnet50"):
        make("unet", encoder="resnet5")
    with pytest.raises(InputError, match="one number a halving"):
        make("unet", encoder=None, decoder_channels=[8])


def test_the_padding_of_the_regularised_decoder_is_that_of_all_its_convolutions() -> None:
    settings: dict[str, object] = {"encoder": "resnet18", "pretrained": "none", "depth": 2, "decoder_channels": [8, 8]}
    counts = {}
    for padding in ("zeros", "reflect"):
        model = make("regularised_unet", **settings, padding=padding)
        modes = [module.padding_mode for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
        counts[padding] = modes.count("reflect")
    assert counts == {"zeros": 0, "reflect": 4}
