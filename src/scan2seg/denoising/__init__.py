"""Denoisers: one plugin file a method, applied in sequence by ``scan.denoise_scan``.

A plugin defines:

- ``Params``, its settings;
- ``depth(params) -> (z, y, x)``: how many voxels beyond a block's edge a voxel of the result can depend on;
- ``denoise(volume, params, measured, threads) -> volume``: float32 (z, y, x) in, the same shape out. Beyond the edges
  of what it is given it goes by its own boundary rule, which must not depend on anything but the distance to the edge;
- optionally ``measure(sample, params) -> dict``: numbers that hold for the whole volume, such as the noise level. It
  is called once, with a block from the middle of the volume as this step will see it, and its result is passed
  to every ``denoise`` as ``measured``; without it ``measured`` is empty. So all blocks are denoised alike. A number
  ``SAMPLE_SLICES`` asks for a block of as many slices;
- optionally ``splits(params) -> int``: the step works on reconstructions from so many disjoint sets of projections,
  is given blocks (part, z, y, x), and can only be the first step;
- optionally ``COPIES``: how many arrays of the size of its block (of one part) ``denoise`` holds at once beside it, 2
  where it is not said. The length of slabs is planned by it.
"""
