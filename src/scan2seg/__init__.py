"""From raw X-ray projections to a benchmark of segmentation models."""

__version__ = "0.1.0"
