"""The nested U-Net of ``unet_plus_plus``."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scan2seg.architectures.any_size import accept_any_size, head_channels
from scan2seg.architectures.blocks import Convolutions, Style, initialise_new, upsample
from scan2seg.architectures.unet_family import make_encoder
from scan2seg.errors import InputError

_WIDTHS = (32, 64, 128, 256, 512, 512, 512)


class NestedUNet(nn.Module):
    """Nodes X[i, j] on level i (0 is the finest): X[i, 0] are the encoder's features, and X[i, j] convolves
    X[i, 0..j-1] and the doubled X[i + 1, j - 1]. Branch j is X[0, j].

    Args:
        encoder: images -> features, finest first; those without channels are left out.
        features: their channels.
        widths: channels of the nodes of levels 0, 1, ...
        final: channels of a last doubling, where the finest features are half the image's size; else 0.
        outputs: channels of the logits, 1 for a sigmoid.
        params: settings of ``unet_plus_plus``.
    """

    def __init__(
        self, encoder: nn.Module, features: list[int], widths: list[int], final: int, outputs: int, params: Any
    ) -> None:
        """Build the nodes, and one head a branch."""
        super().__init__()
        style = Style.of(params)
        self.encoder = encoder
        self.used = [index for index, count in enumerate(features) if count]
        counts = [features[index] for index in self.used]
        self.branches = len(counts) - 1
        self.supervised = params.deep_supervision
        self.fast = params.mode == "fast"
        self.deepest = min(params.fast_branch or self.branches, self.branches) if self.fast else self.branches
        self.ups, self.nodes = nn.ModuleDict(), nn.ModuleDict()
        for j in range(1, self.branches + 1):
            for i in range(self.branches - j + 1):
                below = counts[i + 1] if j == 1 else widths[i + 1]
                raised = widths[i] if params.upsampling == "transposed" else below
                self.ups[f"{i}_{j}"] = upsample(params.upsampling, below, widths[i])
                inputs = counts[i] + (j - 1) * widths[i] + raised
                block = Convolutions(inputs, widths[i], style, params.convolutions)
                self.nodes[f"{i}_{j}"] = nn.Sequential(style.drop(), block)
        self.final = (
            nn.Identity()
            if not final
            else nn.Sequential(
                upsample(params.upsampling, widths[0], widths[0]),
                Convolutions(widths[0], final, style, params.convolutions),
            )
        )
        heads = range(1, self.branches + 1) if self.supervised else [self.branches]
        self.heads = nn.ModuleDict({str(j): style.convolution(final or widths[0], outputs) for j in heads})

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Map images to logits; in train mode with deep supervision to a list, the deepest branch first."""
        found = self.encoder(images)
        last = self.branches if self.training or not self.fast else self.deepest
        columns: list[list[Tensor]] = [[found[index] for index in self.used][: last + 1]]
        for j in range(1, last + 1):
            column = []
            for i in range(last - j + 1):
                raised = self.ups[f"{i}_{j}"](columns[j - 1][i + 1])
                column.append(self.nodes[f"{i}_{j}"](torch.cat([*(c[i] for c in columns), raised], 1)))
            columns.append(column)
        if not self.supervised:
            return self._head(columns[last][0], self.branches)
        if not self.training and self.fast:
            return self._head(columns[last][0], last)
        logits = [self._head(columns[j][0], j) for j in range(last, 0, -1)]
        return logits if self.training else mean_of_branches(logits)

    def _head(self, features: Tensor, branch: int) -> Tensor:
        logits: Tensor = self.heads[str(branch)](self.final(features))
        return logits


def mean_of_branches(logits: list[Tensor]) -> Tensor:
    """Return logits whose probabilities are the mean of the branches'; one channel is a sigmoid's."""
    stack = torch.stack(logits).float()
    if stack.shape[2] > 1:
        return stack.log_softmax(2).logsumexp(0)
    return F.logsigmoid(stack).logsumexp(0) - F.logsigmoid(-stack).logsumexp(0)


def build_nested(params: Any, channels: int, classes: int) -> nn.Module:
    """Build what the settings of ``unet_plus_plus`` describe.

    Raises:
        InputError: settings that contradict each other.
    """
    encoder, features = make_encoder(params, channels, Style.of(params))
    levels = sum(count > 0 for count in features) - 1
    missing = features.index(next(count for count in features if count))
    given = params.decoder_channels
    if given is not None and len(given) != levels + (missing > 0):
        raise InputError(f"architecture: decoder_channels: {given} needs {levels + (missing > 0)} numbers")
    if params.mode == "fast" and params.fast_branch and not params.deep_supervision:
        raise InputError("architecture: fast_branch: only deep_supervision: true trains the other branches")
    if params.fast_branch and params.fast_branch > levels:
        raise InputError(f"architecture: fast_branch: {params.fast_branch} is more than the {levels} branches")
    finest_first = list(given[::-1]) if given else ([16] if missing else []) + list(_WIDTHS[:levels])
    final = finest_first.pop(0) if missing else 0
    outputs = head_channels(params.output, classes)
    network = NestedUNet(encoder, features, finest_first, final, outputs, params)
    initialise_new(params, encoder, network.ups, network.nodes, network.final, network.heads)
    stride = 2 ** (len(features) - 1)
    return accept_any_size(network, channels, stride, params.output)
