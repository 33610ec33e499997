"""Measures beside IoU, each a pure function of arrays: agreement, surfaces, particles, calibration, position."""
