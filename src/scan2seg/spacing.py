"""What a distance between voxels is, wherever one is read, resampled or measured with."""

Spacing = tuple[float, float, float]
"""From voxel to voxel along (z, y, x)."""
