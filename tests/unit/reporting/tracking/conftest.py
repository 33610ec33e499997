"""One experiment of three models, one of which is trained."""

import example_report
import example_tracking
import pytest

from scan2seg.reporting.html import render_report

MODELS = {"unet": 0.9, "otsu": 0.5}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return the report's inputs and folder; both replicates of ``unet`` have a checkpoint and its prediction."""
    folder = tmp_path_factory.mktemp("trained")
    content = example_report.write_experiment(folder, MODELS, 2, scans=False)
    for seed, run in enumerate(content["runs"]):
        if run["model"] == "unet":
            example_tracking.train(content["datasets"][0], run, seed)
    example_report.compare(content)
    content["settings"] |= {"replicates": ["seed0", "seed1"], "models": {"unet": {}, "otsu": {}}}
    report = folder / "reports" / "example"
    render_report(content, report / "index.html", report / "figures")
    return content, report
