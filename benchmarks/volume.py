"""From counts in HDF5 to a denoised volume in Zarr: wall time against the kernels alone, and peak memory.

    python benchmarks/volume.py                # 128 and 256 slices of 1024 pixels, 64 of 2048
    python benchmarks/volume.py --slices 32    # less of the same

Each run is a process of its own, so that its peak memory is its own. The kernels alone are the same functions, on
rows that are in memory already, without reading and writing, on all threads. The two take turns; ratios are medians.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parent)]


def write_scan(path, slices, size, projections):
    """Counts of one exact sinogram with noise of its own in every row."""
    import h5py
    from reconstruction import exact_sinogram

    angles = np.arange(projections) * np.pi / projections
    expected = 20000 * np.exp(-exact_sinogram(size, angles, (size - 1) / 2 + 6.8)) + 100
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("exchange/data", (projections, slices, size), np.uint16)
        noise = rng.normal(0, 100, (64, size)).astype(np.float32)
        for index in range(projections):
            data[index] = np.clip(expected[index] + noise[rng.integers(0, 64, slices)], 0, 65535).astype(np.uint16)
        file["exchange/data_white"] = np.full((5, slices, size), 20100, np.uint16)
        file["exchange/data_dark"] = np.full((5, slices, size), 100, np.uint16)
        file["exchange/theta"] = np.rad2deg(angles)


def run(path, output, threads, rounds):
    """Reconstruct and denoise as the pipeline does, in turn with the kernels alone; print seconds and peak as JSON."""
    from scan2seg.config.base import Plugin
    from scan2seg.config.reconstruction import ReconstructionSettings
    from scan2seg.config.scan_files import RawScan
    from scan2seg.denoising.scan import denoise_scan
    from scan2seg.readers import open_scan
    from scan2seg.reconstruction.scan import reconstruct_scan

    settings = ReconstructionSettings(device="cpu")
    steps = [Plugin("denoising").resolve({"method": "non_local_means", "device": "cpu"})]
    warm_up(path, settings, steps, threads)
    found = []
    for _ in range(rounds):
        started = read_clocks()
        reconstruct_scan(RawScan(projections=path), Path(output), settings, threads)
        between = read_clocks()
        denoise_scan(Path(output), Path(f"{output}.denoised"), steps, threads)
        whole = [(between - started).tolist(), (read_clocks() - between).tolist()]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        with open_scan(path) as scan:
            kernels = [kernels_alone(scan, settings, threads), denoising_alone(Path(output), steps, threads)]
        found.append({"whole": whole, "kernels": kernels, "peak": peak})
    print(json.dumps(found))


def read_clocks():
    """Seconds of the wall and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def denoising_alone(volume, steps, threads):
    """Seconds that denoising all slices would take without reading and writing, from a few of them."""
    from scan2seg.denoising.steps import prepare_steps
    from scan2seg.storage import open_array

    array = open_array(volume, "volume")
    block = array[:8]
    (step,) = prepare_steps(steps, block, threads)
    seconds = []
    for _ in range(4):
        started = read_clocks()
        step.run(block, threads)
        seconds.append(read_clocks() - started)
    return (np.median(seconds, axis=0) / len(block) * array.shape[0]).tolist()


def warm_up(path, settings, steps, threads):
    """Compile everything: that is not what is measured."""
    from scan2seg.denoising.steps import prepare_steps
    from scan2seg.readers import open_scan
    from scan2seg.reconstruction.correction import Correction
    from scan2seg.reconstruction.geometry import make_geometry
    from scan2seg.reconstruction.slabs import slices_of

    for step in prepare_steps(steps, np.random.default_rng(0).normal(size=(2, 64, 64)).astype(np.float32), threads):
        step.run(np.zeros((1, 64, 64), np.float32), threads)
    with open_scan(path) as scan:
        correction = Correction(scan, settings, threads)
        geometry = make_geometry(scan, settings, scan.shape[2] / 2)
        slices_of(correction, geometry, correction.sinograms(scan.read_rows(0, 2), 0, 2), threads)


def kernels_alone(scan, settings, threads):
    """Seconds that all slabs would take on all threads without reading and writing, from a few of them."""
    from scan2seg.reconstruction.correction import Correction
    from scan2seg.reconstruction.fields import read_needed
    from scan2seg.reconstruction.geometry import make_geometry
    from scan2seg.reconstruction.slabs import slices_of

    geometry = make_geometry(scan, settings, scan.shape[2] / 2)
    rows = min(scan.shape[1], max(2 * threads, 32 * 2**20 // (geometry.size**2 * 4)))
    correction = Correction(scan, settings, threads, read_needed(scan, settings, slice(0, scan.shape[1])))
    seconds = []
    for start in range(0, min(4 * rows, scan.shape[1] - rows + 1), rows):
        raw = scan.read_rows(start, start + rows)
        started = read_clocks()
        slices_of(correction, geometry, correction.sinograms(raw, start, start + rows), threads)
        seconds.append(read_clocks() - started)
    return (np.median(seconds, axis=0) / rows * scan.shape[1]).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--slices", type=int, default=128, help="of 1024 pixels; twice as many, and half as many of 2048"
    )
    parser.add_argument("--size", type=int, default=None, help="slices of so many pixels alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", default=None, help="where to put the scans: 1.3 GB for 512 slices of 1024 pixels")
    parser.add_argument("--run", nargs=2, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run, arguments.threads, arguments.rounds)
        return
    count = arguments.slices
    print("whole / kernels alone, by the wall and by the processor's seconds")
    print(f"{'pixels':>7} {'slices':>7} {'wall s':>8} {'both':>12} {'reconstruct':>12} {'denoise':>12} {'peak MB':>8}")
    cases = [(1024, 1200, count), (1024, 1200, 2 * count), (2048, 1500, count // 2)]
    if arguments.size:
        cases = [(arguments.size, int(1.2 * arguments.size), count)]
    for size, projections, slices in cases:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            scan = Path(folder) / "scan.h5"
            write_scan(scan, slices, size, projections)
            command = [sys.executable, __file__, "--threads", str(arguments.threads), "--rounds", str(arguments.rounds)]
            result = subprocess.run(
                [*command, "--run", str(scan), f"{folder}/volume.zarr"], capture_output=True, text=True
            )
            if result.returncode:
                sys.exit(result.stderr)
            found = json.loads(result.stdout.splitlines()[-1])
        whole, kernels = (np.array([turn[key] for turn in found]) for key in ("whole", "kernels"))
        ratios = [np.median(whole.sum(axis=1) / kernels.sum(axis=1), axis=0), *np.median(whole / kernels, axis=0)]
        columns = " ".join(f"{wall:6.2f}{processor:6.2f}" for wall, processor in ratios)
        line = f"{size:7} {slices:7} {np.median(whole.sum(axis=1)[:, 0]):8.2f} {columns}"
        print(f"{line} {found[0]['peak']:8.0f}", flush=True)


if __name__ == "__main__":
    main()
