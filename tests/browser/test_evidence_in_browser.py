import csv
import json

import pytest
from served import at_rest, choose, eventually, watched

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.records import path_of, read

pytestmark = pytest.mark.browser
SHIPPED = [name for name in EXPERIMENTS if path_of(name, "full").exists()]


@pytest.fixture
def open_page(new_context, url):
    def open_page(query="", height=900, **options):
        page = watched(new_context(height=height, **options))
        page.goto(f"{url}/evidence{query}")
        page.wait_for_selector(".evidence")
        at_rest(page)
        drawn(page, 1 if query else len(SHIPPED))
        return page

    return open_page


def drawn(page, charts):
    page.wait_for_function(
        "n => document.querySelectorAll('.js-plotly-plot .main-svg .ytick').length > 0 && "
        "document.querySelectorAll('.js-plotly-plot').length === n",
        arg=charts,
    )


# What reaches past the window's sides, and whether the table is there to be read: whole, but on a phone.
CUT = """() => {
    const cut = [...document.querySelectorAll('.legend, .verdict, .js-plotly-plot')].filter(e => {
        const box = e.getBoundingClientRect();
        return !box.width || box.left < 0 || box.right > innerWidth + 1;
    }).map(e => e.className);
    if (document.documentElement.scrollWidth > innerWidth) cut.push('the page');
    const table = document.querySelector('.evidence')?.getBoundingClientRect();
    const whole = table && (table.bottom < innerHeight || innerWidth < 640) && table.right <= innerWidth;
    return whole && table.top > 0 && table.top < innerHeight / 2 ? cut : [...cut, 'the table'];
}"""


@pytest.mark.slow
def test_the_table_comes_first_and_whole_nothing_is_cut_off_and_a_row_leads_to_its_card(open_page):
    page = open_page()
    eventually(lambda: page.evaluate(CUT), lambda cut: cut == [])
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 900})
    eventually(lambda: page.evaluate(CUT), lambda cut: cut == [])
    assert page.locator(".evidence tbody tr").count() == len(EXPERIMENTS)
    page.get_by_role("link", name=EXPERIMENTS["help"].title).click()
    page.wait_for_function("document.getElementById('help')?.getBoundingClientRect().top < 300")
    assert not page.faults


CHART = "() => document.querySelector('.js-plotly-plot')?.innerHTML"


@pytest.mark.thorough
def test_a_chart_is_chosen_and_its_card_leads_to_the_setting(open_page):
    page = open_page("?v=1&claim=noise")
    before = eventually(lambda: page.evaluate(CHART))
    panels = EXPERIMENTS["noise"].panels(read(path_of("noise", "full"))[1], {})
    choose(page, "Chart", panels[1].title)
    page.wait_for_function("location.search.includes('charts')")
    eventually(lambda: page.evaluate(CHART), lambda chart: chart and chart != before)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Train at paper sigma 8").click()
    lab = opened.value
    slider = lab.get_by_role("slider", name="Noise")
    eventually(slider.input_value, lambda value: float(value) == 1)
    lab.locator("[data-testid=stSidebar]").get_by_text("Paper σ 8").first.wait_for()
    assert not page.faults


@pytest.mark.thorough
def test_the_raw_table_holds_every_row_and_the_file_is_the_one_that_ships(open_page):
    page = open_page("?v=1&claim=ladder")
    _, rows = read(path_of("ladder", "full"))
    page.get_by_text("How to repeat it").click()
    at_rest(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Raw table").click()
    with open(waiting.value.path(), newline="") as file:
        found = list(csv.DictReader(file))
    assert [float(row["f1"]) for row in found] == [row.result["f1"] for row in rows]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Result file").click()
    assert waiting.value.path().read_bytes() == path_of("ladder", "full").read_bytes()
    assert json.loads(waiting.value.path().read_text().splitlines()[0])["experiment"] == "ladder"
