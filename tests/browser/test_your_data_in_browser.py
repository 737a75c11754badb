"""Your images in a real browser: a zip is sent, a model trained and opened in Explore; all fits a phone."""

import folders
import pytest
from served import at_rest, watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_zip_becomes_a_model_and_the_page_fits_a_phone(url, new_context, tmp_path):
    root = folders.pairs(tmp_path / "mine", n=6)
    file = tmp_path / "six.zip"
    folders.zipped(root, file)
    context = new_context()
    page = watched(context)
    page.goto(f"{url}/your_data?v=1&updates=50&kind=feedback&side=32")
    at_rest(page)
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_text("images to learn from").wait_for()
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("What it learned").wait_for()
    at_rest(page)
    page.locator("input[type=file]").nth(1).set_input_files(root / "images" / "00.png")
    page.get_by_text("All masks (zip)").wait_for()
    with context.expect_page() as opened:
        page.get_by_role("link", name="Open it in Explore").click()
    there = opened.value
    at_rest(there)
    there.locator(".panel.run canvas").wait_for()
    assert there.get_by_text("2 right").count() or there.get_by_text("class 2").count()
    page.set_viewport_size({"width": 390, "height": 1000})
    at_rest(page)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide) and not page.faults
