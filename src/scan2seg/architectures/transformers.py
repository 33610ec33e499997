"""Networks over vision transformers, whose encoders give tokens beside features."""

from typing import Any

from torch import Tensor, nn

from scan2seg.architectures.any_size import accept_any_size, head_channels
from scan2seg.encoders.build import prepare
from scan2seg.encoders.freezing import hold_statistics
from scan2seg.encoders.names import check_name
from scan2seg.errors import InputError


class TokenNetwork(nn.Module):
    """A transformer, a decoder over its features and prefix tokens, and a head."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: nn.Module) -> None:
        """Compose the network."""
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits."""
        features, tokens = self.encoder(images)
        logits: Tensor = self.head(self.decoder(features, tokens))
        return logits

    def train(self, mode: bool = True) -> "TokenNetwork":
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        hold_statistics(self.encoder)
        return self


def build_dpt(params: Any, channels: int, classes: int) -> nn.Module:
    """Build what the settings of ``dpt`` describe.

    Raises:
        InputError: the encoder is unknown or no vision transformer.
    """
    from segmentation_models_pytorch.base.initialization import initialize_decoder
    from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder, DPTSegmentationHead
    from segmentation_models_pytorch.encoders import TimmViTEncoder

    check_name(params.encoder)
    name = params.encoder.removeprefix("tu-")
    try:
        encoder: Any = TimmViTEncoder(name, pretrained=False, in_channels=channels, depth=4, dynamic_img_size=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"architecture: encoder: '{params.encoder}' is no vision transformer that takes any size "
            f"({str(error)[:120]}); choose one such as tu-vit_small_patch16_224"
        ) from None
    prepare(encoder, params, channels)
    readout = params.readout if encoder.has_prefix_tokens else "ignore"
    decoder = DPTDecoder(
        encoder.out_channels,
        encoder.output_strides,
        encoder.has_prefix_tokens,
        readout,
        params.intermediate_channels,
        params.fusion_channels,
    )
    head = DPTSegmentationHead(params.fusion_channels, head_channels(params.output, classes), upsampling=2)
    initialize_decoder(decoder)
    network = TokenNetwork(encoder, decoder, head)
    stride = max(32, *encoder.output_strides)
    return accept_any_size(network, channels, stride, params.output)
