# What the rules of rules/evaluate.smk ask for.
from scan2seg.secrets import hide_credentials


def run_files(name):
    """Name one file of every run of the experiment."""
    return [
        f"{R}/{dataset}/runs/{model}/{replicate}/{name}"
        for dataset, model, replicate in EXPERIMENT.runs()
    ]


def trained_files(name):
    """Name one file of every run that is not an ensemble."""
    runs = [run for run in EXPERIMENT.runs() if run[1] in EXPERIMENT.models]
    return [
        f"{R}/{dataset}/runs/{model}/{replicate}/{name}"
        for dataset, model, replicate in runs
    ]


def published_rows():
    return [
        {"dataset": name, **row.model_dump(mode="json")}
        for name, dataset in EXPERIMENT.datasets.items()
        for row in dataset.published
    ]


def reference_model():
    names = [*EXPERIMENT.models, *EXPERIMENT.settings.ensembles]
    return EXPERIMENT.settings.reference_model or (names[0] if names else None)


def dataset_files(name):
    return [
        f"{R}/{dataset}/{name}"
        for dataset in EXPERIMENT.datasets
        if EXPERIMENT.datasets[dataset].has_labels()
    ]


def template_files():
    files = [
        os.path.relpath(path)
        for path in sorted(
            Path(workflow.basedir).glob("src/scan2seg/reporting/templates/*")
        )
    ]
    return (
        files if EXPERIMENT.settings.track_code else [ancient(file) for file in files]
    )


def saliency_maps():
    if not EXPERIMENT.settings.saliency:
        return []
    names = list(EXPERIMENT.settings.replicates.names())[:1]
    return [
        file for file in trained_files("saliency.zarr") if file.split("/")[-2] in names
    ]


def tracking_server():
    """Name the MLflow server without user and password; the job takes its address from the configuration itself."""
    uri = EXPERIMENT.settings.tracking.uri
    return hide_credentials(uri) if uri else None
