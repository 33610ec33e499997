# What the rules of rules/predict.smk ask for.
from scan2seg.config.processing import list_differences


def inference_settings(wildcards):
    """Return a model's inference settings; members of an ensemble keep their probabilities."""
    settings = EXPERIMENT.models[wildcards.model].inference.model_dump(mode="json")
    member = any(
        wildcards.model in names for names in EXPERIMENT.settings.ensembles.values()
    )
    return {**settings, "probabilities": settings["probabilities"] or member}


def checkpoints(wildcards):
    """Name every checkpoint that a new scan may be segmented with."""
    return [
        f"{R}/{dataset}/runs/{model}/{replicate}/checkpoint.pt"
        for dataset, model, replicate in EXPERIMENT.runs()
        if dataset == EXPERIMENT.trained_on() and model in EXPERIMENT.models
    ]


def owner_of(scan):
    """Return the dataset that a new scan belongs to."""
    return next(
        name
        for name, dataset in EXPERIMENT.new_scans.items()
        if scan in dataset.scans()
    )


def new_volume(wildcards):
    return f"{R}/{owner_of(wildcards.scan)}/scans/{wildcards.scan}/denoised.zarr"


def processing_differences(wildcards):
    """Say in what a new scan is processed unlike the scans that its model was trained on."""
    trained = EXPERIMENT.datasets[EXPERIMENT.trained_on()]
    new = EXPERIMENT.new_scans[owner_of(wildcards.scan)]
    return list_differences(trained, new, wildcards.scan)
