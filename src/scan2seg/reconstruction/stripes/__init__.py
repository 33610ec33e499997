"""Removal of stripes from sinograms, which would become rings in the slice. One plugin a method.

A plugin defines ``Params`` and ``remove(sinograms, params, threads) -> sinograms``: float32 (rows, projections,
columns) of minus-log attenuation in and out; the input may be changed.
"""
