# What the rules of rules/prepare.smk ask for.
from scan2seg.sources.files import stack_inputs


def stack_scans(wildcards):
    """Return volume and labels of each scan of a dataset, where the source is scans."""
    dataset = STACKED[wildcards.dataset]
    folder = f"{R}/{wildcards.dataset}/scans"
    simulated = dataset.source.kind == "simulation"
    return {
        name: {
            "volume": f"{folder}/{name}/denoised.zarr",
            "labels": (
                f"{folder}/{name}/labels.zarr" if simulated else scan.get("labels")
            ),
            "labels_key": None if simulated else scan.get("labels_key"),
        }
        for name, scan in dataset.scans().items()
    }


def stack_files_of(wildcards):
    """List what a stack is made of: volumes, or the files that the patterns match."""
    scans = stack_scans(wildcards)
    if scans:
        return [
            scan[key]
            for scan in scans.values()
            for key in ("volume", "labels")
            if scan[key]
        ]
    return stack_inputs(STACKED[wildcards.dataset].source)


def split_folds(wildcards):
    """Return the number of folds; a dataset that is only pre-trained on has none."""
    trained = wildcards.dataset in EXPERIMENT.datasets
    return EXPERIMENT.settings.replicates.folds if trained else None


def model_patching(wildcards):
    patchings = {
        model.patching.folder(): model.patching for model in EXPERIMENT.recipes()
    }
    return patchings[wildcards.patching].model_dump(mode="json")
