"""File formats of raw scans, one plugin each.

A reader is a file with ``class Params(Settings)`` (its options) and two functions:

- ``recognises(path) -> bool``: whether the file or folder is of this format; quick, and False rather than an error.
- ``open_frames(paths, params) -> Contents``: opens the files (one, or several that are one series), reads headers
  only, and raises ``InputError`` with a message that names the file where they are unreadable.
"""
