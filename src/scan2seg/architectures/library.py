"""Networks of segmentation_models_pytorch behind our promise: encoder, decoder and head composed by us."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from scan2seg.architectures.any_size import accept_any_size, head_channels
from scan2seg.encoders.build import build_encoder


class Composed(nn.Module):
    """Encoder, decoder over its features, head; the output is resized to the image by ``AnySize``."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: nn.Module) -> None:
        """Compose the network."""
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits at the decoder's resolution."""
        logits: Tensor = self.head(self.decoder(self.encoder(images)))
        return logits


def compose_smp(
    params: Any,
    channels: int,
    classes: int,
    decoder: Callable[[list[int]], nn.Module],
    *,
    width: int | None = None,
    depth: int = 5,
    output_stride: int = 32,
    kernel: int = 1,
) -> nn.Module:
    """Build an encoder and a library's decoder over it.

    Args:
        params: settings with those of an encoder and of the output.
        channels: of the images.
        classes: how many.
        decoder: makes the decoder from the channels of the features, finest first; it takes the list of features.
        width: channels of the decoder's output; default its attribute ``out_channels``.
        depth: how often the encoder halves the size.
        output_stride: beyond which the encoder is dilated instead.
        kernel: size of the head's convolution.
    """
    from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head

    encoder, features = build_encoder(params, channels, depth, output_stride, keep_image=True)
    module: Any = decoder(features)
    width = width or int(module.out_channels)
    head = nn.Conv2d(width, head_channels(params.output, classes), kernel, padding=kernel // 2)
    initialize_decoder(module)
    initialize_head(head)
    network = Composed(encoder, module, head)
    return accept_any_size(network, channels, 2**depth, params.output)


class Deepest(nn.Module):
    """A decoder of the deepest features alone.

    Args:
        module: is applied to them.
        out_channels: of its output, where the caller reads it from here.
    """

    def __init__(self, module: nn.Module, out_channels: int = 0) -> None:
        """Wrap the module."""
        super().__init__()
        self.module = module
        self.out_channels = out_channels

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the list of features, finest first, to (N, C, h, w)."""
        result: Tensor = self.module(features[-1])
        return result
