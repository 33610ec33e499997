"""Build an encoder whose features have the sizes that decoders expect, whatever the library does."""

import math
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from scan2seg import logging
from scan2seg.encoders.dilation import dilate_inception_v3, is_inception_v3
from scan2seg.encoders.freezing import freeze_parts, hold_statistics
from scan2seg.encoders.names import check_name
from scan2seg.encoders.pruning import prune_unused
from scan2seg.encoders.weights import find_weights, load_weights
from scan2seg.errors import InputError


class AlignedEncoder(nn.Module):
    """An encoder of a library whose features are brought to the sizes that their places promise.

    Feature i has the size of the image divided by 2^i, at most by the output stride, rounded up. Some encoders pad
    nothing (Inception), so their features stand for the image's interior: they are continued at the edges. Some
    cannot be dilated: their deepest features are resized.

    Frozen parts keep their normalisation statistics in train mode.

    Args:
        encoder: images -> list of features, the image itself first.
        output_stride: the greatest division of the size.
        keep_image: give the image as the first feature, else one of no channels in its place.
        has_image: whether the encoder's first feature is the image.
    """

    def __init__(self, encoder: nn.Module, output_stride: int, *, keep_image: bool, has_image: bool) -> None:
        """Wrap the encoder."""
        super().__init__()
        self.model = encoder
        self.output_stride = output_stride
        self.drop_image = has_image and not keep_image

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features, finest first."""
        features: list[Tensor] = []
        for level, feature in enumerate(self.model(images)):
            stride = min(2**level, self.output_stride)
            features.append(align(feature, [math.ceil(length / stride) for length in images.shape[2:]]))
        if self.drop_image:
            features[0] = features[0][:, :0]
        return features

    def train(self, mode: bool = True) -> "AlignedEncoder":
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        hold_statistics(self.model)
        return self


def align(feature: Tensor, size: list[int]) -> Tensor:
    """Bring features (N, C, h, w) to a size: continue or cut the edges evenly; resize where it is far off."""
    if list(feature.shape[2:]) == size:
        return feature
    if feature.shape[1] == 0:
        return feature.new_empty(*feature.shape[:2], *size)
    if any(target > 1.6 * length + 2 for length, target in zip(feature.shape[2:], size, strict=True)):
        return F.interpolate(feature, size=size, mode="bilinear", align_corners=False)
    rows, columns = (target - length for length, target in zip(feature.shape[2:], size, strict=True))
    edges = [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
    return F.pad(feature, edges, mode="replicate")


def build_encoder(
    params: Any, channels: int, depth: int = 5, output_stride: int = 32, keep_image: bool = False
) -> tuple[nn.Module, list[int]]:
    """Build an encoder with its weights loaded and its frozen parts frozen.

    Args:
        params: settings with ``encoder`` and those of ``EncoderSettings``.
        channels: of the images.
        depth: how often the size is halved.
        output_stride: 8, 16 or 32; beyond it the encoder is dilated instead of halved.
        keep_image: give the image as the first feature, as the library's decoders expect.

    Returns:
        The encoder, images (N, C, H, W) -> ``depth + 1`` features, finest first, and their channels; 0 channels
        stand for a feature that the encoder does not have.

    Raises:
        InputError: the encoder is unknown, or its weights are missing or do not fit.
    """
    encoder = create(params.encoder, channels, depth, output_stride)
    prepare(encoder, params, channels)
    features = [int(count) for count in encoder.out_channels]
    has_image = features[0] == channels
    if has_image and not keep_image:
        features[0] = 0
    aligned = AlignedEncoder(encoder, output_stride, keep_image=keep_image, has_image=has_image)
    return aligned, features


def prepare(encoder: nn.Module, params: Any, channels: int) -> None:
    """Drop what an encoder never uses, load its weights, freeze its parts; in place."""
    prune_unused(encoder, channels)
    path = find_weights(params.encoder, params.pretrained)
    if path is not None:
        load_weights(encoder, params.encoder, channels, path, params.sha256)
    freeze_parts(encoder, channels, params.freeze)


def create(name: str, channels: int, depth: int = 5, output_stride: int = 32) -> Any:
    """Create a library's encoder with random weights.

    Raises:
        InputError: the encoder is unknown or cannot be built.
    """
    import segmentation_models_pytorch as smp

    check_name(name)
    if output_stride >= 2**depth:
        output_stride = 32  # nothing is to be dilated, so whether the encoder can be is no matter
    if name.startswith("tv-"):
        from scan2seg.encoders.torchvision_models import TorchvisionEncoder

        if output_stride < 2**depth:
            logging.warn("encoder %s cannot be dilated: its deepest features are resized instead", name)
        return TorchvisionEncoder(name, channels, depth)
    if output_stride < 32 and is_inception_v3(name):
        inception = create(name, channels, depth)
        dilate_inception_v3(inception.model, output_stride)
        return inception
    # Windowed transformers refuse other sizes than the one of their training unless told otherwise.
    extra = {"strict_img_size": False} if "swin" in name else {}
    arguments = {"name": name, "in_channels": channels, "depth": depth, "weights": None, **extra}
    try:
        return smp.encoders.get_encoder(output_stride=output_stride, **arguments)
    except (ValueError, RuntimeError, NotImplementedError, TypeError, AssertionError) as error:
        if output_stride == 32:
            raise InputError(f"architecture: encoder: '{name}' cannot be built ({error}); choose another") from None
        logging.warn("encoder %s cannot be dilated: its deepest features are resized instead", name)
    return create(name, channels, depth, 32)
