"""From sinograms to slices: correction, rotation centre, and one plugin a reconstruction method.

Geometry, the same for every backend and the same as TomoPy's. A sample of value ``f(x, y)`` per pixel is measured as
the line integrals

    p(angle, column) = integral of f along x cos(angle) - y sin(angle) = column - centre

where ``x`` is the slice's column and ``y`` its row, counted downwards, both from the middle of the slice,
``(size - 1) / 2``, in detector pixels. At 0 degrees the detector sees the slice's columns, at 90 degrees its rows from
the last to the first:

      slice                column 0      m      n - 1
                          row 0 +--------------------+
          detector at 90        |     a              |     x, to the right: columns
          degrees: column n - 1 |          |         |     y, downwards: rows
          is beside row 0    |  |     -----+----> x  |
                             |  |          |         |     a point at (x, y), from the middle m = (n - 1) / 2,
          column 0 is beside |  |          v y       |     falls at angle t on the detector's column
          row n - 1          |  |                    |     centre + x cos(t) - y sin(t)
                          n - 1 +--------------------+
                                 --------------------
                         detector at 0 degrees: columns 0 to n - 1 from left to right

A backend is a file with ``class Params(Settings)`` and the function

    reconstruct(sinograms, angles, centre, params, threads, device) -> slices

- ``sinograms``: float32 (rows, projections, columns), minus-log attenuation, finite; not changed
- ``angles``: float64 (projections,) in radians, in any order and range
- ``centre``: the rotation axis in columns, where column 0's middle is 0.0
- ``params``: the backend's ``Params``
- ``threads``: how many to use; the result does not depend on it
- ``device``: ``auto``, ``cpu`` or ``cuda``
- returns float32 (rows, columns, columns): attenuation per pixel. A disc of value 1 comes back as 1, its centre of
  mass where it was.

Backends know nothing of files, so that they can be measured and used alone.
"""
