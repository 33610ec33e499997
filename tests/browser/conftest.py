"""One browser for the tests of this folder; each asks for a page of its own size and colours."""

import example_report
import pytest
from chromium import CHROMIUM, DRIVER, open_browser

from scan2seg.reporting.html import render_report

MODELS = {"unet": 0.8, "deeplabv3_plus": 0.95, "otsu": 0.5}


def pytest_collection_modifyitems(items):
    missing = pytest.mark.skip(reason="chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    for item in items:
        if "browser" in item.path.parts and not (CHROMIUM and DRIVER):
            item.add_marker(missing)


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """A report of three models on one dataset."""
    folder = tmp_path_factory.mktemp("browser")
    content = example_report.write_experiment(folder, MODELS, 2)
    content["segmentations"] = [example_report.write_segmentation(folder)]
    render_report(content, folder / "index.html", folder / "figures")
    return folder / "index.html"


@pytest.fixture(scope="session")
def many_models(tmp_path_factory):
    """A report of more models than a screen holds."""
    folder = tmp_path_factory.mktemp("many")
    models = {f"model_{index:02d}": 0.5 + 0.02 * index for index in range(22)}
    content = example_report.write_experiment(folder, models, 1, scans=False)
    render_report(content, folder / "index.html", folder / "figures")
    return folder / "index.html"


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """A browser without a page."""
    opened = open_browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.quit()


@pytest.fixture
def browser(driver, report):
    """The report on a desktop."""
    driver.get_log("browser"), driver.get_log("performance")
    driver.get(report.as_uri())
    return driver


@pytest.fixture
def page(driver, report):
    """Open the report in a width and a colour scheme; put the desktop back afterwards."""

    def show(width, scheme="light", path=report, height=844):
        phone = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 700}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        driver.get(path.as_uri())
        return driver

    yield show
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
