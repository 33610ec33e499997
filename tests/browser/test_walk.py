"""The first screen, and walking through images and slices with the mouse, the keys, and without JavaScript."""

FIRST = ("#summary .winner", "#summary .lead", "#summary table", "#summary svg.chart", "#summary .trade .caption")


def test_the_answer_the_ranking_and_the_trade_off_are_on_the_first_screen(page):
    driver = page(1280, height=900)
    bottoms = "return arguments[0].map(one => document.querySelector(one).getBoundingClientRect().bottom)"
    assert max(driver.execute_script(bottoms, list(FIRST))) <= 900
    wide = (
        "const box = document.querySelector('#summary table').parentElement; return box.scrollWidth - box.clientWidth"
    )
    assert driver.execute_script(wide) <= 1
    lead = driver.find_element("css selector", "#summary .lead").text
    assert "deeplabv3_plus is best of 3 models on demo: mean IoU 0.9" in lead and "leads unet by" in lead


def choose(select, name):
    from selenium.webdriver.support.ui import Select

    Select(select).select_by_visible_text(name)


def test_any_two_models_are_compared_on_any_test_image(page):
    from selenium.webdriver.common.keys import Keys

    driver = page(1280)
    viewer = driver.find_element("css selector", "#viewer-demo")
    left, right = viewer.find_elements("css selector", "figure")
    caption = lambda pane: pane.find_element("css selector", "figcaption").text  # noqa: E731
    assert caption(left).startswith("deeplabv3_plus, slice_009") and caption(right).startswith("unet, slice_009")
    choose(right.find_element("css selector", "select"), "truth")
    choose(viewer.find_element("css selector", ".name"), "slice_011")
    assert caption(right) == "truth, slice_011" and caption(left).startswith("deeplabv3_plus, slice_011, mean IoU 0.")
    slider = viewer.find_element("css selector", ".frame")
    before = left.find_element("css selector", ".layer").get_attribute("src")
    slider.send_keys(Keys.ARROW_LEFT)
    assert caption(left).startswith("deeplabv3_plus, slice_010")
    assert left.find_element("css selector", ".layer").get_attribute("src") != before
    assert slider.get_attribute("aria-valuetext") == "slice_010"
    opacity = viewer.find_element("css selector", ".opacity")
    opacity.send_keys(Keys.HOME)
    shown = "return getComputedStyle(arguments[0].querySelector('.layer')).opacity"
    assert driver.execute_script(shown, left) == "0"
    choose(right.find_element("css selector", "select"), "raw")
    assert not right.find_element("css selector", ".layer").is_displayed()


def test_slices_of_scans_and_segmentations_are_walked_through(page):
    from selenium.webdriver.common.keys import Keys

    driver = page(1280)
    for anchor, words in (("walk-demo-pillar", "slice 8 of 12"), ("walk-segmentation-pillar", "slice 4 of 4")):
        viewer = driver.find_element("css selector", f"#{anchor}")
        viewer.find_element("css selector", ".frame").send_keys(Keys.ARROW_RIGHT)
        assert words in viewer.find_element("css selector", "figcaption").text


def test_without_javascript_the_middle_is_shown(page):
    driver = page(1280)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.refresh()
        viewer = driver.find_element("css selector", "#walk-demo-pillar")
        assert [one.text for one in viewer.find_elements("css selector", "figcaption")] == [
            "reconstructed, slice 7 of 12",
            "denoised, slice 7 of 12",
        ]
        assert not viewer.find_element("css selector", ".controls").is_displayed()
        assert int(viewer.find_element("css selector", ".ground").get_property("naturalWidth")) > 10
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_best_twenty_are_in_figures_and_all_can_be_chosen(page, many_models):
    driver = page(1280, path=many_models)
    text = driver.find_element("css selector", "#dataset-demo").text
    assert "Figures show the best 20 of 22 models; the other 2 are in tables" in text
    names = driver.execute_script("return [...document.querySelectorAll('#dataset-demo svg.chart')][0].textContent")
    assert "model_21" in names and "model_00" not in names
    options = driver.find_elements("css selector", "#viewer-demo figure:first-of-type option")
    assert len(options) == 2 + 22
