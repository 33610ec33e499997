"""Segmentation models, one file each: the file's stem is the name in ``architecture: {method: NAME}``.

A plugin defines ``class Params(Settings)`` and::

    def build(params: Params, channels: int, classes: int) -> torch.nn.Module

The module's promise, checked for every plugin by the conformance test:

- ``forward``: images (N, C, H, W) float32, normalised, any H and W >= 1 -> logits (N, K, H, W), K = ``classes``.
  The softmax over axis 1 is the probability of each class. ``any_size.AnySize`` pads to what the network needs
  (mirrored) and crops again.
- In train mode ``forward`` may return a list of logits (deep supervision), each (N, K, H, W), the first the most
  accurate; in eval mode always one tensor.
- A network for volumes has the attribute ``DIMENSIONS = 3``: (N, C, D, H, W) -> (N, K, D, H, W), and so has its
  file, so that a recipe can be checked before anything is built. Without them it is two-dimensional.
- A model that is fitted rather than trained by gradient has the method
  ``fit(images: float32 (N, C, H, W), labels: integer (N, H, W), seed: int) -> None``; 255 marks pixels to ignore.
  Its state is in buffers, so that ``state_dict`` and ``load_state_dict`` carry it (``fitted.FittedModel``).
- ``build`` never downloads, and raises ``InputError`` for what a user can mend.

Folders and files without ``Params`` are helpers: building blocks, the wrapper, the description of a model.
"""
