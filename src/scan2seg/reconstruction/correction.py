"""Raw counts become sinograms, by the settings of a reconstruction."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.errors import InputError
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction import preprocessing
from scan2seg.reconstruction.counts import Counts
from scan2seg.reconstruction.fields import Fields, read_needed

Sinograms = NDArray[np.float32]


@dataclass
class Correction:
    """Turns rows of the detector into sinograms, by the settings, and counts what it mends."""

    scan: Scan
    settings: ReconstructionSettings
    threads: int = 1
    fields: Fields | None = None
    """Flats and darks, of all rows that will be corrected; without them they are read for each block."""
    counts: Counts = field(default_factory=Counts)

    @property
    def phase_length(self) -> float | None:
        """Length of Paganin's filter in binned pixels; None without phase retrieval."""
        s = self.settings
        if s.delta_beta is None or s.energy is None or s.distance is None:
            return None
        size = s.pixel_size or self.scan.pixel_size
        if size is None:
            raise InputError(f"{self.scan.path}: has no pixel size, which phase retrieval needs. Give pixel_size:")
        return preprocessing.paganin_length(s.delta_beta, s.energy, s.distance, size * s.binning)

    @property
    def halo(self) -> int:
        """How many detector rows beyond the wanted ones each side enter the result."""
        length = self.phase_length
        return 0 if length is None else int(np.ceil(8 * length)) * self.settings.binning

    def rows_to_read(self, first: int, last: int) -> tuple[int, int]:
        """Return the detector rows that the rows first to last need: the halo too, where the detector has it.

        Above, whole binned rows only: the first one read begins a binned row of those that are wanted.
        """
        binning = self.settings.binning
        above = min(self.halo, first // binning * binning)
        return first - above, min(last + self.halo, self.scan.shape[1])

    def sinograms(self, raw: NDArray[Any], first: int, last: int, window: int = 0) -> Sinograms:
        """Correct and bin raw counts (projections, rows, columns), and count what is mended in the wanted rows.

        Args:
            raw: of the rows that ``rows_to_read`` names.
            first: the first wanted row of the detector.
            last: behind the last wanted one.
            window: how many binned rows phase is retrieved of at a time; 0 for all of them.

        Returns:
            The wanted rows, binned, (rows, projections, columns).
        """
        s, counts, start = self.settings, self.counts, self.rows_to_read(first, last)[0]
        above, length = (first - start) // s.binning, (last - first) // s.binning
        sinograms = self._transmissions(raw, start, slice(first - start, last - start))
        if not s.already_logarithm and self.phase_length is not None:
            sinograms = self._retrieve_phase(sinograms, first, last, window)
        else:
            sinograms = np.ascontiguousarray(sinograms[above : above + length])
        if not s.already_logarithm:
            counts.clipped += s.binning**2 * preprocessing.minus_logarithm(sinograms, s.minimum_transmission)
        return sinograms

    def _transmissions(self, raw: NDArray[Any], start: int, own: slice) -> Sinograms:
        """Take all steps that are taken row by row on the rows from ``start``, counting those of the rows ``own``."""
        s, counts, stop = self.settings, self.counts, start + raw.shape[1]
        if self.fields is None:
            fields = read_needed(self.scan, s, slice(start, stop), self.threads)
        else:
            fields = self.fields.of_rows(start, stop)
        sinograms, bad = preprocessing.transmissions(raw, fields, self.scan.moments, self.threads)
        counts.nonfinite += int(bad[own].sum())
        counts.values += raw[:, own].size
        empty = preprocessing.fill(sinograms, 0.0 if s.already_logarithm else 1.0, self.threads)
        counts.empty_slices += int(empty[own].sum())
        if s.zinger_threshold is not None and not s.already_logarithm:
            zingers = preprocessing.remove_zingers(sinograms, s.zinger_threshold, self.threads)
            counts.zingers += int(zingers[own].sum())
        return preprocessing.bin_pixels(sinograms, s.binning)

    def _retrieve_phase(self, sinograms: Sinograms, first: int, last: int, window: int) -> Sinograms:
        """Filter binned transmissions, halo included, a window and its own halo at a time; return the wanted rows."""
        binning, length, start = self.settings.binning, self.phase_length or 0.0, self.rows_to_read(first, last)[0]
        result = np.empty(((last - first) // binning, *sinograms.shape[1:]), np.float32)
        step = (window or len(result)) * binning
        for begin in range(first, last, step):
            end = min(begin + step, last)
            seen = [(row - start) // binning for row in self.rows_to_read(begin, end)]
            part = sinograms[slice(*seen)].copy()
            preprocessing.retrieve_phase(part, length, self.threads)
            target = result[(begin - first) // binning : (end - first) // binning]
            before = (begin - start) // binning - seen[0]
            target[:] = part[before : before + len(target)]
        return result
