"""A training step on processors: gradients of depthwise convolutions in float32, in bfloat16, and all of it in float32.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/depthwise.py

U-Nets over encoders with depthwise convolutions and over one without, in turn; medians of processor seconds.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from scan2seg.checkpoint import SegmentationModel
from scan2seg.config.model import Model
from scan2seg.device import autocast
from scan2seg.normalisation import Normalisation

ENCODERS = ("timm-tf_efficientnet_lite0", "mobilenet_v2", "resnet18")


def make_network(encoder: str) -> nn.Module:
    """Build a U-Net in train mode, from random weights."""
    content = {"name": "benchmark", "architecture": {"method": "unet", "encoder": encoder}}
    recipe = Model.model_validate(content).recipe()
    network = SegmentationModel(recipe.architecture, Normalisation(3), 3, 3).network
    return network.to(memory_format=torch.channels_last).train()


def time_step(network: nn.Module, images: Tensor, labels: Tensor, kind: str) -> float:
    """Return the processor seconds of a forward and a backward pass."""
    started = time.process_time()
    context = (
        torch.autocast("cpu", torch.bfloat16)
        if kind == "bfloat16"
        else autocast("cpu", "bfloat16" if kind == "ours" else kind)
    )
    with context:
        loss = nn.functional.cross_entropy(network(images), labels)
    loss.backward()
    return time.process_time() - started


def main() -> None:
    """Print a row an encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192, help="edge of the patches in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.randn(8, 3, given.size, given.size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 3, (8, given.size, given.size))
    for encoder in ENCODERS:
        network = make_network(encoder)
        seconds: dict[str, list[float]] = {"ours": [], "bfloat16": [], "float32": []}
        for _ in range(given.rounds + 1):
            for kind, taken in seconds.items():
                taken.append(time_step(network, images, labels, kind))
        ours, half, single = (statistics.median(taken[1:]) for taken in seconds.values())
        print(
            f"{encoder:28} ours {ours:.3f} s  bfloat16 {half / ours:.2f} x  float32 {single / ours:.2f} x", flush=True
        )


if __name__ == "__main__":
    main()
