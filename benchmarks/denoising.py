"""Non-local means of this package against scikit-image's fast mode, on one slice of 1024 x 1024 pixels.

    PYTHONPATH=src python benchmarks/denoising.py

It needs numpy, numba and scikit-image; with torch and a GPU it adds that. Medians over rounds in which the candidates
take turns, so that a disturbance hits all of them; the ratios are against scikit-image on one thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from scan2seg.denoising.nlm_numba import non_local_means

Image = NDArray[np.float32]
PATCH = {"patch_size": 5, "patch_distance": 6}
NOISE = 0.08
STRENGTH = 1.3 * NOISE


def make_image(size: int) -> Image:
    y, x = np.mgrid[:size, :size] / size
    image = np.where(np.hypot(y - 0.45, x - 0.5) < 0.35, 0.5, 0.0) + 0.1 * np.sin(40 * x)
    image += np.where(np.hypot(y - 0.3, x - 0.4) < 0.07, 0.4, 0.0)
    return (image + np.random.default_rng(0).normal(0, NOISE, image.shape)).astype(np.float32)


def by_scikit_image(image: Image, threads: int) -> Image:
    """Denoise bands with a margin on several threads: it releases the interpreter's lock."""
    if threads == 1:
        return denoise_nl_means(image, **PATCH, h=STRENGTH, sigma=NOISE, fast_mode=True)
    margin = 9
    edges = np.linspace(0, len(image), threads + 1).astype(int)

    def denoise(first: int, last: int) -> Image:
        low, high = max(first - margin, 0), min(last + margin, len(image))
        return by_scikit_image(image[low:high], 1)[first - low : last - low]

    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(denoise, edges[:-1], edges[1:])))


def candidates(image: Image, threads: int) -> dict[str, tuple[int, Callable[[], Image]]]:
    """Name each candidate with the number of slices that it denoises at once."""

    def ours(count: int, window: str) -> Callable[[], Image]:
        return lambda: non_local_means(image[None], STRENGTH, NOISE, **PATCH, window=window, threads=count)[0]

    found: dict[str, tuple[int, Callable[[], Image]]] = {
        "scikit-image, 1 thread": (1, lambda: by_scikit_image(image, 1))
    }
    if threads > 1:
        found[f"scikit-image, {threads} threads"] = (1, lambda: by_scikit_image(image, threads))
    found["numba, 1 thread"] = (1, ours(1, "full"))
    found["numba as scikit-image, 1 thread"] = (1, ours(1, "scikit-image"))
    if threads > 1:
        found[f"numba, {threads} threads"] = (1, ours(threads, "full"))
        found[f"numba as scikit-image, {threads} threads"] = (1, ours(threads, "scikit-image"))
    return found | gpu_candidates(image)


def gpu_candidates(image: Image) -> dict[str, tuple[int, Callable[[], Image]]]:
    try:
        import torch
    except ImportError:
        return {}
    if not torch.cuda.is_available():
        return {}
    from scan2seg.denoising import nlm_torch

    stack = np.repeat(image[None], 32, axis=0)
    name = f"torch, {torch.cuda.get_device_name(0)}, with transfers"
    return {name: (len(stack), lambda: nlm_torch.non_local_means(stack, STRENGTH, NOISE, **PATCH, device="cuda")[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    image = make_image(arguments.size)
    runs = candidates(image, arguments.threads)
    results = {name: run() for name, (_, run) in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        for name, (slices, run) in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - started) / slices)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    reference = results["scikit-image, 1 thread"]
    references = [median for name, median in medians.items() if name.startswith("scikit-image")]
    print(f"{'':44}{'s/slice':>9}{'x 1 thread':>12}{'x all threads':>15}{'difference':>12}")
    for name, median in medians.items():
        one, several = medians["scikit-image, 1 thread"] / median, min(references) / median
        difference = np.abs(results[name] - reference).max() / np.ptp(image)
        print(f"{name:44}{median:9.4f}{one:12.1f}{several:15.1f}{difference:12.1e}")


if __name__ == "__main__":
    main()
