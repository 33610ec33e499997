"""Reconstruction by gridding on a CPU, with numba and scipy alone.

Filtered backprojection is a sum of plane waves, one for each sample of the ramp-filtered projections' spectra. Each is
spread onto a Cartesian grid 1.25 times finer than the slice's spectrum with a Kaiser-Bessel kernel five points wide;
one inverse transform and a division by the kernel's own transform give the slice (Fessler and Sutton, IEEE Trans.
Signal Processing 51, 560, 2003; the kernel's shape by Beatty, Nishimura and Pauly, IEEE Trans. Med. Imaging 24, 799,
2005). Two slices share a transform, as the real and the imaginary part.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import i0

from scan2seg.reconstruction.filters import angle_weights, detector_direction, ramp_filter
from scan2seg.reconstruction.jit import compiled, compiled_fast

WIDTH = 5
OVERSAMPLING = 1.25
BETA = np.pi * np.sqrt((WIDTH / OVERSAMPLING) ** 2 * (OVERSAMPLING - 0.5) ** 2 - 0.8)
MARGIN = 4
# Odd, so that a sample in the middle of a cell, as many of a ray along an axis are, is met exactly.
TABLE_ROWS = 1023
BLOCK = 32
# Samples that follow each other along a ray write to the same cells. Taking them from distant parts of the ray keeps
# a store from having to wait for the one before it.
STRANDS = 2


@dataclass(frozen=True)
class Plan:
    """What all slices of a scan share."""

    columns: int
    size: int
    padded: int
    grid: int
    edge_padding: bool
    directions: NDArray[np.float64]
    """(projections, 4): the detector's direction across and down, centre in columns for the slice's origin, weight."""
    response: NDArray[np.float32]
    kernel: NDArray[np.float32]
    deapodisation: NDArray[np.float32]


def make_plan(
    columns: int, angles: NDArray[np.float64], centre: float, window: str = "ramp", edge_padding: bool = True
) -> Plan:
    """Prepare the reconstruction of slices of ``columns`` x ``columns`` pixels."""
    padded = 2 * BLOCK * scipy.fft.next_fast_len(-(-columns // BLOCK))
    grid = 2 * scipy.fft.next_fast_len(int(np.ceil(columns * OVERSAMPLING / 2)))
    across, down = detector_direction(angles)
    # The transform's origin is a pixel, the slice's is its middle: half a pixel away where the size is even.
    half = columns // 2 - (columns - 1) / 2
    origin = centre + half * (across + down)
    directions = np.stack([across, down, origin, angle_weights(angles)], axis=1)
    return Plan(
        columns=columns,
        size=columns,
        padded=padded,
        grid=grid,
        edge_padding=edge_padding,
        directions=directions,
        response=_two_sided(ramp_filter(padded, window) / padded),
        kernel=kernel_table().reshape(-1),
        deapodisation=deapodisation(columns, grid),
    )


def _two_sided(response: NDArray[np.float64]) -> NDArray[np.float32]:
    """Order from minus to plus Nyquist. Nyquist itself, which has no partner, is left out: real stays real."""
    two_sided = np.concatenate([response[:0:-1], response[:-1]]).astype(np.float32)
    two_sided[0] = 0
    return two_sided


def kernel_table() -> NDArray[np.float32]:
    """Return the kernel's five values for each fraction of a cell, (TABLE_ROWS, WIDTH)."""
    fraction = (np.arange(TABLE_ROWS) + 0.5) / TABLE_ROWS
    distance = fraction[:, None] - WIDTH / 2 + np.arange(WIDTH)
    return np.asarray(i0(BETA * np.sqrt(np.maximum(1 - (2 * distance / WIDTH) ** 2, 0))) / i0(BETA), dtype=np.float32)


def deapodisation(size: int, grid: int) -> NDArray[np.float32]:
    """Return what each pixel along an axis is multiplied by to undo the spreading, (size,).

    The alternating sign moves the spectrum's zero from the grid's corner to its middle.
    """
    position = np.arange(size) - size // 2
    root = np.sqrt(BETA**2 - (np.pi * WIDTH * position / grid) ** 2)
    transform = WIDTH * np.sinh(root) / root / i0(BETA)
    return np.asarray((1 - 2 * (np.abs(position) % 2)) / transform, dtype=np.float32)


def reconstruct(sinograms: NDArray[np.float32], plan: Plan, threads: int = 1) -> NDArray[np.float32]:
    """Reconstruct (rows, projections, columns) to (rows, size, size); the same result for any number of threads."""
    rows = sinograms.shape[0]
    slices = np.empty((rows, plan.size, plan.size), np.float32)
    buffers = threading.local()
    work = partial(_reconstruct_pair, sinograms, slices, plan, buffers)
    starts = range(0, rows, 2)
    if threads <= 1 or len(starts) == 1:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, starts))
    return slices


def _reconstruct_pair(
    sinograms: NDArray[np.float32], slices: NDArray[np.float32], plan: Plan, buffers: Any, start: int
) -> None:
    if not hasattr(buffers, "grid"):
        width = plan.grid + 2 * MARGIN
        buffers.grid = np.empty((width, width), np.complex64)
        buffers.needed = np.empty((plan.grid, plan.size), np.complex64)
        buffers.spectra = np.empty((sinograms.shape[1], plan.padded), np.complex64)
    second = min(start + 1, len(sinograms) - 1)
    _pack(sinograms[start], sinograms[second], buffers.spectra, plan.edge_padding)
    spectra = scipy.fft.fft(buffers.spectra, axis=1, overwrite_x=True)
    grid = buffers.grid
    grid.fill(0)
    _spread(spectra, plan.directions, plan.response, plan.kernel, grid.view(np.float32).reshape(-1), plan.grid)
    _fold(grid, plan.grid)
    inner = grid[MARGIN : MARGIN + plan.grid, MARGIN : MARGIN + plan.grid]
    image = _inverse(inner, buffers.needed)
    _unpack(image, plan.deapodisation, slices[start], slices[second])


def _inverse(grid: NDArray[np.complex64], needed: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Transform the grid in place, along the rows only those columns that the slice needs; pixel 0 is at index 0."""
    size = needed.shape[1]
    half = size // 2
    rows = scipy.fft.ifft(grid, axis=1, norm="forward", overwrite_x=True)
    needed[:, :half] = rows[:, rows.shape[1] - half :]
    needed[:, half:] = rows[:, : size - half]
    return np.asarray(scipy.fft.ifft(needed, axis=0, norm="forward", overwrite_x=True))


@compiled
def _pack(first: Any, second: Any, packed: Any, edge_padding: bool) -> None:
    """Make two slices one complex signal; pad on the right, where the second half of the padding wraps to the left."""
    projections, columns = first.shape
    padded = packed.shape[1]
    middle = columns + (padded - columns) // 2
    for i in range(projections):
        for j in range(columns):
            packed[i, j] = complex(first[i, j], second[i, j])
        right = packed[i, columns - 1] if edge_padding else np.complex64(0)
        left = packed[i, 0] if edge_padding else np.complex64(0)
        packed[i, columns:middle] = right
        packed[i, middle:] = left


@compiled_fast
def _spread(spectra: Any, directions: Any, response: Any, kernel: Any, grid: Any, cells: int) -> None:
    """Add every sample of the spectra, filtered and moved to the rotation axis, to 5 x 5 cells of the grid.

    ``grid`` is flat and holds real and imaginary parts side by side. Unsigned indices: numba would check
    each signed one for a negative value, and the inner loop would not become vector instructions.
    """
    projections, padded = spectra.shape
    line = np.uint64(2 * (cells + 2 * MARGIN))
    cell = np.empty(padded, np.uint32)
    across = np.empty(padded, np.uint32)
    down = np.empty(padded, np.uint32)
    values = np.empty(padded, np.complex64)
    strand = padded // STRANDS
    for i in range(projections):
        _filter(spectra[i], directions[i, 2], directions[i, 3], response, values)
        _locate(padded, directions[i, 0], directions[i, 1], cells, cell, across, down)
        for n in range(strand):
            for s in range(STRANDS):
                sample = np.uint64(s * strand + n)
                re, im = values[sample].real, values[sample].imag
                x = np.uint64(across[sample])
                y = np.uint64(down[sample])
                w0, w1, w2 = kernel[x], kernel[x + np.uint64(1)], kernel[x + np.uint64(2)]
                w3, w4 = kernel[x + np.uint64(3)], kernel[x + np.uint64(4)]
                at = np.uint64(cell[sample])
                for r in range(WIDTH):
                    weight = kernel[y + np.uint64(r)]
                    a, b = re * weight, im * weight
                    grid[at] += a * w0
                    grid[at + np.uint64(1)] += b * w0
                    grid[at + np.uint64(2)] += a * w1
                    grid[at + np.uint64(3)] += b * w1
                    grid[at + np.uint64(4)] += a * w2
                    grid[at + np.uint64(5)] += b * w2
                    grid[at + np.uint64(6)] += a * w3
                    grid[at + np.uint64(7)] += b * w3
                    grid[at + np.uint64(8)] += a * w4
                    grid[at + np.uint64(9)] += b * w4
                    at += line


@compiled_fast
def _filter(spectrum: Any, origin: float, weight: float, response: Any, values: Any) -> None:
    """Multiply one projection's spectrum by the filter and move its origin to the rotation axis.

    ``values`` are in the order of frequency, from minus Nyquist. The phases are powers of one exponential.
    """
    padded = spectrum.shape[0]
    half = padded // 2
    step = np.exp(2j * np.pi * origin / padded)
    turn = np.complex128(1)
    fine = np.empty(BLOCK, np.complex64)
    for j in range(BLOCK):
        fine[j] = turn
        turn *= step
    coarse = weight * np.exp(-1j * np.pi * origin)
    for start in range(0, padded, BLOCK):
        single = np.complex64(coarse)
        source = start + half if start < half else start - half
        for j in range(BLOCK):
            phase = single * fine[j] * response[start + j]
            values[start + j] = spectrum[source + j] * phase
        coarse *= turn


@compiled_fast
def _locate(padded: int, right: float, below: float, cells: int, cell: Any, across: Any, down: Any) -> None:
    """Find each sample's first cell in the flat grid and the rows of the kernel's table for its two fractions."""
    half = padded // 2
    line = 2 * (cells + 2 * MARGIN)
    across_step = right * cells / padded
    down_step = below * cells / padded
    middle = cells // 2 + MARGIN - WIDTH / 2 + 1
    for n in range(padded):
        column = middle + (n - half) * across_step
        row = middle + (n - half) * down_step
        first_column, first_row = np.int32(column), np.int32(row)
        # The fraction is in (0, 1]: 1 would be the table's row past the end.
        across[n] = WIDTH * np.int32((first_column + 1 - column) * (TABLE_ROWS - 1e-4))
        down[n] = WIDTH * np.int32((first_row + 1 - row) * (TABLE_ROWS - 1e-4))
        cell[n] = first_row * line + 2 * first_column


@compiled
def _fold(grid: Any, cells: int) -> None:
    """Add what was spread beyond the grid's edges to the other side: the spectrum is periodic."""
    width = grid.shape[0]
    for row in range(width):
        for column in range(MARGIN):
            grid[row, column + cells] += grid[row, column]
        for column in range(MARGIN + cells, width):
            grid[row, column - cells] += grid[row, column]
    for column in range(width):
        for row in range(MARGIN):
            grid[row + cells, column] += grid[row, column]
    for row in range(MARGIN + cells, width):
        for column in range(width):
            grid[row - cells, column] += grid[row, column]


@compiled
def _unpack(image: Any, factor: Any, first: Any, second: Any) -> None:
    """Undo the spreading and write the real part to one slice and the imaginary part to the other."""
    size = first.shape[0]
    half = size // 2
    for i in range(size):
        source = i - half
        line = image[source if source >= 0 else source + image.shape[0]]
        for j in range(size):
            scale = factor[i] * factor[j]
            second[i, j] = line[j].imag * scale
            first[i, j] = line[j].real * scale
