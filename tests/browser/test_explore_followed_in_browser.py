"""A control of Explore in the hand: the browser shows what the server will answer, and asks nothing."""

import numpy as np
import pytest
from explorer import another_run, near, pixels, reference, run_id, shape, shows
from served import choose, eventually, hold_in_the_sidebar

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_another_look_at_a_run_in_the_hand_is_computed_at_once(open_page):
    page = open_page("?layer=probability")
    page.wait_for_selector(".player[data-engine=true]")
    page.wait_for_timeout(1000)
    value = hold(page, 0.6)
    page.wait_for_selector(f".player[data-made='{{\"sigma\":{value:g}}}']")
    page.locator("select.layer").select_option("delta")
    page.locator("select.curve").select_option("norms")
    eventually(lambda: "‖δ‖" in page.locator(".over-time").text_content())
    held = pixels(page, "run")
    page.mouse.up()
    page.wait_for_selector(".player:not(.ahead)")
    assert abs(held - pixels(page, "run")).max() <= 6


def hold(page, share):
    """Take σ's thumb, and bring it there."""
    box = page.locator(".sigma").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    page.mouse.down()
    for at in np.linspace(0.4, share, 8):
        page.mouse.move(box["x"] + at * box["width"], box["y"] + box["height"] / 2)
    return float(page.locator(".sigma").input_value())


# What Streamlit sends waits until it is let go: whatever moves before that was computed in the browser.
KEEP_BACK = """() => {
    const { send } = WebSocket.prototype;
    const kept = [];
    WebSocket.prototype.send = function (...given) { kept.push(() => send.apply(this, given)); };
    window.letGo = () => {
        WebSocket.prototype.send = send;
        kept.forEach((go) => go());
    };
}"""


def test_what_is_dragged_shows_the_run_at_once_asks_nothing_and_does_not_jump(open_page):
    asked = []

    def listen(page):
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: asked.append("message")))
        page.on("request", lambda request: asked.append(request.url))

    page = open_page("?layer=probability", before=listen)
    page.wait_for_selector(".player[data-engine=true]")
    page.wait_for_timeout(1000)
    before = run_id(page)
    asked.clear()
    value = hold(page, 0.7)
    page.wait_for_selector(f".player[data-made='{{\"sigma\":{value:g}}}']")
    want = reference("shapes-feedback", sigma=value)
    assert shows(page, "run", shape(want, 10))  # the hand still holds it
    page.wait_for_timeout(500)
    assert asked == [] and page.locator(".player.ahead").count() == 1
    held = {panel: pixels(page, panel) for panel in ("input", "run", "comparison", "truth")}
    words = page.locator(".summary").inner_text()
    page.mouse.up()
    another_run(page, before)
    page.wait_for_function(f"location.search.includes('sigma={value:g}')")
    assert asked and page.locator(".player.ahead").count() == 0
    for panel, colours in held.items():
        assert abs(colours - pixels(page, panel)).max() <= 6, panel  # a step of the colour scale
    assert page.locator(".summary").inner_text() == words
    assert f"{value:.2f} (paper σ {8 * value:.1f}" in page.locator(".sigma-text").inner_text()
    # a slider in the sidebar, which is Streamlit's
    page.wait_for_timeout(1000)
    before = run_id(page)
    asked.clear()
    eigenvalue = hold_in_the_sidebar(page, "explore-eigenvalue", 40)
    page.wait_for_selector(f".player[data-made='{{\"eigenvalue\":{eigenvalue:g}}}']")
    want = reference("shapes-feedback", sigma=value, spectrum=(eigenvalue,))
    assert eigenvalue != -1 and shows(page, "run", shape(want, 10)) and asked == []
    held = pixels(page, "run")
    page.mouse.up()
    another_run(page, before)
    page.wait_for_function(f"location.search.includes('eigenvalue={eigenvalue:g}')")
    assert page.locator(".player.ahead").count() == 0 and abs(held - pixels(page, "run")).max() <= 6
    # its toggles and menus
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    for field in ("softmax", "frozen"):
        page.locator(f".st-key-explore-{field} label").click()
    choose(page, "Integrator", "leaky")
    page.wait_for_selector(".player[data-made*=softmax][data-made*=frozen][data-made*=leaky]")
    changed = {"softmax": False, "clock": 0, "integrator": "leaky"}
    want = reference("shapes-feedback", sigma=value, spectrum=(eigenvalue,), **changed)
    held = pixels(page, "run")
    assert run_id(page) == before and near(held, shape(want, 10)).mean() > 0.999
    page.evaluate("letGo()")
    another_run(page, before)
    page.wait_for_function("location.search.includes('clock=0&integrator=leaky')")
    assert page.locator(".player.ahead").count() == 0 and abs(held - pixels(page, "run")).max() <= 6
    assert page.faults == []


@pytest.mark.slow
def test_tau_and_k_follow_the_hand_and_stand_in_the_link(open_page):
    page = open_page("?task=grouping&integrator=leaky&T=6&image=1")
    page.wait_for_selector(".player[data-engine=true]")
    for field, value in (("tau", 2.0), ("k", 0.9)):
        slider, before = page.locator(f".{field}"), run_id(page)
        slider.evaluate(
            "(r, v) => { r.value = v; r.dispatchEvent(new Event('input', {bubbles: true})); }", value
        )
        page.wait_for_selector(f".player[data-made*='\"{field}\":{value:g}']")
        held = pixels(page, "run")
        slider.dispatch_event("change")
        another_run(page, before)
        page.wait_for_function(f"location.search.includes('{field}={value:.1f}')")
        assert abs(held - pixels(page, "run")).max() <= 6
    want = reference("grouping-feedback", image=1, steps=6, integrator="leaky", tau=2.0, k=0.9)
    assert shows(page, "run", shape(want, 6)) and page.faults == []
    slider.evaluate("(r) => { r.value = 0.5; r.dispatchEvent(new Event('change', {bubbles: true})); }")
    page.wait_for_function("!/[?&]k=/.test(location.search)")  # as it was built


# The Worker of the engine is a Blob of JavaScript; Streamlit's own page needs WebAssembly.
WITHOUT = """const Whole = Blob;
globalThis.Blob = function (parts, options) {
    const code = options?.type === "text/javascript";
    return new Whole(code ? ["self.WebAssembly = undefined;", ...parts] : parts, options);
};"""


@pytest.mark.slow
def test_without_webassembly_the_server_computes_and_a_sentence_says_so(open_page):
    page = open_page(init=WITHOUT)
    page.wait_for_selector(".engine-note:not([hidden])")
    said = page.locator(".engine-note").inner_text()
    assert "no WebAssembly" in said and "server computes" in said
    before = run_id(page)
    value = hold(page, 0.7)
    another_run(page, before)  # in the hand as yet
    assert shows(page, "run", shape(reference("shapes-feedback", sigma=value), 10))
    page.mouse.up()
    assert page.faults == []
