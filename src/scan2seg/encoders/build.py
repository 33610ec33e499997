"""Build an encoder whose features have the sizes that decoders expect, whatever the library does."""

import math
from typing import Any

from torch import Tensor, nn

from scan2seg import logging
from scan2seg.architectures.blocks import resize_to
from scan2seg.errors import InputError
from scan2seg.plugins import unknown


class AlignedEncoder(nn.Module):
    """An encoder of segmentation_models_pytorch whose features are resized to what their place promises.

    Some encoders pad nothing (Inception) or cannot be dilated; feature i is brought to the size of the image
    divided by 2^i, at most by the output stride, rounded up.

    Args:
        encoder: images -> list of features, the image itself first.
        output_stride: the greatest division of the size.
        skip_image: drop the first entry where it is the image and no feature; else it stays.
    """

    def __init__(self, encoder: nn.Module, output_stride: int, skip_image: bool) -> None:
        """Wrap the encoder."""
        super().__init__()
        self.model = encoder
        self.output_stride = output_stride
        self.skip_image = skip_image

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features, finest first."""
        features: list[Tensor] = []
        for level, feature in enumerate(self.model(images)):
            stride = min(2**level, self.output_stride)
            features.append(resize_to(feature, [math.ceil(length / stride) for length in images.shape[2:]]))
        if self.skip_image:
            features[0] = features[0][:, :0]
        return features


def build_encoder(
    params: Any, channels: int, depth: int = 5, output_stride: int = 32, image_first: bool = False
) -> tuple[nn.Module, list[int]]:
    """Build an encoder with its weights loaded and its frozen parts frozen.

    Args:
        params: settings with ``encoder`` and those of ``EncoderSettings``.
        channels: of the images.
        depth: how often the size is halved.
        output_stride: 8, 16 or 32; beyond it the encoder is dilated instead of halved.
        image_first: keep the image as the first feature, as the library's decoders expect.

    Returns:
        The encoder, images (N, C, H, W) -> ``depth + 1`` features, finest first, and their channels; 0 channels
        stand for a feature that the encoder does not have.

    Raises:
        InputError: the encoder is unknown, or its weights are missing or do not fit.
    """
    encoder = _create(params.encoder, channels, depth, output_stride)
    features = [int(count) for count in encoder.out_channels]
    has_image = features[0] == channels
    aligned = AlignedEncoder(encoder, output_stride, skip_image=has_image and not image_first)
    if has_image and not image_first:
        features[0] = 0
    return aligned, features


def _create(name: str, channels: int, depth: int, output_stride: int) -> Any:
    import segmentation_models_pytorch as smp

    check_name(name)
    arguments = {"name": name, "in_channels": channels, "depth": depth, "weights": None}
    try:
        return smp.encoders.get_encoder(output_stride=output_stride, **arguments)
    except (ValueError, RuntimeError, NotImplementedError, TypeError) as error:
        if output_stride == 32:
            raise InputError(f"architecture: encoder: '{name}' cannot be built ({error}); choose another") from None
        logging.warn("encoder %s cannot be dilated: its deepest features are resized instead", name)
    return _create(name, channels, depth, 32)


def check_name(name: str) -> None:
    """Check that an encoder exists.

    Raises:
        InputError: no encoder has the name; the message names the nearest.
    """
    import segmentation_models_pytorch as smp
    import timm

    known = tuple(smp.encoders.get_encoder_names())
    if name.startswith("tu-"):
        if timm.is_model(name.removeprefix("tu-")):
            return
        known = tuple(f"tu-{model}" for model in timm.list_models())
        raise InputError("architecture: encoder: " + unknown("encoder", name, known)[:300])
    if name not in known:
        raise InputError("architecture: encoder: " + unknown("encoder", name, known) + ", or tu-NAME of a timm model")
