"""Time and error of the reconstruction backends side by side on exact data; ratios to FINUFFT and to TomoPy's gridrec.

    python benchmarks/reconstruction.py                       # 1024 and 2048 pixels, two threads
    python benchmarks/reconstruction.py --device cuda         # the torch path on a GPU, transfers included

Needs NumPy, SciPy and Numba; FINUFFT, TomoPy and torch are compared where they can be imported.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

MATRIX = 11e-4


def discs(size):
    rng = np.random.default_rng(7)
    found = [(0.0, 0.0, 0.42 * size, MATRIX)]
    for _ in range(60):
        radius, turn = 0.36 * size * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        place = radius * np.cos(turn), radius * np.sin(turn)
        found.append((*place, size * rng.uniform(0.004, 0.03), MATRIX * rng.uniform(-0.5, 1.0)))
    return found


def exact_sinogram(size, angles, centre):
    """Line integrals averaged over each detector pixel: (projections, columns)."""
    result = np.zeros((len(angles), size))
    column = np.arange(size) - centre
    for x, y, radius, value in discs(size):
        distance = column - (x * np.cos(angles) - y * np.sin(angles))[:, None]
        upper, lower = (np.clip(distance + side, -radius, radius) for side in (0.5, -0.5))
        for part, sign in ((upper, 1), (lower, -1)):
            result += sign * value * (part * np.sqrt(radius**2 - part**2) + radius**2 * np.arcsin(part / radius))
    return result.astype(np.float32)


def truth(size, fine=4):
    """The slice, each pixel the mean of ``fine`` x ``fine`` points."""
    image = np.zeros((size, size))
    middle = (size - 1) / 2
    for x, y, radius, value in discs(size):
        top, bottom = (int(np.clip(y + middle + side * (radius + 2), 0, size)) for side in (-1, 1))
        left, right = (int(np.clip(x + middle + side * (radius + 2), 0, size)) for side in (-1, 1))
        offset = (np.arange(fine) + 0.5) / fine - 0.5
        rows = (np.arange(top, bottom)[:, None] + offset).ravel() - middle - y
        columns = (np.arange(left, right)[:, None] + offset).ravel() - middle - x
        inside = rows[:, None] ** 2 + columns**2 <= radius**2
        image[top:bottom, left:right] += value * inside.reshape(bottom - top, fine, right - left, fine).mean(
            axis=(1, 3)
        )
    return image


def backends(device, threads):
    from scan2seg.reconstruction import gridding_kernel

    found = {}
    if device == "cuda":
        from scan2seg.reconstruction import gridding_torch

        found["gridding torch"] = lambda stack, angles, centre: gridding_torch.reconstruct(stack, angles, centre)

    def gridding(stack, angles, centre):
        plan = gridding_kernel.make_plan(stack.shape[2], angles, centre)
        return gridding_kernel.reconstruct(stack, plan, threads)

    found["gridding numba"] = gridding
    try:
        import finufft

        from scan2seg.reconstruction import finufft as plugin

        params = plugin.Params(tolerance=1e-3, upsampling=1.25)
        found[f"finufft {finufft.__version__}"] = lambda s, a, c: plugin.reconstruct(s, a, c, params, threads)
    except ImportError:
        print("finufft: not installed, left out")
    try:
        import tomopy

        def gridrec(stack, angles, centre):
            return tomopy.recon(stack, -angles, center=centre, sinogram_order=True, algorithm="gridrec",
                                filter_name="ramlak", ncore=threads)  # fmt: skip

        found["tomopy gridrec unpadded"] = gridrec
        from scan2seg.reconstruction import tomopy as padded

        found["tomopy gridrec padded"] = lambda s, a, c: padded.reconstruct(s, a, c, padded.Params(), threads)
    except (ImportError, OSError):
        print("tomopy: not installed, left out")
    return found


def measure(size, projections, arguments):
    angles = np.arange(projections) * np.pi / projections
    centre = (size - 1) / 2 + 6.8
    sinogram = exact_sinogram(size, angles, centre)
    stack = np.repeat(sinogram[None], arguments.slices, axis=0)
    expected = truth(size)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    inside = np.hypot(x, y) < 0.97 * size / 2
    rows = {}
    for name, function in backends(arguments.device, arguments.threads).items():
        image = function(stack, angles, centre)[0]
        error = np.sqrt(np.mean((image - expected)[inside] ** 2))
        gain = (image * expected)[inside].sum() / (image**2)[inside].sum()
        fitted = np.sqrt(np.mean((gain * image - expected)[inside] ** 2))
        rows[name] = (function, error, fitted, [])
    # In turn, so that a busy moment hits all alike.
    for _ in range(arguments.repeats):
        for function, _, _, seconds in rows.values():
            started = time.perf_counter()
            function(stack, angles, centre)
            seconds.append((time.perf_counter() - started) / arguments.slices)
    medians = {name: statistics.median(seconds) for name, (_, _, _, seconds) in rows.items()}
    references = [name for name in rows if name.startswith("finufft") or name == "tomopy gridrec unpadded"]
    print(
        f"\n{size} x {size} pixels, {projections} projections, {arguments.slices} slices, {arguments.threads} threads"
    )
    print(
        f"{'backend':26} {'ms/slice':>9} {'slices/s':>9} {'RMSE e-4':>9} {'fitted':>7} "
        + " ".join(f"x {name:>24}" for name in references)
    )
    for name, (_, error, fitted, _) in rows.items():
        ratios = " ".join(f"{medians[name] / medians[reference]:26.2f}" for reference in references)
        figures = f"{medians[name] * 1e3:9.2f} {1 / medians[name]:9.1f} {error * 1e4:9.3f} {fitted * 1e4:7.3f}"
        print(f"{name:26} {figures} {ratios}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slices", type=int, default=0, help="slices a call; default 8, on a GPU 128")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    arguments = parser.parse_args()
    arguments.slices = arguments.slices or (128 if arguments.device == "cuda" else 8)
    if arguments.device == "cuda":
        import torch

        print(torch.cuda.get_device_name(0), "torch", torch.__version__)
    for size in arguments.sizes:
        measure(size, {1024: 1200, 2048: 1500}.get(size, int(1.2 * size)), arguments)


if __name__ == "__main__":
    main()
