"""The report in a real browser: it sorts, shows every model, and asks no network and no console for anything."""

MODELS = {"unet": 0.8, "deeplabv3_plus": 0.95, "otsu": 0.5}


def column(browser, table, place):
    rows = browser.find_elements("css selector", f"#{table} tbody:first-of-type tr")
    return [row.find_elements("css selector", "td")[place].text for row in rows]


def test_every_model_is_there_and_the_best_is_first(browser):
    assert column(browser, "ranking-demo", 1) == ["deeplabv3_plus", "unet", "otsu"]
    assert browser.find_element("css selector", ".card .winner").text == "deeplabv3_plus"
    for table in ("classes-demo", "cost-demo"):
        assert set(column(browser, table, 0)) == set(MODELS)
    badge = browser.find_element("css selector", "#ranking-demo tbody.published .badge")
    assert badge.text == "published"


def test_a_click_and_a_key_sort_a_column(browser):
    from selenium.webdriver.common.keys import Keys

    headers = browser.find_elements("css selector", "#ranking-demo th")
    button = headers[2].find_element("css selector", "button")
    button.click()
    scores = [float(text) for text in column(browser, "ranking-demo", 2)]
    assert scores == sorted(scores)
    assert headers[2].get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert [float(text) for text in column(browser, "ranking-demo", 2)] == sorted(scores, reverse=True)
    assert headers[2].get_attribute("aria-sort") == "descending"
    headers[1].find_element("css selector", "button").click()
    assert column(browser, "ranking-demo", 1) == sorted(MODELS)
    published = browser.find_element("css selector", "#ranking-demo tbody.published")
    assert "DeepLab v3+" in published.text


def test_pictures_are_loaded_and_nothing_is_wider_than_the_window(browser):
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
    assert browser.execute_script(broken) == []
    assert browser.execute_script("return document.images.length") > 15
    assert browser.execute_script("return document.querySelectorAll('svg.chart').length") == 7
    for width in (1280, 420):
        browser.set_window_size(width, 900)
        inner = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert inner[0] <= inner[1]
    browser.set_window_size(1280, 900)


def test_no_error_in_the_console_and_no_request_to_a_network(browser):
    assert browser.get_log("browser") == []
    requests = [
        entry["message"] for entry in browser.get_log("performance") if "Network.requestWillBeSent" in entry["message"]
    ]
    assert requests
    assert not [message for message in requests if '"url":"http' in message or '"url":"ws' in message]
