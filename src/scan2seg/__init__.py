"""From raw X-ray projections to a benchmark of segmentation models."""

__version__ = "0.2.0"
