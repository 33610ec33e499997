"""Files for other programs that volumes are written to beside the Zarr store, one module a format.

A format is a file with ``class Params(Settings)``, the constant ``SUFFIX`` that its files end in, and the function

    write_volume(path, slices, shape, pixel_size, facts, params)

- ``path``: the file to write; it takes its name when it is complete
- ``slices``: yields float32 (y, x), from slice 0 on; they are never all in memory
- ``shape``: (z, y, x)
- ``pixel_size``: micrometres, or None where nobody knows it
- ``facts``: JSON values that travel with the volume, such as its units, orientation and provenance
- ``params``: the format's ``Params``

The first row of a slice is the file's first, as in the store.
"""
