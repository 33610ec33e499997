"""Makes the example experiment importable, and writes it once."""

import example_report
import pytest

from scan2seg.reporting.html import render_report

MODELS = {"unet": 0.9, "deeplabv3_plus": 0.95, "otsu": 0.5}


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    content = example_report.write_experiment(folder, MODELS)
    report = folder / "reports" / "example"
    render_report(content, report / "index.html", report / "figures")
    return content, report
