"""The label of pixels whose class is unknown: they are left out of training and scores."""

IGNORE = 255
