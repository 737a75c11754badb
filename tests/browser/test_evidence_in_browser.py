import csv
import json

import pytest
from served import watched

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.records import path_of, read

pytestmark = pytest.mark.browser
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
SHIPPED = [name for name in EXPERIMENTS if path_of(name, "full").exists()]


@pytest.fixture
def open_page(new_context, url):
    def open_page(query="", height=900, **options):
        page = watched(new_context(height=height, **options))
        page.goto(f"{url}/evidence{query}")
        page.wait_for_selector(".evidence")
        page.wait_for_selector(IDLE)
        drawn(page, 1 if query else len(SHIPPED))
        return page

    return open_page


def drawn(page, charts):
    page.wait_for_function(
        "n => document.querySelectorAll('.js-plotly-plot .main-svg .ytick').length > 0 && "
        "document.querySelectorAll('.js-plotly-plot').length === n",
        arg=charts,
    )


def test_the_whole_table_is_read_without_scrolling_nothing_is_cut_off_and_a_row_leads_to_its_card(open_page):
    page = open_page(height=900)
    table = page.locator(".evidence")
    for width, theme in ((1440, "light"), (390, "dark")):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            "width => [...document.querySelectorAll('.js-plotly-plot .main-svg')].every(e => "
            "e.getBoundingClientRect().right <= width + 1)",
            arg=width,
        )
        box = table.bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] < 900 and box["x"] + box["width"] <= width
        assert table.locator("tbody tr").count() == len(EXPERIMENTS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for each in page.locator(".legend, .verdict, .js-plotly-plot").all():
            box = each.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width + 1
    page.get_by_role("link", name=EXPERIMENTS["help"].title).click()
    page.wait_for_function("document.getElementById('help').getBoundingClientRect().top < 300")
    assert not page.faults


def test_a_chart_is_chosen_its_link_opens_it_again_and_its_card_leads_to_the_setting(open_page):
    page = open_page("?v=1&claim=noise")
    before = page.locator(".js-plotly-plot").inner_html()
    box = page.get_by_role("combobox", name="Chart")
    panels = EXPERIMENTS["noise"].panels(read(path_of("noise", "full"))[1], {})
    option = page.get_by_role("option", name=panels[1].title)
    for _ in range(6):  # a menu opened while the page still settles is closed again
        if not option.is_visible():
            box.click()
            page.wait_for_timeout(500)
    option.click()
    page.wait_for_function("location.search.includes('charts')")
    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot').innerHTML !== before", arg=before
    )
    again = open_page(page.evaluate("location.search"))
    assert panels[1].title in again.get_by_role("combobox", name="Chart").input_value()
    with again.context.expect_page() as opened:
        again.get_by_role("link", name="Train at paper sigma 8").click()
    lab = opened.value
    lab.get_by_role("slider", name="Noise").wait_for()
    assert float(lab.get_by_role("slider", name="Noise").input_value()) == 1
    assert "Paper σ 8" in lab.locator("[data-testid=stSidebar]").inner_text()
    assert not page.faults + again.faults


def test_the_raw_table_holds_every_row_and_the_file_is_the_one_that_ships(open_page):
    page = open_page("?v=1&claim=ladder")
    _, rows = read(path_of("ladder", "full"))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Raw table").click()
    with open(waiting.value.path(), newline="") as file:
        found = list(csv.DictReader(file))
    assert [float(row["f1"]) for row in found] == [row.result["f1"] for row in rows]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Result file").click()
    assert waiting.value.path().read_bytes() == path_of("ladder", "full").read_bytes()
    assert json.loads(waiting.value.path().read_text().splitlines()[0])["experiment"] == "ladder"
