"""A scan whose truth is known: a pillar with particles, its projections, and what a real detector makes of them.

Axes are (row or z, y, x) for volumes and (projection, row, column) for projections; lengths are in pixels.
Nothing is ever held for the whole volume: each random number belongs to a row, or to a layer of the specimen.
"""
