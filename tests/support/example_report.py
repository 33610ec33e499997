"""An experiment as the pipeline leaves it on disk, small and made up: stacks, predictions, scores, curves, volumes."""

import csv
from pathlib import Path

import numpy as np

from scan2seg import provenance, storage
from scan2seg.config.published import PublishedRow
from scan2seg.config.training import InferenceSettings
from scan2seg.evaluation.comparison import compare_models
from scan2seg.evaluation.score import score_prediction
from scan2seg.reporting.content import files_of

HISTORY = ["epoch", "learning_rate", "train_loss", "train_accuracy", "train_mean_iou"]
HISTORY += ["validation_loss", "validation_accuracy", "validation_mean_iou", "seconds"]
CLASSES = ["matrix", "precipitate", "inclusion"]
SIZE = 96


def draw_labels(generator, size=SIZE):
    """Draw discs of class 1 and small blobs of class 2."""
    yy, xx = np.mgrid[:size, :size]
    labels = np.zeros((size, size), dtype=np.uint8)
    for label, count, radii in ((1, 9, (4, 11)), (2, 5, (2, 5))):
        for _ in range(count):
            y, x, radius = generator.uniform(0, size), generator.uniform(0, size), generator.uniform(*radii)
            labels[(yy - y) ** 2 + (xx - x) ** 2 < radius**2] = label
    return labels


def predict(labels, quality, generator):
    """Shift edges and drop pixels; quality 1 is perfect."""
    step = round((1 - quality) * 8)
    moved = np.roll(labels, (step, step // 2), axis=(-2, -1))
    noise = generator.random(labels.shape) < (1 - quality) * 0.12
    return np.where(noise, generator.integers(0, len(CLASSES), labels.shape), moved).astype(np.uint8)


def write_dataset(folder: Path, name: str, images: int = 12, labelled: bool = True, slices: int | None = None) -> dict:
    """Write a dataset of one volume, or of volumes of so many slices each."""
    generator = np.random.default_rng(sum(name.encode()))
    labels = np.stack([draw_labels(generator) for _ in range(images)])
    grey = np.array([0.3, 0.7, 0.05])[labels] + generator.normal(0, 0.08, labels.shape)
    stack, split = folder / name / "stack.zarr", folder / name / "split.json"
    with storage.creating(stack) as group:
        storage.create_array(group, "image", (images, 1, SIZE, SIZE), "float32")[:] = grey[:, None]
        storage.create_array(group, "label", labels.shape, "uint8")[:] = labels if labelled else 255
        storage.create_array(group, "size", (images, 2), "int64")[:] = SIZE
        groups = [f"pillar_{index // slices}" if slices else "pillar" for index in range(images)]
        names = [f"slice_{index:03d}" for index in range(images)]
        group.attrs.update({"names": names, "groups": groups, "classes": CLASSES, "pixel_size": 0.018})
    half = images // 2
    sides = {"train": list(range(half - 1)), "validation": [half - 1], "test": list(range(half + 1, images))}
    storage.write_json(split, {**sides, "strategy": "blocked"})
    published = [
        PublishedRow(model="DeepLab v3+", mean_iou=0.7427, source="A. Author et al., 2021", note="Xception"),
        PublishedRow(
            model="U-Net & friends",
            mean_iou=0.7388,
            source="B. Author",
            batch_size=2048,
            training_time="4 to 4.5 days",
            devices="4 GPUs",
            prediction_seconds=25.0,
            repeated_by=["unet"],
        ),
    ]
    return {"name": name, "stack": stack, "split": split, "published": published}


def write_run(folder: Path, entry: dict, model: str, replicate: str, quality: float) -> dict:
    run = folder / entry["name"] / "runs" / model / replicate
    generator = np.random.default_rng(sum(f"{entry['name']}{model}{replicate}".encode()))
    quality = min(quality + generator.normal(0, 0.02), 1.0)
    index = storage.read_json(entry["split"])["test"]
    truth = np.asarray(storage.open_array(entry["stack"], "label")[:])[index]
    with storage.creating(run / "prediction.zarr") as group:
        storage.create_array(group, "label", truth.shape, "uint8")[:] = predict(truth, quality, generator)
        storage.create_array(group, "index", (len(index),), "int64")[:] = np.array(index)
        group.attrs["provenance"] = provenance.record({"inference": InferenceSettings().model_dump(mode="json")})
    identity = {"dataset": entry["name"], "model": model, "replicate": replicate, "split": "test"}
    score_prediction(entry["stack"], run / "prediction.zarr", run / "metrics.json", run / "per_image.csv", identity)
    seconds = float(generator.uniform(20, 900)) if quality > 0.6 else 0.4
    made = provenance.record({"model": model})
    cost = {"wall_seconds": seconds, "epochs": 12, "samples_per_second": 91.2, "peak_memory_bytes": 1_300_000_000}
    more = {
        "device": "cpu",
        "devices": 1,
        "batch_size": 16,
        "steps": 1200,
        "energy_joules": None,
        "parameters": int(quality * 3e7),
        "flops": 4.1e9,
        "best_epoch": 10,
    }
    storage.write_json(run / "training.json", {**cost, **more, "precision": "bf16", "provenance": made})
    image = {"seconds_end_to_end": 0.12, "seconds_model": 0.08, "pixels_per_second": quality * 3e6}
    timing = {"image": {**image, "pixels_per_second_model": 4.4e6}, "tile": image, "device": "cpu", "precision": "bf16"}
    storage.write_json(run / "timing.json", {**timing, "provenance": made})
    write_history(run / "history.csv", quality, generator, 12 if quality > 0.6 else 0)
    entry_of_run = {"dataset": entry["name"], "model": model, "replicate": replicate, "run": run, "applied": run}
    return entry_of_run | ({"parts": write_parts(run, quality)} if quality > 0.6 else {})


def write_parts(run: Path, quality: float) -> Path:
    """Write the scores on training and validation images."""
    parts = {
        part: {"images": list(range(count)), "of": whole, "mean_iou": score, "mean_dice": score, "pixel_accuracy": 0.97}
        for part, count, whole, score in (("train", 4, 5, 0.5 + quality / 2), ("validation", 1, 1, quality))
    }
    storage.write_json(run / "parts-0a1b2c3d.json", {"parts": parts})
    return run / "parts-0a1b2c3d.json"


def write_history(path: Path, quality: float, generator, epochs: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HISTORY)
        for epoch in range(epochs):
            loss = 0.1 + 0.9 * np.exp(-epoch / 4)
            score = quality * (1 - np.exp(-(epoch + 1) / 3)) + generator.normal(0, 0.01)
            training = [loss, 1 - (1 - score) / 3, score * 1.02]
            validation = [loss * 1.1 + generator.normal(0, 0.02), 1 - (1 - score) / 2, score]
            writer.writerow([epoch, 1e-3, *training, *validation, 4.2])


def write_scan(folder: Path, dataset: str, depth: int = 12) -> dict:
    generator = np.random.default_rng(4)
    labels = np.stack([draw_labels(generator)] * depth)
    grey = (np.array([0.3, 0.7, 0.05])[labels]).astype(np.float32)
    paths = {}
    for name, noise in (("reconstruction", 0.15), ("denoised", 0.03)):
        paths[name] = folder / dataset / "scans" / "pillar" / f"{name}.zarr"
        with storage.creating(paths[name]) as group:
            array = storage.create_volume(group, grey.shape, pixel_size=0.018)
            array[:] = grey + generator.normal(0, noise, grey.shape)
            group.attrs["centre"] = {"value": 47.83, "method": "phase_correlation", "error": 0.01}
            group.attrs["corrected"] = {"not_finite": 0, "zero_transmission": 14}
            group.attrs["provenance"] = provenance.record({"method": "gridding"})
            if name == "denoised":
                group.attrs["denoising"] = [{"method": "non_local_means"}]
    return {"dataset": dataset, "scan": "pillar", **paths, "labels": None}


def write_saliency(run: Path, zero: bool) -> None:
    """Write the maps of two test images."""
    maps = np.zeros((2, 32, 32), np.float32) if zero else np.random.default_rng(0).random((2, 32, 32), np.float32)
    with storage.creating(run / "saliency.zarr") as group:
        storage.create_array(group, "map", maps.shape, "float32")[:] = maps
        storage.create_array(group, "origin", (2, 2), "int32")[:] = 32
        storage.create_array(group, "index", (2,), "int64")[:] = np.array([7, 9])


def write_segmentation(folder: Path) -> dict:
    labels = folder / "segmentations" / "pillar" / "labels.zarr"
    with storage.creating(labels) as group:
        storage.create_volume(group, (4, SIZE, SIZE), "uint8", name="label")[:] = 1
        group.attrs["classes"] = CLASSES
    shares = {"matrix": 0.8, "precipitate": 0.125, "inclusion": 0.075}
    summary = {"model": "unet/seed0", "volume_fractions": shares, "voxels": dict.fromkeys(CLASSES, 1000)}
    found = {"particles": 12, "mean_diameter": 3.25, "mean_sphericity": None, "connects": ["z", "x"]}
    summary |= {"unit": "micrometre", "classes": dict.fromkeys(CLASSES, found)}
    summary["unlike_training"] = ["units is per_millimetre, in training per_pixel"]
    storage.write_json(labels.with_name("summary.json"), summary)
    return {"scan": "pillar", "labels": labels}


def write_experiment(
    folder: Path, models: dict[str, float], replicates: int = 2, datasets=("demo",), scans=True
) -> dict:
    """Write an experiment and return the content of its report."""
    entries = [write_dataset(folder, name) for name in datasets]
    runs = [
        write_run(folder, entry, model, f"seed{seed}", quality)
        for entry in entries
        for model, quality in models.items()
        for seed in range(replicates)
    ]
    report = folder / "reports" / "example"
    reference = next(iter(models), None)
    content = {
        "experiment": "example",
        "title": "Precipitates in a simulated pillar",
        "reference": reference,
        "datasets": entries,
        "runs": runs,
        "scores": report / "scores.csv",
        "tables": report / "tables.md",
        "scans": [write_scan(folder, datasets[0])] if scans and datasets else [],
        "settings": {
            "experiment": "example",
            "reference_model": reference,
            "models": list(models),
            "learning_rate": 1e-3,
        },
        "segmentations": [],
    }
    compare(content)
    return content


def compare(content: dict) -> None:
    """Write the tables of the comparison."""
    files = [files_of(run) for run in content["runs"]]
    compare_models(files, content["scores"], content["tables"], content["reference"], {})


def write_many(folder: Path, models: int, replicates: int = 5, distinct: int = 40) -> dict:
    """Write an experiment of many models, of which as many as ``distinct`` differ: the others have their files."""
    made = {f"model_{index:03d}": 0.5 + 0.45 * index / distinct for index in range(min(distinct, models))}
    content = write_experiment(folder, made, replicates, scans=False)
    for index in range(len(made), models):
        twin = f"model_{index % distinct:03d}"
        copies = [{**run, "model": f"model_{index:03d}"} for run in content["runs"] if run["model"] == twin]
        content["runs"] += copies[:replicates]
    return content
