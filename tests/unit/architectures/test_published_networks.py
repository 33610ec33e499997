"""Published networks: what their papers and systems say of layers, channels and dilations is what is built."""

import copy
import functools
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from scan2seg import plugins
from scan2seg.architectures.description import output_stride
from scan2seg.architectures.published_blocks import PatchByPatch, PyramidPooling, ResPath, StandardisedConvolution
from scan2seg.config.experiment import load_experiment
from scan2seg.encoders.dilation import dilate_inception_v3

torch.set_num_threads(1)
EXPERIMENTS = Path(__file__).parents[3] / "config" / "experiments"


def make(name: str, channels: int = 3, classes: int = 2, **settings: object) -> nn.Module:
    module = plugins.load("architectures", name)
    return module.build(module.Params.model_validate(settings), channels, classes)


def of_kind(network: nn.Module, *kinds: type[nn.Module]) -> list[Any]:
    return [module for module in network.modules() if type(module) in kinds]


def parameters(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("unet", {"encoder": "mobilenet_v2"}),
        ("unet_plus_plus", {"encoder": None, "width": 4}),
        ("resnet50_unet", {"encoder": "resnet18"}),
        ("spp_unet", {"encoder": "resnet18"}),
    ],
)
def test_initial_weights_reach_everything_that_is_not_pre_trained(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = make(name, **settings, initialisation="normal")
    convolutions = of_kind(network, nn.Conv2d, nn.ConvTranspose2d)
    values = torch.cat([layer.weight.detach().flatten() for layer in convolutions])
    assert float(values.std()) == pytest.approx(0.01, rel=0.02) and float(values.abs().max()) < 0.06
    assert all(layer.bias is None or not layer.bias.any() for layer in convolutions)


def test_sd_unet_has_an_eighth_of_the_parameters_of_the_unet() -> None:
    network = make("sd_unet", channels=1)
    plain = make("unet", channels=1, encoder=None, width=64, normalisation="none", upsampling="transposed")
    assert parameters(plain) == pytest.approx(31.0e6, rel=0.01)
    assert parameters(network) == pytest.approx(3.9e6, rel=0.02)
    # one normalisation a block: the first convolution, 4 blocks down, 4 up
    assert len(of_kind(network, nn.GroupNorm)) == 9
    depthwise = of_kind(network, StandardisedConvolution)
    assert len(depthwise) == 2 * 8 + 4 and all(layer.groups == layer.in_channels for layer in depthwise)
    dense = [layer for layer in of_kind(network, nn.Conv2d) if layer.kernel_size == (3, 3)]
    assert len(dense) == 1 and dense[0].in_channels == 1


def test_standardised_weights_forget_their_mean_and_scale() -> None:
    layer = StandardisedConvolution(4, 4, 3, groups=4)
    images = torch.randn(2, 4, 8, 8)
    before = layer(images)
    with torch.no_grad():
        layer.weight.mul_(3).add_(0.7)
    assert torch.allclose(before, layer(images), atol=1e-3)


def test_downup_is_its_own_mirror() -> None:
    network = make("downup")
    sizes: list[tuple[str, int, int]] = []
    for layer in of_kind(network, nn.Conv2d, nn.ConvTranspose2d):
        layer.register_forward_hook(
            lambda layer, _, output: sizes.append((type(layer).__name__, output.shape[1], output.shape[2]))
        )
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 384, 384))
    down = [(count, size) for kind, count, size in sizes if kind == "Conv2d"][:-1]
    up = [(count, size) for kind, count, size in sizes if kind == "ConvTranspose2d"]
    assert down == [(32, 384)] * 2 + [(64, 192)] * 3 + [(128, 96)] * 3 + [(212, 48)] * 3
    assert [size for _, size in up] == [size for _, size in down[::-1]]
    assert up[:3] == [(212, 48), (212, 48), (128, 48)] and up[-2:] == [(32, 384)] * 2


def test_xlearns_baseline_has_the_parameters_of_the_published_network() -> None:
    def convolution(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + outputs

    n = 32
    down = convolution(1, n) + convolution(n, n) + convolution(n, 2 * n) + 3 * convolution(2 * n, 2 * n)
    down += convolution(2 * n, 4 * n) + convolution(4 * n, 4 * n) + convolution(4 * n, 1)
    dense = (16 * 8 + 8) + (8 * 8 + 8) + (8 * 16 + 16)
    up = convolution(1, 4 * n) + convolution(4 * n, 8 * n) + convolution(10 * n, 2 * n) + convolution(2 * n, 2 * n)
    up += convolution(4 * n, 2 * n) + convolution(2 * n, 2 * n) + convolution(3 * n, n) + convolution(n, n)
    assert parameters(make("xlearn", channels=1)) == down + dense + up + convolution(n, 1)
    rates = [layer.p for layer in of_kind(make("xlearn", channels=1), nn.Dropout)]
    assert rates == [0.2, 0.25, 0.25]


def test_the_tuned_baseline_normalises_before_every_relu_and_has_a_channel_a_class() -> None:
    network = make("xlearn", channels=1, classes=3, normalisation="batch", output="softmax")
    kinds = (nn.ReLU, nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d)
    layers = [layer for layer in network.modules() if isinstance(layer, kinds)]
    before = [type(layers[place - 1]).__name__ for place, layer in enumerate(layers) if type(layer) is nn.ReLU]
    assert set(before) == {"TolerantBatchNorm1d", "TolerantBatchNorm2d"} and before.count("TolerantBatchNorm1d") == 3
    assert of_kind(network, nn.ConvTranspose2d)[-1].out_channels == 3
    with torch.no_grad():
        assert network.train()(torch.zeros(1, 1, 32, 32)).shape == (1, 3, 32, 32)


def test_inception_v3_is_dilated_from_a_stride_of_eight_without_another_weight() -> None:
    timm: Any = importlib.import_module("timm.models.inception_v3")
    torch.manual_seed(0)
    convolution = functools.partial(timm.ConvNormAct, padding=0)
    halved = nn.ModuleDict({"Mixed_6a": timm.InceptionB(8, convolution), "Mixed_7a": timm.InceptionD(8, convolution)})
    dilated = copy.deepcopy(halved)
    dilate_inception_v3(dilated, 8)
    assert list(dilated.state_dict()) == list(halved.state_dict())
    halved.eval()
    dilated.eval()
    images = torch.randn(1, 8, 21, 21)
    with torch.no_grad():
        # What the halved block says stands at every second place of the dilated one,
        assert torch.allclose(halved["Mixed_6a"](images), dilated["Mixed_6a"](images)[:, :, ::2, ::2], atol=1e-5)
        # and after two halvings at every fourth.
        below = halved["Mixed_7a"](images[:, :, ::2, ::2])
        assert torch.allclose(below, dilated["Mixed_7a"](images)[:, :, ::4, ::4], atol=1e-5)


SIZES = [
    ("aa7075_baseline", "xlearn_baseline", 1_027_490, 0, 8),
    ("aa7075", "xlearn_tuned", 1_030_118, 0, 8),
    ("aa7075", "unet_plus_plus", 70_320_972, 0, 32),
    ("aa7075", "unet_plus_plus_inception", 32_303_852, 0, 32),
    ("aa7075", "pspnet", 64_453_699, 0, 8),
    ("aa7075", "pspnet_inception", 28_095_459, 0, 8),
    ("aa7075", "deeplabv3_plus_xception", 41_037_379, 0, 16),
    ("soc_nickel", "vgg16_unet", 25_860_417, 14_714_688, 16),
    ("soc_nickel", "resnet50_unet_frozen", 71_869_889, 23_508_032, 32),
    ("driving", "resnet50_unet", 63_590_499, 8_543_296, 32),
    ("driving", "spp", 56_145_251, 0, 32),
    ("driving", "spp_unet", 115_755_043, 0, 32),
    ("driving", "downup", 3_060_071, 0, 8),
    ("driving", "drn_a_18", 11_194_467, 0, 8),
    ("brats2015", "mobilenet_unet", 5_701_282, 0, 32),
    ("brats2015", "unet_plain", 31_031_682, 0, 16),
    ("brats2015", "sd_unet", 3_912_258, 0, 16),
    ("dsb2018", "resunet", 4_715_761, 0, 16),
]
"""Parameters, frozen ones, and the output stride."""


@functools.cache
def build_recipe(experiment: str, model: str) -> tuple[nn.Module, int]:
    """Return a recipe's network for its experiment's first dataset, and its input's channels."""
    loaded = load_experiment(EXPERIMENTS / f"{experiment}.yaml")
    recipe, classes = loaded.models[model], len(next(iter(loaded.datasets.values())).classes)
    channels = recipe.normalisation.channels or {"driving": 3, "dsb2018": 3}.get(experiment, 1)
    chosen = recipe.architecture.without("pretrained")
    # large ones take long with values; MobileNetV2's library makes its first convolution on the processor all the same
    with torch.device("cpu" if experiment == "brats2015" else "meta"):
        return chosen.module.build(chosen.parameters, channels, classes), channels


@pytest.mark.parametrize(("experiment", "model", "count", "frozen", "stride"), SIZES)
def test_a_published_recipe_has_the_published_size(
    experiment: str, model: str, count: int, frozen: int, stride: int
) -> None:
    network, channels = build_recipe(experiment, model)
    assert parameters(network) == count
    assert sum(value.numel() for value in network.parameters() if not value.requires_grad) == frozen
    image = torch.zeros(1, channels, 96, 96, device=next(network.parameters()).device)
    assert output_stride(network.eval(), image) == stride


def test_spp_unet_has_many_more_parameters_than_resnet50_unet() -> None:
    pyramid, residual = (parameters(build_recipe("driving", name)[0]) for name in ("spp_unet", "resnet50_unet"))
    assert pyramid > 1.5 * residual


def test_patches_of_an_image_are_seen_one_by_one() -> None:
    class Turn(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert images.shape[2:] == (4, 4)
            return torch.cat([images.transpose(2, 3), images + 1], 1)

    images = torch.arange(2 * 3 * 8 * 12.0).reshape(2, 3, 8, 12)
    found = PatchByPatch(Turn(), 4)(images)
    assert found.shape == (2, 6, 8, 12) and torch.equal(found[:, 3:], images + 1)
    for row in (0, 4):
        for column in (0, 4, 8):
            here = (slice(None), slice(0, 3), slice(row, row + 4), slice(column, column + 4))
            assert torch.equal(found[here], images[here].transpose(2, 3))


@pytest.mark.parametrize("name", ["pspnet", "spp", "spp_unet"])
def test_pyramids_pool_to_the_published_bins(name: str) -> None:
    network = make(name, encoder="resnet18")
    bins = [layer.output_size for layer in of_kind(network, nn.AdaptiveAvgPool2d)]
    assert [size if isinstance(size, int) else size[0] for size in bins if size is not None][:4] == [1, 2, 3, 6]
    if name != "pspnet":
        assert of_kind(network, PyramidPooling)


def test_skips_are_added_or_joined() -> None:
    added, joined = (make("resnet50_unet", encoder="resnet18", skips=kind) for kind in ("add", "concatenate"))
    assert parameters(joined) > parameters(added)
    with torch.no_grad():
        assert added.eval()(torch.zeros(1, 3, 40, 50)).shape == joined.eval()(torch.zeros(1, 3, 40, 50)).shape


def test_res_paths_are_longer_the_finer_the_level() -> None:
    paths = of_kind(make("unet", encoder=None, width=4, depth=4, skips="res_path"), ResPath)
    assert [len(path.main) for path in paths] == [1, 2, 3, 4]


def test_drn_keeps_an_eighth_of_the_size_and_dilates_instead() -> None:
    network = make("drn_a_18", classes=5)
    sizes: list[int] = []
    for layer in of_kind(network, nn.Conv2d):
        layer.register_forward_hook(lambda _, inputs, output: sizes.append(output.shape[2]))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 128, 128))
    assert min(sizes) == 16
    assert {layer.dilation[0] for layer in of_kind(network, nn.Conv2d)} == {1, 2, 4}
