"""Settings that several architectures share; no heavy import, for configuration is checked without torch."""

from typing import Literal

from pydantic import Field

from scan2seg.config.base import Settings

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu"]
Normalisation = Literal["batch", "instance", "none"]
Upsampling = Literal["nearest", "bilinear", "transposed"]
Padding = Literal["zeros", "reflect", "replicate", "circular"]
Initialisation = Literal["default", "normal", "glorot", "he"]


class OutputSettings(Settings):
    """How the network's last layer is read."""

    output: Literal["softmax", "sigmoid"] = "softmax"
    """``sigmoid``: one output channel z for two classes, as many published binary systems have it; the module
    returns (0, z), whose softmax is the sigmoid of z."""


class DecoderSettings(OutputSettings):
    """Options of our own decoders."""

    upsampling: Upsampling = "nearest"
    """How the decoder doubles the resolution; ``transposed`` is a learned 2 x 2 transposed convolution."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout of whole channels in every decoder level, after the upsampling."""
    activation: Activation = "relu"
    """Activation after each convolution."""
    normalisation: Normalisation = "batch"
    """Normalisation after each convolution."""
    padding: Padding = "zeros"
    """How convolutions continue the image beyond its edge; ``reflect`` is mirrored padding. Encoders other than the
    plain one of ``encoder: null`` keep the padding that they were published with."""
    initialisation: Initialisation = "default"
    """Initial weights of the layers that are not pre-trained: torch's default, ``normal`` N(0, 0.01) with zero
    biases, ``glorot`` (Xavier) uniform, or ``he`` (Kaiming) normal."""
