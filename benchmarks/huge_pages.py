"""Training on the CPU with and without huge pages: samples a second of the training loop, end to end.

    python benchmarks/huge_pages.py

glibc reads the setting when a program starts, so every measurement is a process of its own; with and without take
turns, and the median of their ratios is what counts.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parent)]

KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# name: architecture, size of the patches, batch
NETWORKS = {
    "U-Net over ResNet-18": ({"method": "unet", "encoder": "resnet18"}, 128, 16),
    "plain U-Net, width 16": ({"method": "unet", "encoder": None, "width": 16, "depth": 5}, 256, 8),
}


def measure(name, threads, batches):
    """Train in this process; print samples a second."""
    import training

    from scan2seg.config.base import Plugin

    architecture, size, batch = NETWORKS[name]
    training.set_threads(threads)
    recipe = training.recipe_of(argparse.Namespace(encoder="resnet18", batch=batch))
    recipe = recipe.model_copy(update={"architecture": Plugin("architectures").resolve(architecture)})
    patches = training.make_patches(batches * batch, size, "cpu")
    print(training.time_loop(patches, recipe, "cpu"))


def start(name, threads, batches, pages):
    """Train in another process, with or without huge pages; return samples a second."""
    command = [sys.executable, __file__, "--threads", str(threads), "--batches", str(batches)]
    command += ["--network", name]
    environment = {**os.environ, "GLIBC_TUNABLES": f"glibc.malloc.hugetlb={pages}"}
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(output.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=list(NETWORKS), help="measure this one in this process")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, default=8, help="an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.network:
        return measure(arguments.network, arguments.threads, arguments.batches)
    kernel = KERNEL.read_text().strip() if KERNEL.exists() else "none"
    print(f"{' '.join(platform.libc_ver())}, huge pages of the kernel: {kernel}, {arguments.threads} threads")
    print(f"{'':24} {'without':>9} {'with':>9} {'with / without':>15}   samples/s")
    for name in NETWORKS:
        pairs = [
            [start(name, arguments.threads, arguments.batches, pages) for pages in (0, 1)]
            for _ in range(arguments.rounds)
        ]
        without, huge = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(after / before for before, after in pairs)
        print(f"{name:24} {without:9.1f} {huge:9.1f} {ratio:15.2f}")
    return None


if __name__ == "__main__":
    main()
