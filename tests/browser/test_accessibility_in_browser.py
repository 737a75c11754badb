"""Every screen in both themes: no serious finding of axe-core, nothing for the mouse alone."""

from pathlib import Path

import axe_playwright_python
import pytest
from served import at_rest, eventually, watched
from tiers import forms

from pages.menu import SCREENS

pytestmark = pytest.mark.browser
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")  # its licence: MPL 2.0; not shipped

# How each is opened: with as much on show as one visit can, and what says that it is there.
OPENED = {
    "live": ("", ".live[data-n]"),
    "learn": ("?v=1&at=3&guesses=[5,5,5]", "[data-testid=stImage]"),
    "explore": ("?lesson=erase&layer=v_hat", ".player[data-run]"),
    "predictive": ("?v=1&source=shapes", ".predictive[data-ready]"),
    "stability": ("?v=1&T=10", ".race canvas"),
    "few_shot": ("", ".gallery canvas"),
    "your_data": ("", "[data-testid=stFileUploader]"),
    "evidence": ("?v=1&claim=fewshot", ".js-plotly-plot .ytick"),
}

# Rule and place of what axe finds serious or critical, shadow roots included; all rules where none are named.
FAULTS = """async (rules) => {
    const options = { resultTypes: ['violations'], ...(rules.length && { runOnly: rules }) };
    const { violations } = await axe.run(document, options);
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map(one => `${id}, ${one.target.flat().at(-1)}: ${one.html}`));
}"""

# What a mouse may press, as its pointer says, and no key reaches; drawings that take keys and have no name.
# Left out: the steps in charts and film, to which the time slider goes by keys; and Plotly's zoom, which only
# enlarges what is told in words beside the chart.
MOUSE_ALONE = """() => {
    const able = 'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])';
    const around = 'a[href], button, label, summary, .hit, .film, .js-plotly-plot';
    const up = e => e.parentElement ?? e.getRootNode().host ?? null;
    const found = [];
    const visit = e => {
        [...(e.shadowRoot?.children ?? []), ...e.children].forEach(visit);
        if (e.matches("canvas[tabindex]:not([aria-label])")) found.push("no name: " + e);
        const pointer = getComputedStyle(e).cursor;
        if (!['pointer', 'crosshair', 'grab'].includes(pointer) || !e.checkVisibility()) return;
        if (up(e) && getComputedStyle(up(e)).cursor === pointer) return; // it is that one's pointer
        if (e.disabled || e.matches(able) || e.querySelector(able) || e.closest(around)) return;
        found.push(`${e.tagName} ${e.getAttribute('class')}`);
    };
    visit(document.body);
    return found;
}"""


# in both themes each, with all that can be opened: the screens that are made of most kinds of parts
@pytest.mark.parametrize("screen", forms(SCREENS, slow=("learn", "explore", "few_shot", "evidence")))
def test_a_screen_is_for_all_in_both_themes_and_asks_no_other_server(screen, new_context, url):
    page = watched(new_context(reduced_motion="reduce"))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws:", "http:")))
    query, there = OPENED[screen]
    page.goto(f"{url}/{'' if screen == 'live' else screen}{query}")
    page.locator(there).first.wait_for()
    at_rest(page)
    for name in ("All controls", "Draw the clean image"):
        for button in page.get_by_role("button", name=name).all():
            button.click()
    closed = page.locator("details:not([open]) > summary")
    while closed.count():
        closed.first.click()
    page.mouse.move(0, 0)
    at_rest(page)
    page.add_script_tag(path=AXE)
    for theme, rules in (("light", []), ("dark", ["color-contrast"])):  # all that a theme can change
        page.emulate_media(color_scheme=theme)
        eventually(lambda rules=rules: page.evaluate(FAULTS, rules), lambda faults: faults == [])
    assert page.evaluate(MOUSE_ALONE) == []
    assert [one for one in asked if not one.startswith((url, "data:", "blob:"))] == []
    assert page.faults == []
