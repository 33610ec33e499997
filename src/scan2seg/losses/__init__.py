"""Losses, one file each: the file's stem is the name in a recipe's list ``loss: [{method: NAME, weight: 1}]``.

A plugin defines ``class Params(LossParams)``, whose ``weight`` is the loss's factor in the sum, and::

    def build(params: Params, class_weights: Tensor | None) -> Loss

``class_weights`` is (K,) float32 or None. ``Loss`` is a function of

- logits (N, K, H, W), of any floating type: computed in float32 inside;
- target (N, H, W) int64, 255 = ignore: such pixels change neither value nor gradient;
- pixel weights (N, H, W) float32 or None: the output of a ``weighting`` plugin;

A file with ``CLASSES_WEIGH_PIXELS = True`` says that a pixel counts by the weight of its class times its own; in other
losses class weights are those of a mean over classes.

It returns a scalar float32 tensor, not multiplied by ``weight``. A batch without a labelled pixel gives 0 with a
gradient of 0. Volumes (N, K, D, H, W) with (N, D, H, W) are taken alike.
"""
