"""Masked-image reconstruction: which blocks of an image are hidden, and how their reconstruction is judged.

After SimMIM (Xie et al. 2022, "SimMIM: a simple framework for masked image modeling"): random blocks are hidden, and
the loss is the mean absolute error over the hidden pixels alone.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from scan2seg.errors import InputError


def draw_mask(count: int, size: tuple[int, int], block: int, share: float) -> Tensor:
    """Draw which pixels are hidden, from torch's global generator of the CPU.

    Args:
        count: images.
        size: their height and width in pixels.
        block: height and width of a block; blocks lie on a grid from the top left, cut off at the other edges.
        share: of each image's blocks; at least one block is hidden and at least one is seen.

    Returns:
        (count, 1, height, width) bool, true where a pixel is hidden.

    Raises:
        InputError: an image holds less than two blocks.
    """
    rows, columns = (-(-length // block) for length in size)
    blocks = rows * columns
    if blocks < 2:
        raise InputError(
            f"pretraining.mask_size: a patch of {size[0]} x {size[1]} holds one block of {block}; lower it"
        )
    hidden = min(max(round(share * blocks), 1), blocks - 1)
    # the rank of each block in a random order of its image's blocks
    rank = torch.rand(count, blocks).argsort(dim=1).argsort(dim=1)
    grid = (rank < hidden).view(count, 1, rows, columns)
    return grid.repeat_interleave(block, 2).repeat_interleave(block, 3)[:, :, : size[0], : size[1]]


def hide(images: Tensor, mask: Tensor) -> Tensor:
    """Replace the hidden pixels of images (N, C, H, W) by the mean of what is seen of the same image and channel."""
    seen = ~mask
    mean = (images * seen).sum(dim=(2, 3), keepdim=True) / seen.sum(dim=(2, 3), keepdim=True)
    return torch.where(mask, mean, images)


def reconstruction_error(found: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error of reconstructed images (N, C, H, W) over the hidden pixels."""
    hidden = mask.expand_as(images)
    return F.l1_loss(found.float()[hidden], images[hidden])
