"""A volume denoised by one process and by Dask workers: how much faster two workers are, and what they cost.

    python benchmarks/workers.py               # 96 slices of 1024 x 1024, 12 shards
    python benchmarks/workers.py --slices 24   # less of the same

All take turns: one process on one thread, one worker of one thread, two workers of one thread each, one process on two
threads. Ratios are of the medians; of workers, that of the work alone is printed too, without their start and end.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))


def write_volume(path, slices, size):
    from scan2seg import storage

    rng = np.random.default_rng(0)
    with storage.creating(path) as group:
        volume = storage.create_volume(group, (slices, size, size), pixel_size=1.0)
        for shard in storage.shards(volume):
            volume[shard] = rng.normal(1, 0.1, (shard.stop - shard.start, size, size)).astype(np.float32)
        return len(storage.shards(volume))


def measure(volume, output, steps, threads, workers):
    """Return seconds of the whole stage, and of the work from the first worker's start to the last slab."""
    from scan2seg import team
    from scan2seg.denoising.scan import denoise_scan

    share, marks = team.Team.share, []

    def timed(self, *words):
        self._client.wait_for_workers(workers.count)
        marks.append(time.perf_counter())
        yield from share(self, *words)
        marks.append(time.perf_counter())

    team.Team.share = timed
    try:
        started = time.perf_counter()
        denoise_scan(volume, output, steps, threads, workers=workers)
        return [time.perf_counter() - started, marks[-1] - marks[0] if marks else time.perf_counter() - started]
    finally:
        team.Team.share = share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=96)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()

    from scan2seg.config.base import Plugin
    from scan2seg.workers import Workers

    steps = [Plugin("denoising").resolve({"method": "non_local_means", "device": "cpu"})]
    ways = {
        "one process, one thread": (1, None),
        "one worker": (1, Workers(1, 1)),
        "two workers": (1, Workers(2, 1)),
        "one process, two threads": (2, None),
    }
    found = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        volume = Path(folder) / "volume.zarr"
        count = write_volume(volume, words.slices, words.size)
        measure(volume, Path(folder) / "warm.zarr", steps, 2, None)
        for _ in range(words.rounds):
            for name, (threads, workers) in ways.items():
                found[name].append(measure(volume, Path(folder) / "denoised.zarr", steps, threads, workers))
    medians = {name: [statistics.median(part) for part in zip(*runs, strict=True)] for name, runs in found.items()}
    reference = medians["one process, one thread"][0]
    print(f"{words.slices} slices of {words.size} x {words.size}, {count} shards, {words.rounds} rounds")
    for name, (whole, work) in medians.items():
        ratios = f"{reference / whole:.2f} x; work alone {work:6.1f} s, {reference / work:.2f} x"
        print(f"{name:25} {whole:7.1f} s, {ratios}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
