import re

import pytest

pytestmark = pytest.mark.browser
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture
def open_page(chromium, url):
    contexts = []

    def open_page(query="", width=1440, height=1000, theme="light"):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("requestfailed", lambda request: page.faults.append(request.url))
        page.goto(url + query)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


def settle(page):
    page.wait_for_selector("[data-testid=stImage] img", timeout=30_000)
    page.wait_for_selector(".js-plotly-plot .main-svg", timeout=30_000)
    page.wait_for_selector(IDLE)
    assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0


def changed(page, before, index=1):
    page.wait_for_function(
        "([i, s]) => document.querySelectorAll('[data-testid=stImage] img')[i].src !== s", arg=[index, before]
    )


def src(page, index=1):
    """A picture's address, which Streamlit makes from a digest of its content: same address, same picture."""
    return page.locator("[data-testid=stImage] img").nth(index).evaluate("image => image.src")


def step_text(page):
    return page.get_by_text(re.compile(r"^Step \d+ of")).inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("task", ["shapes", "grouping"])
def test_first_picture_with_no_click_and_nothing_broken(open_page, task, theme):
    page = open_page(f"/?task={task}", theme=theme)
    assert page.locator("[data-testid=stImage] img").count() == 5
    assert step_text(page).startswith("Step 10 of 10")
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 380) == (theme == "light")
    assert page.faults == []


def test_buttons_and_keys_step_through_time(open_page):
    page = open_page("/?task=grouping")
    at_ten = before = src(page)
    page.get_by_role("button", name=re.compile("Back")).click()
    changed(page, before)
    page.get_by_text("Step 9 of 10").wait_for()  # the words follow the picture
    assert src(page) != at_ten
    page.locator("h1").click()
    before = src(page)
    page.keyboard.press("ArrowRight")
    changed(page, before)
    page.get_by_text("Step 10 of 10").wait_for()
    assert src(page) == at_ten
    assert page.faults == []


def test_noise_slider_changes_input_and_mask(open_page):
    page = open_page()
    before = [src(page, 0), src(page, 1)]
    page.get_by_role("slider", name=re.compile("Noise σ")).press("ArrowRight")
    changed(page, before[0], 0)
    changed(page, before[1], 1)
    assert page.faults == []


def test_switch_is_named_on_screen_and_in_the_link(open_page):
    page = open_page()
    page.get_by_text("Exponential decay").click()
    page.get_by_text("Switched at inference, on a model").wait_for()
    page.wait_for_function("location.search.includes('decay')")
    again = open_page("/" + page.evaluate("location.search"))
    assert again.get_by_text("decay = False").count() == 1


def test_reset_brings_back_defaults_and_an_empty_link(open_page):
    page = open_page("/?task=grouping&grouping-decay=false&grouping-sample=7")
    page.get_by_text("Switched at inference, on a model").wait_for()
    page.get_by_role("button", name="Reset everything").click()
    page.wait_for_function("location.search === ''")
    page.get_by_text("64×64 px").wait_for()
    assert page.get_by_text("Switched at inference, on a model").count() == 0
    assert src(page) == src(open_page())
    assert page.faults == []


@pytest.mark.parametrize("bad", ["1e400", "-1", "nan", "x"])
def test_hostile_links_break_nothing(open_page, bad):
    page = open_page(f"/?task=shapes&shapes-sample={bad}&shapes-T={bad}&shapes-sigma={bad}&shapes-loop={bad}")
    assert step_text(page).startswith("Step 10 of 10")


def test_new_image_button_draws_another(open_page):
    page = open_page()
    before = src(page, 3)
    page.get_by_role("button", name="New").first.click()
    changed(page, before, 3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_has_no_sideways_scroll_and_two_pictures_in_a_row(open_page, theme):
    page = open_page("/?task=grouping", width=390, height=844, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = [page.locator("[data-testid=stImage] img").nth(i).bounding_box() for i in range(4)]
    assert boxes[0]["y"] == boxes[1]["y"] < boxes[2]["y"] == boxes[3]["y"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert page.faults == []
