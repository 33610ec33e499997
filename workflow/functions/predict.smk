# What the rules of rules/predict.smk ask for.
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
        if dataset == trained_on() and model in EXPERIMENT.models
    ]


def trained_on():
    return EXPERIMENT.settings.segment.trained_on or next(iter(EXPERIMENT.datasets))


def new_volume(wildcards):
    owner = next(
        name
        for name, dataset in EXPERIMENT.new_scans.items()
        if wildcards.scan in dataset.scans()
    )
    return f"{R}/{owner}/scans/{wildcards.scan}/denoised.zarr"
