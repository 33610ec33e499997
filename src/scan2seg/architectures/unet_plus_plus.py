"""U-Net++ (Zhou et al. 2018): nested, densely connected levels, with deep supervision and pruning."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import DecoderSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, DecoderSettings):
    """Settings of U-Net++."""

    encoder: EncoderName | None = "resnet18"
    """Name of an encoder; null: plain levels of two convolutions."""
    depth: int | None = Field(None, ge=2, le=7)
    """How often the size is halved; null: 5 with an encoder (at most 5), 4 without."""
    width: int = Field(32, ge=1)
    """Channels of the first level of the plain network."""
    decoder_channels: list[int] | None = None
    """Channels of the nodes of each level, deepest first; null: 256, 128, 64, 32 and, to the image's own size
    where the encoder begins at half of it, 16."""
    convolutions: int = Field(2, ge=1, le=5)
    """Convolutions in a node."""
    deep_supervision: bool = False
    """Whether every branch gives an output in training."""
    mode: Literal["accurate", "fast"] = "accurate"
    """With deep supervision, what predicts: the mean of all branches' probabilities, or one branch."""
    fast_branch: int | None = Field(None, ge=1)
    """Which branch predicts in the fast mode, 1 is the shallowest; null: the deepest. Deeper parts are not
    computed."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from scan2seg.architectures.nested import build_nested

    return build_nested(params, channels, classes)
