"""T, and what is done to a run of Explore: the browser shows what follows, the server answers the same."""

import pytest
from explorer import LUT, another_run, go, pixels, place, reference, run_id, settle, step
from served import eventually, hold_in_the_sidebar
from test_explore_followed_in_browser import KEEP_BACK, WITHOUT

from fbseg_core.rollout.interventions import Flip, Freeze, Perturb, Swap

pytestmark = pytest.mark.browser

SHOWN = ("input", "run", "ghost", "comparison", "truth")
BUTTONS = {
    "Add noise to every neuron": Perturb(t=6),
    "Hold the decay's clock": Freeze(t=6),
    "Show the model another image": Swap(t=6, seed=3),
    "Cut the loop": Flip(t=6),
}


def opened(open_page, query, **options):
    page = open_page(query, **options)
    page.wait_for_selector(".player[data-engine=true]")
    return page


def press(page, name):
    page.locator(".acts").get_by_role("button", name=name).click()


def made(page, text):
    """Wait until what is on show was computed in the browser, of values that hold this text."""
    eventually(lambda: text in (page.locator(".player.ahead").get_attribute("data-made") or ""))


def frozen(page, shown=SHOWN):
    """All that is on show of the run: the panels' colours, the film, the words and marks around them."""
    film = page.locator(".film canvas").evaluate("canvas => canvas.toDataURL()")
    words = [page.locator(f".{part}").inner_text() for part in ("summary", "chips", "marks", "panels")]
    return {panel: pixels(page, panel).tobytes() for panel in shown if panel in SHOWN} | {
        "film": film,
        "words": words,
    }


def moved(before, after):
    return [part for part in before if before[part] != after[part]]


def masked(page, panel):
    return (pixels(page, panel) == LUT[255]).all(-1)


def mask_of(result, t):
    return (result.trajectory.logits[t, 0].argmax(0) > 0).numpy()


def test_what_is_done_to_a_run_shows_at_once_and_no_pixel_changes_when_the_server_answers(open_page):
    page = opened(open_page, "?task=grouping&image=2&t=6&layer=mask")
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    for name in BUTTONS:  # the one after the other, before any is answered
        press(page, name)
    made(page, '"flip"')
    done = tuple(BUTTONS.values())
    want = reference("grouping-feedback", image=2, do=done)
    assert run_id(page) == before and step(page) == 6
    assert page.locator(".chips button").all_inner_texts()[:2] == [
        "t = 6: perturb by 1 ✕",
        "t = 6: freeze the clock ✕",
    ]
    go(page, 10)
    assert (masked(page, "run") != mask_of(want, 10)).mean() < 1e-3
    assert (masked(page, "ghost") == mask_of(reference("grouping-feedback", image=2), 10)).mean() > 0.999
    assert (masked(page, "truth") == (want.labels[10, 0] > 0).numpy()).all()
    held = frozen(page)
    page.evaluate("letGo()")
    another_run(page, before)
    page.wait_for_function("location.search.includes('do=perturb')")
    assert page.locator(".player.ahead").count() == 0 and moved(held, frozen(page)) == []
    # what is taken back is gone at once, and a cue asks for another region
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    page.get_by_role("button", name="Take back every intervention").click()
    page.wait_for_selector(".panel.ghost", state="detached")
    assert (masked(page, "run") == mask_of(reference("grouping-feedback", image=2), 10)).mean() > 0.999
    page.mouse.click(*place(page, "input", 5, 5))
    made(page, '"cue":[5,5]')
    page.mouse.move(5, 5)  # no crosshair in what is compared
    region = masked(page, "truth")
    assert region[5, 5] and (masked(page, "run") & region).sum() > 0.8 * region.sum()
    held = frozen(page, ("input", "run", "comparison", "truth"))
    page.evaluate("letGo()")
    another_run(page, before)
    assert moved(held, frozen(page, held)) == [] and page.faults == []


def test_T_in_the_hand_is_computed_on_or_cut_asks_nothing_and_does_not_jump(open_page):
    asked = []

    def listen(page):
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: asked.append("message")))
        page.on("request", lambda request: asked.append(request.url))

    done = (Perturb(t=4, size=0.5), Swap(t=12, seed=5))
    query = "?task=grouping&image=2&layer=mask&do=perturb,t:4,size:0.5~swap,t:12,seed:5"
    page = opened(open_page, query, before=listen)
    assert page.locator(".marks span").count() == 1  # the swap lies past the end
    for by in (40, -60):
        page.wait_for_timeout(1000)
        before = run_id(page)
        asked.clear()
        steps = int(hold_in_the_sidebar(page, "explore-T", by))
        assert (steps > 12) == (by > 0)
        made(page, f'{{"T":{steps}}}')
        want = reference("grouping-feedback", image=2, do=done, steps=steps)
        assert step(page) == steps and (masked(page, "run") != mask_of(want, steps)).mean() < 1e-3
        assert (masked(page, "truth") == (want.labels[steps, 0] > 0).numpy()).all()
        assert page.locator(".time").get_attribute("max") == str(steps)
        assert page.locator(".marks span").count() == (2 if steps >= 12 else 1)
        page.wait_for_timeout(500)
        assert asked == []
        held = frozen(page)
        page.mouse.up()
        another_run(page, before)
        page.wait_for_function(f"location.search.includes('T={steps}')")
        assert asked and page.locator(".player.ahead").count() == 0 and moved(held, frozen(page)) == []
    assert page.faults == []


@pytest.mark.thorough
def test_strokes_images_that_were_not_sent_and_browsers_without_an_engine(open_page):
    page = opened(open_page, "?task=grouping&image=2&t=7&layer=mask")
    press(page, "Wipe the state")
    box = page.locator(".panel.run canvas").bounding_box()
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.up()
    made(page, '"paint"')
    page.mouse.move(5, 5)
    held = frozen(page)
    wiped = masked(page, "run") != masked(page, "ghost")
    assert wiped.any() and not wiped[:, :38].any()
    page.evaluate("letGo()")
    another_run(page, before)
    assert moved(held, frozen(page)) == []
    # the second of two quick swaps is of an image that only the server has
    before = run_id(page)
    for _ in range(2):
        press(page, "Show the model another image")
        go(page, 8)
    another_run(page, before)
    page.wait_for_function("location.search.match(/swap/g)?.length === 2")
    settle(page)
    without = open_page("?task=grouping&image=2&t=6&layer=mask", init=WITHOUT)
    without.wait_for_selector(".engine-note:not([hidden])")
    before = run_id(without)
    press(without, "Add noise to every neuron")
    another_run(without, before)
    before = run_id(without)
    steps = int(hold_in_the_sidebar(without, "explore-T", 40))
    assert run_id(without) == before and without.locator(".player.ahead").count() == 0
    without.mouse.up()
    another_run(without, before)
    go(without, steps)
    want = reference("grouping-feedback", image=2, do=(Perturb(t=6),), steps=steps)
    assert (masked(without, "run") == mask_of(want, steps)).all()
    assert page.faults == [] and without.faults == []


@pytest.mark.slow
def test_what_is_done_again_at_a_step_takes_the_place_of_what_was_done_there(open_page):
    page = opened(open_page, "?task=grouping&image=2&t=7&layer=mask")
    for _ in range(3):
        press(page, "Show the model another image")
    go(page, 9)
    press(page, "Show the model another image")
    press(page, "Softmax off from the step on show")
    press(page, "Softmax on from the step on show")
    eventually(lambda: page.locator(".chips button").all_inner_texts()[:-1] == [
        "t = 7: image 5 ✕", "t = 9: image 6 ✕", "t = 9: softmax on ✕",
    ])  # fmt: skip
    assert page.faults == []
