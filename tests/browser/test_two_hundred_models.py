"""Two hundred models of five replicates stay usable: found, sorted and filtered at once, the best twenty in figures."""

import example_report
import pytest

from scan2seg.reporting.html import render_report

pytestmark = pytest.mark.slow
FILTER = """
const [table, words] = arguments, input = table.closest(".box").querySelector("input[type=search]");
const start = performance.now();
input.value = words;
input.dispatchEvent(new Event("input", {bubbles: true}));
document.body.offsetHeight;
const shown = [...table.tBodies[0].rows].filter(row => row.checkVisibility()).map(row => row.cells[1].textContent);
return [performance.now() - start, shown];
"""


@pytest.fixture(scope="module")
def two_hundred(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hundreds")
    render_report(example_report.write_many(folder, 200, 5, 8), folder / "index.html", folder / "figures")
    return folder / "index.html"


def test_two_hundred_models_are_found_sorted_and_compared(page, two_hundred):
    assert two_hundred.stat().st_size < 15e6
    driver = page(1280, path=two_hundred)
    table = driver.find_element("css selector", "#ranking-demo")
    seconds, shown = driver.execute_script(FILTER, table, "model_19")
    assert sorted(shown) == [f"model_{index}" for index in range(190, 200)] and seconds < 2000
    assert len(driver.execute_script(FILTER, table, "")[1]) == 200
    driver.find_elements("css selector", "#ranking-demo th button")[1].click()
    assert driver.execute_script(FILTER, table, "")[1] == [f"model_{index:03d}" for index in range(200)]
    text = driver.find_element("css selector", "#dataset-demo").text
    assert "Figures show the best 20 of 200 models; the other 180 are in tables" in text
    names = driver.execute_script("return document.querySelector('#dataset-demo svg.chart').textContent")
    assert sum(f"model_{index:03d}" in names for index in range(200)) == 20
    options = driver.find_elements("css selector", "#viewer-demo figure:first-of-type option")
    assert len(options) == 2 + 200
    inner = driver.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert inner[0] <= inner[1]
