"""Augmentation, one file each: the file's stem is the name in a recipe's list ``augmentation: [{method: NAME}]``.

A plugin defines ``class Params(AugmentationParams)``, which has ``probability``, and::

    def apply(params: Params, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]

- images (N, C, H, W) float32, normalised, and labels (N, H, W) uint8 or int64, on any device; whole batches.
  Volumes (N, C, D, H, W) with (N, D, H, W) are changed alike, the same in every plane.
- Every sample is drawn on its own, with ``probability``; one that is not drawn comes back bit for bit. (A change
  drawn once a batch leaves batch normalisation with statistics that fit no batch.)
- Image and label change together; labels are never interpolated, so that no new value appears but 255.
- Random numbers come from torch's global generator of the CPU: ``torch.manual_seed`` fixes them on any device.
- The inputs are not changed; shapes, types and device stay.
"""
