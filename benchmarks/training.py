"""Samples a second: the training loop end to end, the bare model on a ready batch, and a plain PyTorch loop.

    python benchmarks/training.py                  # U-Net over ResNet-18, 128 x 128 patches, batch 16
    python benchmarks/training.py --device cuda

The plain loop is what a tutorial writes: a DataLoader with two workers, flips and quarter turns a sample on the CPU,
float32. Ours has the same augmentation on whole batches, bfloat16 where the hardware has it, channels last. Medians
over epochs; the first one, which compiles and warms up, is left out.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from scan2seg.checkpoint import SegmentationModel
from scan2seg.config.model import Model
from scan2seg.device import autocast, choose_device, choose_precision, set_threads, synchronise
from scan2seg.normalisation import Normalisation
from scan2seg.training.data import Patches, make_loaders
from scan2seg.training.loop import run_loop
from scan2seg.training.module import TrainingModule

EPOCHS = 4


def make_patches(count, size, device):
    generator = torch.Generator().manual_seed(0)
    label = (torch.rand(count, size // 8, size // 8, generator=generator) < 0.3).repeat_interleave(8, 1)
    label = label.repeat_interleave(8, 2).to(torch.uint8)
    image = label[:, None].float() + 0.3 * torch.randn(count, 1, size, size, generator=generator)
    histogram = np.stack([np.bincount(one.ravel(), minlength=2) for one in label.numpy()])
    train = np.arange(count)
    place = "cuda" if device == "cuda" else "memory"
    origin = np.zeros((count, 3), np.int32)
    statistics, names = np.ones((count, 2, 1), np.float32), (["a", "b"], ["x"])
    images, labels = image.to(device), label.to(device)
    return Patches(images, labels, train, train[:0], histogram, origin, *names, (size, size), place, statistics, {})


def recipe_of(arguments):
    content = {
        "name": "benchmark",
        "architecture": {"method": "unet", "encoder": arguments.encoder},
        "augmentation": ["flip", "rotate90"],
        "loss": ["cross_entropy"],
        "training": {"epochs": EPOCHS, "batch_size": arguments.batch},
    }
    return Model.model_validate(content).recipe()


def new_model(recipe):
    torch.manual_seed(0)
    architecture = recipe.architecture
    return SegmentationModel(architecture, Normalisation(1), 1, 2)


def time_loop(patches, recipe, device):
    loader, validation = make_loaders(patches, recipe.training, 0)
    module = TrainingModule(new_model(recipe), recipe, loader, 0)
    with tempfile.TemporaryDirectory() as folder:
        result = run_loop(module, validation, recipe.training, Path(folder) / "state", "x", device)
    return len(patches.train) / statistics.median(row["seconds"] for row in result.rows[1:])


def time_bare(patches, recipe, device, precision, batch):
    model = new_model(recipe).to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images, labels = patches.fetch(patches.train[:batch])
    images, labels = images.contiguous(memory_format=torch.channels_last), labels.long()
    seconds = []
    for step in range(4 + len(patches.train) // batch * 2):
        synchronise(device)
        started = time.perf_counter()
        with autocast(device, precision):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        synchronise(device)
        if step >= 4:
            seconds.append(time.perf_counter() - started)
    return batch / statistics.median(seconds)


class PlainDataset(torch.utils.data.Dataset):
    def __init__(self, patches):
        self.image, self.label = patches.image.cpu().numpy(), patches.label.cpu().numpy()

    def __len__(self):
        return len(self.image)

    def __getitem__(self, index):
        image, label = self.image[index], self.label[index]
        for axis in (-1, -2):
            if np.random.rand() < 0.5:
                image, label = np.flip(image, axis), np.flip(label, axis)
        turns = np.random.randint(4)
        image, label = np.rot90(image, turns, (-2, -1)), np.rot90(label, turns, (-2, -1))
        return torch.from_numpy(image.copy()), torch.from_numpy(label.copy()).long()


def time_plain(patches, recipe, device, batch):
    model = new_model(recipe).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(PlainDataset(patches), batch, shuffle=True, num_workers=2)
    seconds = []
    for _ in range(EPOCHS - 1):
        started = time.perf_counter()
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return len(patches.train) / statistics.median(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--patches", type=int, default=160)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    precision = choose_precision("auto", device)
    set_threads(arguments.threads)
    patches, recipe = make_patches(arguments.patches, arguments.size, device), recipe_of(arguments)
    bare = time_bare(patches, recipe, device, precision, arguments.batch)
    ours = time_loop(patches, recipe, device)
    plain = time_plain(patches, recipe, device, arguments.batch)
    print(f"{device}, {precision}, {arguments.encoder}, {arguments.size} x {arguments.size}, batch {arguments.batch}")
    print(f"{'':28} {'samples/s':>10} {'x bare':>8} {'x plain':>8}")
    for name, value in (("loop end to end", ours), ("bare model, ready batch", bare), ("plain PyTorch loop", plain)):
        print(f"{name:28} {value:10.1f} {value / bare:8.2f} {value / plain:8.2f}")


if __name__ == "__main__":
    main()
