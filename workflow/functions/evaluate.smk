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


def tracking_server():
    """Name the MLflow server without user and password; the job takes its address from the configuration itself."""
    uri = EXPERIMENT.settings.tracking.uri
    return hide_credentials(uri) if uri else None


def comparison(part):
    """Make a parameter of one part of what the comparison is about."""
    return lambda wildcards: CATALOGUE.comparison_content[part]


def report_content(wildcards):
    return CATALOGUE.report_content
