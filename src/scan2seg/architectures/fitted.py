"""Base of models that are fitted to grey levels or features instead of trained by gradient."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from scan2seg.architectures.naming import name_groups
from scan2seg.errors import InputError


class FittedModel(nn.Module):
    """A module whose whole state is in buffers, empty before ``fit`` and sized by it.

    ``load_state_dict`` takes the buffers' sizes from the state, so that a checkpoint restores a fitted model.
    """

    def fit(self, images: Tensor, labels: Tensor, seed: int) -> None:
        """Fit to images (N, C, H, W) float32 and labels (N, H, W), 255 = ignore."""
        raise NotImplementedError

    def set_state(self, **state: Tensor) -> None:
        """Put tensors into the buffers of these names."""
        for name, value in state.items():
            self.register_buffer(name, value.detach().clone())

    def check_fitted(self, buffer: Tensor) -> None:
        """Refuse to predict before ``fit``.

        Raises:
            InputError: the buffer is empty.
        """
        if buffer.numel() == 0:
            raise InputError(f"{type(self).__name__}: the model was not fitted; train it, or load its checkpoint")

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, buffer in list(self._buffers.items()):
            stored = state_dict.get(prefix + name)
            if buffer is not None and isinstance(stored, Tensor) and stored.shape != buffer.shape:
                self._buffers[name] = torch.empty(stored.shape, dtype=stored.dtype, device=buffer.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def labelled_pixels(images: Tensor, labels: Tensor, classes: int, limit: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the values and labels of labelled pixels, a random sample where there are more than ``limit``.

    Args:
        images: (N, C, H, W).
        labels: (N, H, W), 255 = ignore.
        classes: how many.
        limit: the most pixels to return.
        seed: of the sample.

    Returns:
        Values (P, C) float32 and labels (P,) int64.

    Raises:
        InputError: no pixel is labelled.
    """
    flat = labels.reshape(-1).to(torch.int64).cpu()
    valid = torch.nonzero(flat < classes).squeeze(1)
    if valid.numel() == 0:
        raise InputError("training: no pixel of the training patches is labelled; check the labels and the split")
    if valid.numel() > limit:
        generator = torch.Generator().manual_seed(seed)
        valid = valid[torch.randperm(valid.numel(), generator=generator)[:limit]]
    values = images.movedim(1, -1).reshape(-1, images.shape[1])[valid.to(images.device)].float().cpu()
    return values, flat[valid]


def log_shares(groups: Tensor, labels: Tensor, count: int, classes: int) -> Tensor:
    """Return the logarithm of each class's share among the pixels of each group, (count, classes).

    Half a pixel a class is added, so that no share is zero; a group without pixels has equal shares. The class that
    ``name_groups`` gives a group has the greatest share: where another one has it, the two are exchanged.
    """
    counts = torch.bincount(groups * classes + labels, minlength=count * classes).reshape(count, classes)
    names = torch.from_numpy(name_groups(counts.numpy()))[:, None]
    most = counts.argmax(1, keepdim=True)
    shares = counts.double() + 0.5
    shares = shares.scatter(1, most, shares.gather(1, names)).scatter(1, names, shares.gather(1, most))
    return (shares / shares.sum(1, keepdim=True)).log().float()
