# What the rules of rules/evaluate.smk and rules/predict.smk ask for.
from scan2seg.secrets import hide_credentials


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
    first = EXPERIMENT.settings.replicates.names()[0]
    return [
        name for name in training_files("saliency.zarr") if name.split("/")[-2] == first
    ]


def tracking_server():
    """Name the MLflow server without user and password; the job takes its address from the configuration itself."""
    uri = EXPERIMENT.settings.tracking.uri
    return hide_credentials(uri) if uri else None
