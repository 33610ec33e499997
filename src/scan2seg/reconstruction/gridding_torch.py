"""Reconstruction by gridding with torch: FFT and spreading on the device, several slice pairs at once.

The method is that of ``gridding_kernel``. On a GPU, adding each sample to 25 cells would be bound by atomic additions,
and the order of the sums would change from run to run. So the plan lists, for each cell, the samples that reach it and
their weights: spreading becomes a sum over rows of a table, which all slices of a batch share, and is reproducible.

Uploading, computing and downloading of successive batches overlap on two CUDA streams.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scan2seg.reconstruction import gridding_kernel
from scan2seg.reconstruction.gridding_kernel import TABLE_ROWS, WIDTH

_MOST_PAIRS = 16


@dataclass(frozen=True)
class TorchPlan:
    """What all slices of a scan share, on the device."""

    size: int
    columns: int
    padded: int
    grid: int
    edge_padding: bool
    factors: torch.Tensor
    """Filter and phase of each sample, complex64 (projections, padded)."""
    offsets: torch.Tensor
    """Where each cell's samples begin in ``samples``, (grid * grid,)."""
    samples: torch.Tensor
    weights: torch.Tensor
    deapodisation: torch.Tensor
    """(size, size)."""


def reconstruct(
    sinograms: NDArray[np.float32],
    angles: NDArray[np.float64],
    centre: float,
    window: str = "ramp",
    edge_padding: bool = True,
    device: str = "cuda",
) -> NDArray[np.float32]:
    """Reconstruct (rows, projections, columns) to (rows, columns, columns) on the device."""
    plan = cached_plan(
        sinograms.shape[2], np.asarray(angles, np.float64).tobytes(), centre, window, edge_padding, device
    )
    return run(np.ascontiguousarray(sinograms, np.float32), plan)


@lru_cache(maxsize=1)
def cached_plan(columns: int, angles: bytes, centre: float, window: str, edge_padding: bool, device: str) -> TorchPlan:
    """Return the plan of the last scan if it is the same: it takes about as long as some slices."""
    return make_plan(gridding_kernel.make_plan(columns, np.frombuffer(angles), centre, window, edge_padding), device)


def make_plan(plan: gridding_kernel.Plan, device: str) -> TorchPlan:
    """Move a CPU plan to the device and list every cell's samples."""
    frequency = torch.fft.fftfreq(plan.padded, 1 / plan.padded, dtype=torch.float64, device=device)
    directions = torch.from_numpy(plan.directions).to(device)
    response = torch.fft.ifftshift(torch.from_numpy(plan.response).to(device)).double()
    phase = torch.outer(directions[:, 2], frequency) * (2 * np.pi / plan.padded)
    factors = torch.polar(torch.outer(directions[:, 3], response), phase).to(torch.complex64)
    cells, weights = _spread_list(plan, directions, frequency, device)
    order_of, by_cell = torch.sort(cells)
    counts = torch.bincount(order_of, minlength=plan.grid**2)
    offsets = (torch.cumsum(counts, 0) - counts).to(torch.int32)
    along = torch.from_numpy(plan.deapodisation).to(device)
    return TorchPlan(
        size=plan.size,
        columns=plan.columns,
        padded=plan.padded,
        grid=plan.grid,
        edge_padding=plan.edge_padding,
        factors=factors,
        offsets=offsets,
        samples=(by_cell // WIDTH**2).to(torch.int32),
        weights=weights[by_cell],
        deapodisation=torch.outer(along, along),
    )


def _spread_list(
    plan: gridding_kernel.Plan, directions: torch.Tensor, frequency: torch.Tensor, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cell and the weight of every sample's 25 contributions, in the samples' order."""
    kernel = torch.from_numpy(plan.kernel).to(device).reshape(TABLE_ROWS, WIDTH)
    steps = torch.arange(WIDTH, device=device)

    def along(direction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        place = torch.outer(direction, frequency).reshape(-1) * (plan.grid / plan.padded) + plan.grid // 2 - WIDTH / 2
        first = torch.floor(place) + 1
        fraction = ((first - place) * (TABLE_ROWS - 1e-4)).long()
        return (first.long()[:, None] + steps) % plan.grid, kernel[fraction]

    # A few projections at a time: the list's double-precision parts are much larger than the list.
    parts = []
    for chosen in torch.split(directions, max(1, 2**22 // plan.padded)):
        columns, across = along(chosen[:, 0])
        rows, down = along(chosen[:, 1])
        cells = (rows[:, :, None] * plan.grid + columns[:, None, :]).to(torch.int32)
        parts.append((cells.reshape(-1), (down[:, :, None] * across[:, None, :]).reshape(-1)))
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def run(sinograms: NDArray[np.float32], plan: TorchPlan) -> NDArray[np.float32]:
    """Reconstruct all slices, batch by batch."""
    device = plan.factors.device
    slices = np.empty((len(sinograms), plan.size, plan.size), np.float32)
    length = 2 * _pairs_at_once(plan)
    starts = range(0, len(sinograms), length)
    if device.type != "cuda":
        for start in starts:
            part = torch.from_numpy(sinograms[start : start + length])
            slices[start : start + length] = reconstruct_batch(part.to(device), plan).cpu().numpy()
        return slices
    lanes = [_Lane(sinograms[:length].shape, (min(length, len(sinograms)), plan.size, plan.size)) for _ in range(2)]
    for number, start in enumerate(starts):
        lane = lanes[number % 2]
        lane.collect(slices)
        lane.begin(sinograms[start : start + length], start, plan)
    # The older lane first: its results are nearer.
    for number in (len(starts), len(starts) + 1):
        lanes[number % 2].collect(slices)
    return slices


class _Lane:
    """A CUDA stream with page-locked memory for what goes up and comes down."""

    def __init__(self, up: tuple[int, ...], down: tuple[int, ...]) -> None:
        self.stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.up = torch.empty(up, dtype=torch.float32, pin_memory=True)
        self.down = torch.empty(down, dtype=torch.float32, pin_memory=True)
        self.rows: slice | None = None

    def begin(self, sinograms: NDArray[np.float32], start: int, plan: TorchPlan) -> None:
        """Queue one batch; returns at once."""
        count = len(sinograms)
        self.up[:count].copy_(torch.from_numpy(sinograms))
        with torch.cuda.stream(self.stream):
            there = self.up[:count].to("cuda", non_blocking=True)
            self.down[:count].copy_(reconstruct_batch(there, plan), non_blocking=True)
        self.rows = slice(start, start + count)

    def collect(self, slices: NDArray[np.float32]) -> None:
        """Wait for the batch begun last, if any, and copy it out."""
        if self.rows is None:
            return
        self.stream.synchronize()
        torch.from_numpy(slices[self.rows]).copy_(self.down[: self.rows.stop - self.rows.start])
        self.rows = None


@torch.inference_mode()
def reconstruct_batch(sinograms: torch.Tensor, plan: TorchPlan) -> torch.Tensor:
    """Reconstruct one batch (rows, projections, columns) on the device to (rows, size, size)."""
    count = len(sinograms)
    if count % 2:
        sinograms = torch.cat([sinograms, sinograms[-1:]])
    pairs = torch.complex(sinograms[0::2], sinograms[1::2])
    table = (torch.fft.fft(_pad(pairs, plan), dim=2) * plan.factors).flatten(1)
    # (samples, pairs): one sample's values of all pairs lie side by side, and are read together.
    table = torch.view_as_real(table.T.contiguous()).flatten(1)
    grid = torch.nn.functional.embedding_bag(
        plan.samples, table, plan.offsets, mode="sum", per_sample_weights=plan.weights
    )
    spectrum = torch.view_as_complex(grid.reshape(plan.grid, plan.grid, -1, 2)).permute(2, 0, 1).contiguous()
    image = _inverse(spectrum, plan) * plan.deapodisation
    return torch.stack([image.real, image.imag], dim=1).flatten(0, 1)[:count]


def _pad(pairs: torch.Tensor, plan: TorchPlan) -> torch.Tensor:
    """Pad on the right, where the second half of the padding wraps to the left."""
    extra = plan.padded - plan.columns
    if not plan.edge_padding:
        return torch.nn.functional.pad(pairs, (0, extra))
    right = pairs[:, :, -1:].expand(-1, -1, extra // 2)
    left = pairs[:, :, :1].expand(-1, -1, extra - extra // 2)
    return torch.cat([pairs, right, left], dim=2)


def _inverse(spectrum: torch.Tensor, plan: TorchPlan) -> torch.Tensor:
    half = plan.size // 2
    rows = torch.fft.ifft(spectrum, dim=2, norm="forward")
    rows = torch.cat([rows[:, :, plan.grid - half :], rows[:, :, : plan.size - half]], dim=2)
    columns = torch.fft.ifft(rows, dim=1, norm="forward")
    return torch.cat([columns[:, plan.grid - half :], columns[:, : plan.size - half]], dim=1)


def _pairs_at_once(plan: TorchPlan) -> int:
    """Choose how many pairs share a batch: as many as a third of the free memory holds, in both lanes together."""
    if plan.factors.device.type != "cuda":
        return 4
    one = 8 * (4 * plan.factors.numel() + 4 * plan.grid**2)
    free, _ = torch.cuda.mem_get_info()
    return int(np.clip(free / 3 / one / 2, 1, _MOST_PAIRS))
