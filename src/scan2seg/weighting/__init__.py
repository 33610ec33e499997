"""Weights of single pixels, one file each: the file's stem is the name in ``weighting: {method: NAME}``.

A plugin defines ``class Params(Settings)`` and::

    def weigh(params: Params, labels: Tensor) -> Tensor

labels (N, H, W) integer, 255 = ignore -> weights (N, H, W) float32, >= 0, on the labels' device. Every sample is
weighed on its own; volumes (N, D, H, W) are taken alike, with boxes and distances in space. Losses multiply the weights
with their class weights and divide by their sum.

Where a file also defines ``relate(params: Params, class_weights: Tensor) -> Params``, its settings are those that this
returns for losses that multiply the weights of pixels with those of their classes: its own are then meant to be added.

A file with ``KEPT = True`` says that its weights take long, and that they turn with the labels, bit for bit, when those
are flipped or turned by quarters: they are made once a patch, not in each step (``label_maps.py``).
"""
